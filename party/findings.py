"""What checks of a party's settings have found, each as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: its name, how it went, and a sentence that says what to do if it
    failed."""

    check: str
    state: str
    text: str


class Findings:
    """All outcomes so far, and what was measured. tell: called with each outcome."""

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        self._tell = tell
        self.all: list[Finding] = []
        self.figures: dict[str, float] = {}  # by name: seconds, and bits a second

    @property
    def failed(self) -> list[Finding]:
        """Those that must be mended before a run."""
        return [finding for finding in self.all if finding.state == FAIL]

    def add(self, check: str, state: str, text: str) -> None:
        """Note the outcome of one check, OK, WARN or FAIL, and tell it."""
        finding = Finding(check, state, text)
        self.all.append(finding)
        self._tell(finding)
