"""Everything public says what it is: who does what to whom, with shapes, units and errors.

What overrides something is documented there: the contract once, at the base class. What is left out
otherwise is said here, by rule.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import dealer
import party
import protocol
from protocol.networks.operators import OPERATORS

# by ONNX's own documentation: `networks/operators.py` has the rule
ONNX = {entry.function for entry in OPERATORS.values()}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """The public modules of a package; names with an underscore are private, as those of twin
    kernels, whose contract the module that chooses between them has."""
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield importlib.import_module(found.name)


def public(owner: Any, module: str) -> Iterator[tuple[str, Any]]:
    """Names and values of what `owner`, a module or a class, defines itself."""
    for name, value in vars(owner).items():
        if not name.startswith("_"):
            found = value.fget if isinstance(value, property) else value
            found = getattr(found, "func", getattr(found, "__func__", found))
            if getattr(found, "__module__", None) == module:
                yield name, found


def undocumented(package: ModuleType) -> Iterator[str]:
    for module in modules(package):
        if not module.__doc__:
            yield module.__name__
        is_command = ".commands." in module.__name__  # its `run` does what the module says
        for name, value in public(module, module.__name__):
            if inspect.isfunction(value):
                if not (value.__doc__ or value in ONNX or (is_command and name == "run")):
                    yield f"{module.__name__}.{name}"
            elif inspect.isclass(value):
                made = f"{name}("  # by `dataclass` and `NamedTuple`, where there is none
                if (vars(value).get("__doc__") or made).startswith(made):
                    yield f"{module.__name__}.{name}"
                for own, method in public(value, module.__name__):
                    overrides = any(
                        own in vars(base) or own in vars(base).get("__annotations__", ())
                        for base in value.__mro__[1:]
                    )
                    if inspect.isfunction(method) and not method.__doc__ and not overrides:
                        yield f"{module.__name__}.{name}.{own}"


@pytest.mark.parametrize("package", [protocol, dealer, party], ids=lambda package: package.__name__)
def test_everything_public_is_documented(package):
    assert not [*undocumented(package)]
