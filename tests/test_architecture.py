"""The walls: who may import whom, no cycles at any depth, no file of two ideas, no careless
randomness."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("protocol", "dealer", "party")
MOST_LINES = 400  # of at most 100 columns

# Lower ones know nothing of higher ones, those on one line not of each other. A name stands for its
# package.
ORDER = [
    ("errors", "files", "limits", "ranges", "schedule", "wording"),
    ("arguments", "domains", "kernels", "origin", "parameters"),
    ("preparation", "ring"),
    ("prg", "fixedpoint"),
    ("views",),
    ("structural",),
    ("correlations", "nodes"),
    ("graph",),
    ("ancestry", "contract", "program", "digest", "draws"),
    ("beforehand",),
    ("joins", "sizing", "validate", "cost", "parts"),
    ("contract_codec", "fitting", "lowering"),
    ("solver",),
    ("ops",),
    ("inputs",),
    ("job",),
    ("lasting",),
    ("guard",),
    ("checks",),
    ("tracing",),
    ("jobs",),
    ("describe", "together"),
    ("table_parts", "table_steps"),
    ("table_arguments",),
    ("tables",),
    ("matching", "labels"),
    ("plan",),
    ("machine",),
    ("dealing", "history"),
    ("simulate",),
]
RANK = {f"protocol.{name}": rank for rank, names in enumerate(ORDER) for name in names}

# Bad weather on a link, for tests and latency experiments, is drawn with `random`: repeatable, not
# secret.
WEATHER = {"protocol.channel.memory", "protocol.channel.shaping"}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


class _Imports(ast.NodeVisitor):
    """Absolute names of all that is imported, inside functions and for the type checker alone
    too."""

    def __init__(self, module: str, path: Path) -> None:
        self.names: set[str] = set()
        self.package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit_Import(self, node: ast.Import) -> None:
        self.names |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self.package.split(".")
            parts = parts[: len(parts) - node.level + 1]
            base = ".".join([*parts, base] if base else parts)
        self.names |= {f"{base}.{alias.name}" for alias in node.names}


@cache
def imports(module: str) -> frozenset[str]:
    """Full dotted names as written: `from a.b import c` gives a.b.c."""
    path = modules()[module]
    visitor = _Imports(module, path)
    visitor.visit(ast.parse(path.read_text(), str(path)))
    return frozenset(visitor.names)


def resolve(name: str) -> str | None:
    """The module of this project that `name` lies in."""
    while name:
        if name in modules():
            return name
        name = name.rpartition(".")[0]
    return None


@cache
def edges() -> dict[str, frozenset[str]]:
    return {
        module: frozenset(
            found for name in imports(module) if (found := resolve(name)) and found != module
        )
        for module in modules()
    }


def reached(module: str) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for each in edges()[waiting.pop()] - seen:
            seen.add(each)
            waiting.append(each)
    return seen


def test_imports_for_the_type_checker_are_seen(tmp_path):
    path = tmp_path / "lower.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .higher import Thing\n"
    )
    visitor = _Imports("protocol.lower", path)
    visitor.visit(ast.parse(path.read_text()))
    assert "protocol.higher.Thing" in visitor.names


def part(module: str) -> str:
    """protocol.correlations.base → protocol.correlations"""
    return ".".join(module.split(".")[:2])


def test_the_tree_is_found():
    assert {
        "protocol.ring",
        "protocol.ops",
        "protocol.correlations.base",
        "dealer.session",
        "party.attempts",
    } <= set(modules())
    assert set(RANK) <= {part(module) for module in modules()}
    assert "protocol.views" in edges()["protocol.nodes"]
    assert "protocol.kernels" in edges()["protocol.ring"]


def test_protocol_knows_neither_the_dealer_nor_a_party():
    for module in modules():
        if module.split(".")[0] == "protocol":
            assert not {each for each in reached(module) if each.split(".")[0] != "protocol"}, (
                module
            )


def test_the_dealer_and_the_parties_never_meet():
    for module in modules():
        other = {"dealer": "party", "party": "dealer"}.get(module.split(".")[0])
        assert not {each for each in reached(module) if each.split(".")[0] == other}, module


@pytest.mark.parametrize("module", sorted(module for module in modules() if part(module) in RANK))
def test_imports_point_downwards(module):
    """Through whatever lies between as well: a module that has no place in ORDER cannot be a way
    up."""
    own = RANK[part(module)]
    wrong = {
        each
        for each in reached(module)
        if part(each) != part(module) and RANK.get(part(each), -1) >= own
    }
    assert not wrong
    assert not {
        each for each in reached(module) if part(each) in ("protocol.wire", "protocol.channel")
    }


def test_wire_knows_errors_and_files_alone_and_channel_knows_wire():
    assert not edges()["protocol"]
    for module in modules():
        if part(module) in ("protocol.wire", "protocol.channel"):
            allowed = {
                "protocol",
                "protocol.errors",
                "protocol.files",
                "protocol.wire",
                part(module),
            }
            assert {part(each) for each in edges()[module]} <= allowed, module


def test_no_cycles_at_any_depth():
    cycles = sorted(module for module in modules() if module in reached(module))
    assert not cycles


def types(module: str) -> Iterator[tuple[str, str]]:
    """Public classes and aliases of types of a module, by name: what they are."""
    for node in ast.parse(modules()[module].read_text()).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, module
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if re.fullmatch("[A-Z][A-Za-z]*[a-z]", name):
                yield name, ast.unparse(node.value)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_types_of_a_package_have_one_name(package):
    """Whoever looks a name up finds one thing; an alias may be written in two rooms that do not
    know each other, if it is the same."""
    found: dict[str, set[str]] = {}
    for module in modules():
        if module.split(".")[0] == package and "._" not in module:
            for name, meaning in types(module):
                found.setdefault(name, set()).add(meaning)
    assert found
    assert not {name: meanings for name, meanings in found.items() if len(meanings) > 1}


@pytest.mark.parametrize("folder", [*PACKAGES, "tests"])
def test_a_file_is_one_idea(folder):
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lengths
    assert not {
        str(path.relative_to(ROOT)): length
        for path, length in lengths.items()
        if length > MOST_LINES
    }


def test_what_measures_time_alone_is_where_it_is_looked_for():
    """`deploy/test` runs these by themselves, and collects no other folder for that."""
    mark = "pytest.mark." + "alone"
    marked = {path for path in (ROOT / "tests").rglob("test_*.py") if mark in path.read_text()}
    assert marked and all(path.parent.name == "system" for path in marked)


def careless(module: str) -> set[str]:
    """Uses of random, numpy.random and pickle, imported or reached as an attribute."""
    tree = ast.parse(modules()[module].read_text())
    bad = {"random", "numpy.random", "pickle", "_pickle", "cPickle", "dill", "marshal", "shelve"}
    found = {
        name
        for name in imports(module)
        for each in bad
        if name == each or name.startswith(f"{each}.")
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            dotted = f"{node.value.id}.{node.attr}"
            found |= {dotted} if dotted in ("np.random", "numpy.random") else set()
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
    return found


@pytest.mark.parametrize("module", sorted(modules()))
def test_nothing_secret_is_drawn_carelessly_and_nothing_is_unpickled(module):
    allowed = (
        {"np.random"}
        if module.startswith("party.jobs.")
        else {"random"}
        if module in WEATHER
        else set()
    )
    assert careless(module) <= allowed


def test_the_keystreams_have_one_source():
    """In the core, only `prg` touches the cipher and the operating system's randomness."""
    for module in modules():
        if part(module) in RANK and module != "protocol.prg":
            assert not {name.split(".")[0] for name in imports(module)} & {
                "cryptography",
                "secrets",
            }, module


def test_the_packages_declare_their_types():
    assert (ROOT / "protocol" / "py.typed").exists()
