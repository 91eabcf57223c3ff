"""What a run tells those who look on: a log, a bar, a page, metrics."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.channel import Connection, Waiting
from protocol.graph import Array
from protocol.plan import Plan

from .intake import Supply
from .observing import StepObserver
from .runner import Runner


class RunView(StepObserver):
    """Looks on from the first word of a run to its last, and at its steps. The default says
    nothing."""

    def note(self, text: str, event: str = "note") -> None:
        """Called with a sentence for people, and a word for programs."""

    def linked(self) -> None:
        """Called when both links are open."""

    def begins(self, attempt: int, *links: Connection) -> None:
        """Called when the attempt of this number begins, over these links."""

    def waiting(self, state: Waiting) -> None:
        """Called once a second while somebody is waited for."""

    def planned(self, plan: Plan) -> None:
        """Called once in a run, when the plan is agreed."""

    def revealed(self, step: int, found: Mapping[str, Array], beyond: tuple[str, ...]) -> None:
        """Called when a check after `step` steps has revealed `found` to this party. beyond:
        phrases for what left its range so far, where that is accepted."""

    def running(
        self, runner: Runner, intake: Supply, peer: Connection, dealer: Connection | None
    ) -> None:
        """Called when the rounds of an attempt begin; the observer's methods follow."""

    def ended(self) -> None:
        """Called when the run is over, however it ended."""


class RunViews(RunView):
    """Several views as one; each is told in order."""

    def __init__(self, *views: RunView) -> None:
        self._views = views

    def note(self, text: str, event: str = "note") -> None:
        for view in self._views:
            view.note(text, event)

    def linked(self) -> None:
        for view in self._views:
            view.linked()

    def begins(self, attempt: int, *links: Connection) -> None:
        for view in self._views:
            view.begins(attempt, *links)

    def waiting(self, state: Waiting) -> None:
        for view in self._views:
            view.waiting(state)

    def planned(self, plan: Plan) -> None:
        for view in self._views:
            view.planned(plan)

    def revealed(self, step: int, found: Mapping[str, Array], beyond: tuple[str, ...]) -> None:
        for view in self._views:
            view.revealed(step, found, beyond)

    def running(
        self, runner: Runner, intake: Supply, peer: Connection, dealer: Connection | None
    ) -> None:
        for view in self._views:
            view.running(runner, intake, peer, dealer)

    async def before(self, step: int) -> None:
        for view in self._views:
            await view.before(step)

    def after(self, step: int) -> None:
        for view in self._views:
            view.after(step)

    def ended(self) -> None:
        for view in self._views:
            view.ended()
