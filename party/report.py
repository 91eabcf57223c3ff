"""What a run of one party comes to: its results, and what it took."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.graph import Array
from protocol.history import History

from .rows import Places
from .shared import SharedModel


@dataclass(kw_only=True)
class Report:
    """What a run gave this party, and what its last attempt cost."""

    results: dict[str, Array] = field(repr=False)
    beyond: tuple[str, ...] = ()  # what says that values left their range, a phrase each
    # where rows were matched: which of the own ones, in their order
    rows: Places | None = field(default=None, repr=False)
    scored: Places | None = field(default=None, repr=False)  # rows.scored, of the results
    seconds: float = 0.0  # online phase
    setup_seconds: float = 0.0  # links, agreement, plan
    iterations: int | None = None  # that were planned
    rounds: int = 0
    messages: int = 0  # both directions
    bytes_sent: int = 0
    bytes_received: int = 0
    dealt_bytes: int = 0  # from the dealer to this party
    waits_for_material: int = 0
    waited_for_material: float = 0.0
    attempts: int = 1
    recomputed: int = 0  # steps done again after a crash
    waited_for_peer: float = 0.0
    step_seconds: float = 0.0  # of the iterations alone
    history: History = field(default_factory=History, repr=False)  # what was revealed while it ran
    model: SharedModel | None = None  # what stays shared

    @property
    def computed(self) -> float:
        """Seconds of the online phase in which this party waited for nobody."""
        return self.seconds - self.waited_for_peer - self.waited_for_material
