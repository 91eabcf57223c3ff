"""One of the two parties: `python -m party`, or a library. What libraries use is loaded when it is
asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Party as Party
    from .api import plain as plain
    from .api import plan as plan
    from .api import simulate as simulate
    from .estimators import LinearRegression as LinearRegression
    from .estimators import LogisticRegression as LogisticRegression
    from .estimators import MLPClassifier as MLPClassifier
    from .estimators import MLPRegressor as MLPRegressor
    from .estimators import Ridge as Ridge
    from .planned import Planned as Planned
    from .result import Result as Result

ESTIMATORS = ("LinearRegression", "LogisticRegression", "MLPClassifier", "MLPRegressor", "Ridge")
__all__ = ["Party", "Planned", "Result", *ESTIMATORS, "plain", "plan", "simulate"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # only now: a command attends to signals before it imports what takes time
    return getattr(
        import_module(f"{__name__}.{'estimators' if name in ESTIMATORS else 'api'}"), name
    )


def __dir__() -> list[str]:
    return __all__
