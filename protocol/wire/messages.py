"""The closed vocabulary of the wire: which role may send which message to which, and how large it
may be.

Every message on a link is one of `Kind`. Nothing is dispatched by a name that was received: a
number that is not in `RULES` is a `ProtocolError`, and so is a kind that the sender's role may not
send to the receiver's.

Two layers share the vocabulary:

* messages of the session (HELLO … BYE) are *numbered*: `reliable` delivers each exactly once and in
  order;
* messages of the link itself (OPEN … GONE) are *unnumbered* and idempotent, and never reach the
  user of a `Connection`.

Not in this file: encoding (`codec`), state (`reliable`), sockets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

PROTOCOL_VERSION = 2
ALICE, BOB, DEALER = "alice", "bob", "dealer"
ROLES = (ALICE, BOB, DEALER)
PARTIES = (ALICE, BOB)
MAX_SESSION = 64  # bytes of UTF-8 in a session's name
MAX_NUMBER = (1 << 63) - 1

Buffer: TypeAlias = bytes | bytearray | memoryview
Body: TypeAlias = Mapping[str, Any] | None


class Kind(IntEnum):
    """The kinds of message, with their numbers on the wire. A number is never used again for
    another kind."""

    # the link's own
    OPEN = 1  # client → server: this is who I am; again after every reconnect
    OPENED = 2  # server → client: this is the link's number
    WHO = 3  # server → client: a frame came from a connection that has not said OPEN
    GONE = 4  # either way: this end has closed, and why
    ACK = 5  # nothing but the acknowledgement every header carries
    NUDGE = 6  # send again what follows my acknowledgement
    PING = 7
    PONG = 8
    # shaped links only: what follows is early (number 0); what was held up to `number` is due now
    HOLD = 9
    # the session's
    HELLO = 16
    WELCOME = 17
    PLAN = 19
    ROUND = 21
    SEED = 22
    CHUNK = 23
    CREDIT = 24
    ABORT = 25
    BYE = 26
    END = 27
    JOIN = 28


@dataclass(slots=True)
class Message:
    """One message. body: plain data (None, bool, int, float, str, bytes, list, dict with str keys).

    buffers: contiguous; large ones are sent without a copy, so the sender must not write to them
    afterwards. Received ones are read-only, `bytes` or `memoryview`.
    """

    kind: Kind
    session: str = ""
    attempt: int = 0  # at the run, by number; 0 before one is agreed
    number: int = 0
    body: Body = None
    buffers: Sequence[Buffer] = ()

    def __repr__(self) -> str:  # never the contents: they may be shares or seeds
        size = sum(memoryview(b).nbytes for b in self.buffers)
        return (
            f"<{self.kind.name} {self.session} attempt {self.attempt} number {self.number},"
            f" {len(self.buffers)} buffers of {size} bytes in all>"
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed of one kind of message. max_body: bytes of the encoded body."""

    directions: frozenset[tuple[str, str]]  # (sender's role, receiver's role)
    buffers: bool
    max_body: int
    numbered: bool = True


_PEERS = frozenset({(ALICE, BOB), (BOB, ALICE)})
_TO_DEALER = frozenset((p, DEALER) for p in PARTIES)
_FROM_DEALER = frozenset((DEALER, p) for p in PARTIES)
_ANY = _PEERS | _TO_DEALER | _FROM_DEALER
_LINK = 1 << 10
_BODY = 1 << 16
_PLAN = 1 << 22

RULES: dict[Kind, Rule] = {
    Kind.OPEN: Rule(_ANY, False, _LINK, numbered=False),
    Kind.OPENED: Rule(_ANY, False, _LINK, numbered=False),
    Kind.WHO: Rule(_ANY, False, _LINK, numbered=False),
    Kind.GONE: Rule(_ANY, False, _LINK, numbered=False),
    Kind.ACK: Rule(_ANY, False, 0, numbered=False),
    Kind.NUDGE: Rule(_ANY, False, 0, numbered=False),
    Kind.PING: Rule(_ANY, False, 0, numbered=False),
    Kind.PONG: Rule(_ANY, False, 0, numbered=False),
    Kind.HOLD: Rule(_ANY, False, 0, numbered=False),
    Kind.HELLO: Rule(_ANY, False, _BODY),
    Kind.WELCOME: Rule(_ANY, False, _BODY),
    # parties send each other the digest, the dealer the plan itself
    Kind.PLAN: Rule(_ANY, True, _PLAN),
    # the dealer receives nothing that depends on an online value
    Kind.ROUND: Rule(_PEERS, True, _BODY),
    Kind.SEED: Rule(_FROM_DEALER, True, _BODY),
    Kind.CHUNK: Rule(_FROM_DEALER, True, _BODY),
    Kind.CREDIT: Rule(_TO_DEALER, False, _BODY),
    Kind.ABORT: Rule(_ANY, False, _BODY),
    Kind.BYE: Rule(_ANY, False, _BODY),
    Kind.JOIN: Rule(_PEERS, True, _BODY),  # which rows both have, before there is a plan: points
    # of a run: that a party is sealed, or its share of what is revealed
    Kind.END: Rule(_PEERS, True, _BODY),
}

KIND_OF: dict[int, Kind] = {int(kind): kind for kind in Kind}


def kinds_between(sender: str, receiver: str) -> frozenset[Kind]:
    """The kinds that `sender` may send to `receiver`."""
    return frozenset(kind for kind, rule in RULES.items() if (sender, receiver) in rule.directions)
