"""NumPy's own names on secret tensors: which of its functions are offered (NEP 13 and NEP 18), and
the sentence for the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from ..errors import JobError

F = TypeVar("F", bound=Callable[..., Any])
OFFERED: dict[Any, Callable[..., Any]] = {}  # NumPy's function → ours, of the same arguments

SENTENCES: set[Any] = set()  # those of them that end in a sentence of their own


def offers(*functions: Any) -> Callable[[F], F]:
    """Mark a function as what these functions of NumPy do on secret tensors."""

    def mark(ours: F) -> F:
        OFFERED.update(dict.fromkeys(functions, ours))
        return ours

    return mark


def call(function: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """A function of NumPy on secret tensors; JobError with what is offered where it is not."""
    ours = OFFERED.get(function)
    if ours is None:
        known = ", ".join(sorted({each.__name__ for each in OFFERED if each not in SENTENCES}))
        raise JobError(
            f"np.{function.__name__} is not offered for a secret tensor; of NumPy's functions there"
            f" are {known}"
        )
    try:
        inspect.signature(ours).bind(*arguments, **options)
    except TypeError as error:
        raise JobError(f"np.{function.__name__} of a secret tensor: {error}") from None
    return ours(*arguments, **options)


def along(function: Any) -> Callable[..., Any]:
    """The method of a secret tensor that is NumPy's `function` along axes."""

    def method(self: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        return call(function, (self, axis), {"keepdims": keepdims} | options)

    method.__name__ = function.__name__
    method.__doc__ = f"As np.{function.__name__}: along `axis`; None: of all entries."
    return method


def pairing(function: Any) -> Callable[[Any, Any], Any]:
    """The method of a secret tensor that is NumPy's `function` of it and another operand."""

    def method(self: Any, other: Any) -> Any:
        return call(function, (self, other), {})

    return method


def refusing(text: str) -> Callable[..., NoReturn]:
    """A method that raises a JobError of this sentence, with the tensor as its subject."""

    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise JobError(f"{self!r} {text}")

    return refuse
