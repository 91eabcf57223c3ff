"""What may take part in the steps of a run without being part of them: checkpoints, checks, records
of material, measurements, and whoever shows how far it is.

A `Runner` is given its observers when it is made. At each place of a run it calls all of them, in
that order.
"""

from __future__ import annotations

from protocol.ring import Words

CHECKPOINT, HALT, STOP = "checkpoint", "halt", "stop"
"""Words in the first round of a step: write a checkpoint at its end; the same, and end there; the
run is over."""


class StepObserver:
    """Every method does nothing unless overridden. What one raises ends the run."""

    def sending(self, number: int, words: Words) -> None:
        """Called before the message of round `number` of setup is sent. words: what it sends."""

    def heard(self, number: int, words: Words) -> None:
        """Called when the peer's message of round `number` of setup has been received."""

    async def before(self, step: int) -> None:
        """Called before a step, once its material is at hand."""

    def request(self) -> str | None:
        """Called after `before`: CHECKPOINT or HALT, if this party requests one in this step. The
        first observer that requests one decides."""
        return None

    def after(self, step: int) -> None:
        """Called when `step` steps are done."""

    def checked(self, step: int) -> bool:
        """Called when the CHECK after `step` steps has revealed its results. True ends the run
        early."""
        return False

    def checkpoint(self, step: int) -> None:
        """Called at the end of a step in which either party requested a checkpoint or a halt: write
        a checkpoint of `step` now."""

    def confirmed(self) -> None:
        """Called when a message of the peer shows that it has written that checkpoint too."""

    async def seal(self, words: Words) -> None:
        """Called before the last message is sent. words: its content, this party's shares of the
        results."""
