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
        """Before the message of round `number` of setup is sent."""

    def heard(self, number: int, words: Words) -> None:
        """When the peer's message of round `number` of setup is there."""

    async def before(self, step: int) -> None:
        """Before a step, once its material is at hand."""

    def request(self) -> str | None:
        """After that: CHECKPOINT or HALT, if this party asks for one of them. The first observer
        that asks is heard."""
        return None

    def after(self, step: int) -> None:
        """When so many steps are done."""

    def checked(self, step: int) -> bool:
        """When a CHECK has revealed what there is after so many steps: whether the run is over."""
        return False

    def checkpoint(self, step: int) -> None:
        """When both parties have seen that one is asked for: write it, now."""

    def confirmed(self) -> None:
        """When the peer has shown that it has written it too."""

    async def seal(self, words: Words) -> None:
        """Before the last message, with the shares of the results, is sent."""
