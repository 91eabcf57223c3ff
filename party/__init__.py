"""One of the two parties: `python -m party`, or a library. What libraries use is loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Party as Party
    from .api import plain as plain
    from .api import plan as plan
    from .api import simulate as simulate
    from .planned import Planned as Planned
    from .result import Result as Result

__all__ = ["Party", "Planned", "Result", "plain", "plan", "simulate"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api  # only now: a command attends to signals before it imports what takes time

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
