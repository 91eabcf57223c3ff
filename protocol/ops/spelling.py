"""NumPy's own names on secret tensors: which of its functions are offered (NEP 13 and NEP 18), and
the sentence for the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

from ..errors import JobError
from ..graph import Written
from ..nodes import Node
from ..wording import literal

F = TypeVar("F", bound=Callable[..., Any])
OFFERED: dict[Any, Callable[..., Any]] = {}  # NumPy's function → ours, of the same arguments

SENTENCES: set[Any] = set()  # those of them that end in a sentence of their own


def offers(*functions: Any) -> Callable[[F], F]:
    """Mark a function as what these functions of NumPy do on secret tensors."""

    def mark(ours: F) -> F:
        OFFERED.update(dict.fromkeys(functions, ours))
        return ours

    return mark


def written(template: str = "") -> Callable[[F], F]:
    """Mark a function of several operations: the tensor that it returns is described as its result.

    template: what that is, with the parameters in braces: "{x1} divided by {x2}"; by default the
        function's name and its tensors. Other arguments that are not the default stand behind.
    """

    def mark(ours: F) -> F:
        signature = inspect.signature(ours)

        @wraps(ours)
        def called(*arguments: Any, **options: Any) -> Any:
            out = ours(*arguments, **options)
            if hasattr(out, "_node"):
                bound = signature.bind(*arguments, **options)
                bound.apply_defaults()
                found = _in_words(template or f"{ours.__name__} of", signature, bound.arguments)
                # what is handed on, or was there before its operands, is described as what it is
                if found.operands and out._node.order > max(use.order for use in found.operands):
                    out._graph.written[out._node] = found
            return out

        return cast(F, called)

    return mark


def _in_words(template: str, signature: inspect.Signature, arguments: Mapping[str, Any]) -> Written:
    tensors: list[Node] = []
    places, behind, aside = {}, [], []
    for name, value in arguments.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        if any(hasattr(each, "_node") for each in several):
            parts = []
            for each in several:
                if hasattr(each, "_node"):
                    parts.append(f"{{{len(tensors)}}}")
                    tensors.append(each._node)
                else:
                    parts.append(_braced(each))
            places[name] = " and ".join(parts)
            behind.append(places[name])
        else:
            places[name], usual = _braced(value), _braced(signature.parameters[name].default)
            if f"{{{name}}}" not in template and places[name] != usual:
                aside.append(f"{name}={places[name]}")
    said = template.format(**places) if "{" in template else f"{template} {' and '.join(behind)}"
    return Written(said + f" ({', '.join(aside)})" * bool(aside), tuple(tensors))


def _braced(value: Any) -> str:
    return literal(value).replace("{", "{{").replace("}", "}}")


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
