"""The offer of a party to the dealer: its plan, and the step at which it begins. Nothing in it
depends on a secret value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from protocol import contract_codec
from protocol.contract import Dealing
from protocol.errors import ProtocolError
from protocol.prg import is_joined
from protocol.schedule import Phase
from protocol.validate import Limits
from protocol.wire import Message
from protocol.wording import counted

OBJECTS = 50  # a plan in memory is about so many times as large as on the wire


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What one party asks the dealer for. Two offers of a session belong together when they have
    the same ticket: it joins a random ticket of each party, and all masks depend on it."""

    ticket: str
    digest: str
    start: int
    attempt: int
    dealing: Dealing
    size: int  # of the plan, in bytes, as it came

    @staticmethod
    def read(message: Message, limits: Limits) -> Offer:
        """The offer in a PLAN message. ProtocolError where the dealer cannot serve it."""
        body = message.body or {}
        ticket, digest = body.get("ticket"), body.get("digest")
        start, attempt = body.get("start"), body.get("epoch")
        if (
            not (
                isinstance(ticket, str)
                and isinstance(digest, str)
                and type(start) is int
                and type(attempt) is int
            )
            or len(message.buffers) != 1
            or not is_joined(ticket)
            or not 0 <= attempt < 1 << 48
        ):
            raise ProtocolError(
                "a plan came without its ticket, digest, first step, attempt or contents"
            )
        data = bytes(message.buffers[0])
        if hashlib.blake2b(data, digest_size=16).hexdigest() != digest:
            raise ProtocolError("a plan came with the digest of another")
        dealing = contract_codec.unpack(data, limits)
        if not 0 <= start <= dealing.steps:
            raise ProtocolError(
                f"a plan of {counted(dealing.steps, 'step')} is to start at step {start}"
            )
        return Offer(
            ticket=ticket,
            digest=digest,
            start=start,
            attempt=attempt,
            dealing=dealing,
            size=len(data),
        )

    @property
    def memory(self) -> int:
        """Bytes that the dealer holds for as long as the offer is valid: the plan, and the masks of
        the setup that later phases need."""
        return OBJECTS * self.size + 8 * self.dealing.lasting_words

    @property
    def making(self) -> int:
        """Bytes that a worker holds while it makes the largest chunk of the plan."""
        return making(self.dealing)


def making(dealing: Dealing) -> int:
    """Bytes that a worker holds while it makes the largest chunk."""
    steps = min(dealing.phases[Phase.STEP].steps_per_chunk, max(1, dealing.steps))
    return max((steps if phase == Phase.STEP else 1) * dealing.step_bytes(phase) for phase in Phase)
