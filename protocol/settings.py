"""What a command can be told, declared: a class of settings, with a `Setting` for each thing.

    class PeerSettings(Config):
        peer = Setting("where alice listens", address, "tcp://127.0.0.1:7701", metavar="ADDRESS")
        key = Setting("the secret key file", file_path)  # without a default: None
        param = Many("a parameter of the job", str, metavar="NAME=VALUE")
        quiet = Flag("say nothing but the result")

An instance, which `config.resolve` makes, has the values: `peer` an Address, `key` a Path or None,
`param` a tuple of texts, `quiet` a bool. The class has the `Setting` itself, which another class
takes over by `peer = PeerSettings.peer`. A class inherits the settings of its bases.

Wherever a value comes from, it is text that the setting's parser reads, so one sentence rejects it
everywhere and names the place. A parser is a function from text to value that raises ConfigError
with the end of a sentence.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar, cast, overload

from .errors import ConfigError
from .parsers import yes_or_no

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
REST = "..."


class Setting(Generic[T_co]):
    """One setting. Its default is text, parsed like any other value; None: its value is None where
    nobody gives it."""

    name: str  # with underscores: what its class calls it

    @overload
    def __init__(
        self: Setting[T],
        help: str,
        parse: Callable[[str], T],
        default: str,
        *,
        metavar: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: Setting[T | None],
        help: str,
        parse: Callable[[str], T],
        *,
        metavar: str | None = None,
    ) -> None: ...

    def __init__(
        self,
        help: str,
        parse: Callable[[str], Any],
        default: str | None = None,
        *,
        metavar: str | None = None,
    ) -> None:
        self.help, self.default, self.metavar = help, default, metavar
        self._parse = parse

    def __set_name__(self, owner: type, name: str) -> None:
        if name != getattr(self, "name", name):
            raise TypeError(f"the setting {self.name} has another name in {owner.__name__}")
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Config, owner: type) -> T_co: ...

    def __get__(self, instance: Config | None, owner: type) -> Self | T_co:
        return self if instance is None else cast(T_co, instance._values[self.name])

    def __set__(self, instance: Config, value: NoReturn) -> None:
        raise AttributeError(f"the setting {self.name} cannot be set; see Config.but")

    @property
    def option(self) -> str:
        """The name on the command line: --max-memory."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The name in the environment: MPC_MAX_MEMORY."""
        return f"MPC_{self.name.upper()}"

    def read(self, text: str, where: str) -> T_co:
        """The value of the text; ConfigError naming `where` it was given."""
        try:
            return cast(T_co, self._parse(text))
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def fallback(self) -> T_co:
        """The default's value."""
        if self.default is None:
            return cast(T_co, None)
        return self.read(self.default, f"default of {self.option}")

    def of_option(self, given: Any) -> T_co:
        """The value of what argparse has found."""
        return self.read(given, f"option {self.option}")

    def of_variable(self, text: str, where: str) -> T_co:
        """The value of an environment variable; where: it was given, for errors."""
        return self.read(text, where)

    def of_file(self, value: Any, where: str) -> T_co:
        """The value of what stands in a file of TOML."""
        return self.read(_text(value, where, numbers=self._parse is not str), where)

    def add_to(self, group: argparse._ArgumentGroup) -> None:
        """Tell argparse about the option."""
        shown = "" if self.default is None else f", default {self.default}"
        group.add_argument(
            self.option,
            dest=self.name,
            default=argparse.SUPPRESS,
            help=f"{self.help} [{self.variable}{shown}]".replace("%", "%%"),
            **self._action(),
        )

    def _action(self) -> dict[str, Any]:
        return {"metavar": self.metavar}


class Flag(Setting[bool]):
    """--name and --no-name; elsewhere yes or no. False where nobody gives it."""

    def __init__(self, help: str) -> None:
        super().__init__(help, yes_or_no)

    def fallback(self) -> bool:
        return False

    def of_option(self, given: bool) -> bool:
        return given

    def _action(self) -> dict[str, Any]:
        return {"action": argparse.BooleanOptionalAction}


class Many(Setting[tuple[T, ...]]):
    """A setting that may be given repeatedly; its value is a tuple. In the environment: separated
    by blanks, quoted as in a shell; in a file: a list, or a table whose entries k = "v" stand for
    "k=v".

    bare: its values are the words of the command line that belong to no option.
    """

    def __init__(
        self,
        help: str,
        parse: Callable[[str], T],
        *,
        bare: bool = False,
        metavar: str | None = None,
    ) -> None:
        super().__init__(help, lambda text: (parse(text),), metavar=metavar)
        self._bare = bare

    def fallback(self) -> tuple[T, ...]:
        return ()

    def of_option(self, given: Iterable[str]) -> tuple[T, ...]:
        return self._all(given, f"option {self.option}")

    def of_variable(self, text: str, where: str) -> tuple[T, ...]:
        try:
            texts = shlex.split(text)
        except ValueError:
            raise ConfigError(f"{where}: a quotation mark is not closed") from None
        return self._all(texts, where)

    def of_file(self, value: Any, where: str) -> tuple[T, ...]:
        if isinstance(value, dict):
            texts = [f"{key}={_text(item, where, numbers=True)}" for key, item in value.items()]
        else:
            texts = [_text(item, where) for item in (value if isinstance(value, list) else [value])]
        return self._all(texts, where)

    def _all(self, texts: Iterable[str], where: str) -> tuple[T, ...]:
        return tuple(value for text in texts for value in self.read(text, where))

    def add_to(self, group: argparse._ArgumentGroup) -> None:
        if not self._bare:
            super().add_to(group)
            return
        group.add_argument(
            self.name, nargs="*", metavar=self.metavar, default=argparse.SUPPRESS, help=self.help
        )

    def _action(self) -> dict[str, Any]:
        return {"action": "append", "metavar": self.metavar}


@dataclass(frozen=True, repr=False)
class Config:
    """The settings of a command as attributes, and where each came from.

    They are in the order in which --help shows them: the bases', from the left, and the class's
    own. `class X(A, B, order="role … out")` says it otherwise: names, and "..." for the rest.
    """

    declared: ClassVar[Mapping[str, Setting[object]]] = {}
    """The settings by name, as --help orders them."""

    _values: Mapping[str, object]
    _origins: Mapping[str, str]
    _again: Callable[[], Config]

    def __init_subclass__(cls, order: str = REST) -> None:
        found: dict[str, Setting[object]] = {}
        for base in cls.__bases__:
            found |= getattr(base, "declared", {})
        found |= {name: each for name, each in vars(cls).items() if isinstance(each, Setting)}
        words = order.split()
        rest = [name for name in found if name not in words]
        at = words.index(REST) if REST in words else len(words)
        names = [*words[:at], *rest, *words[at + 1 :]]
        if sorted(names) != sorted(found) or (rest and at == len(words)):
            raise TypeError(f"the order of {cls.__name__} names other settings than it has")
        cls.declared = {name: found[name] for name in names}

    def origin(self, name: str) -> str:
        """ "option", "environment MPC_PEER", "file x.toml" or "default"."""
        return self._origins[name]

    def reread(self) -> Self:
        """The same options once more, with what the file says now."""
        return cast(Self, self._again())

    def value(self, setting: Setting[T]) -> T:
        """The value of a setting that is chosen as the command runs."""
        return setting.__get__(self, type(self))

    def but(self, **values: object) -> Self:
        """The same with other values of some settings."""
        for name in values:
            if name not in self.declared:
                raise AttributeError(f"there is no setting {name!r}")
        return replace(self, _values={**self._values, **values})

    def __repr__(self) -> str:
        return "\n".join(
            f"{name} = {value!r}  # {self._origins[name]}" for name, value in self._values.items()
        )


def _text(value: Any, where: str, numbers: bool = False) -> str:
    """A TOML value as its parser reads it; numbers, true and false where they make sense."""
    if isinstance(value, str):
        return value
    if numbers and isinstance(value, (int, float)):
        return str(value).lower()
    raise ConfigError(f"{where}: text is expected here, not {_KINDS.get(type(value), 'a date')}")


_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
