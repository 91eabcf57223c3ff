"""Which rows both parties have: private set intersection of their ids, by Diffie–Hellman on
Curve25519.

    H(x)   an id as a point (points.py), hashed under both keys, the session and fresh nonces
    a, b   scalars of alice and of bob, drawn for one join and never kept

    1. each sends how many ids it has, and its nonce
    2. alice sends a·H(x) of her ids in an order drawn for the purpose, bob b·H(y) likewise
    3. bob sends b·(a·H(x)) of what he received, in the order it came in    alice sends a·(b·H(y))
    4. both now hold ab·H of alice's ids and of bob's. Equal points are equal ids: each knows which
       of its own they are. Sorted by these points, common rows stand in one order at both. A digest
       of them is compared.

*What a party learns* (Meadows 1986; Huberman, Franklin, Hogg 1999): which of its own ids the other
has too, and how many ids the other has. Of the other's remaining ids it sees b·H(y) and ab·H(y),
which without b are as good as random points (decisional Diffie–Hellman, H a random oracle). Points
come in an order that says nothing of the table's, and sorting is by points that are new in every
join. So two joins of a pair cannot be compared, and neither can joins with different partners.

*What a cheat could do*: name ids that it does not have, as many as it says it has, and learn which
of them the other has; leave out ids that it has; answer with points that are not what they should
be, so that rows are matched wrongly and the result is worth nothing (the digest is there for
faults: a cheat knows which one the other expects). Ids that it thinks of after the join it cannot
try. Points of small order, points sent twice and this party's own sent back are refused.

Messages are chunks of at most `CHUNK` points, each computed in a thread while others travel; what
is kept is 128 bytes an id.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from protocol.channel import Connection
from protocol.errors import DataError, ProtocolError
from protocol.prg import SEED_BYTES, derive, fresh_seed, keystream
from protocol.wire import Kind, Message
from protocol.wording import span

from .messages import expect
from .points import POINT, hashed, multiplied

CHUNK = 4096  # points of one message: 128 KiB
LEAD = 2  # chunks that a party sends beyond those that it has received
MOST = 1 << 26  # ids of a table


@dataclass(frozen=True)
class CommonRows:
    """The rows that both have, at one party."""

    # of this party's table, from 0, in the order that is common to both
    places: NDArray[np.int64] = field(repr=False)
    theirs: int  # ids that the other has
    digest: str = field(repr=False)  # of the common points: the same at both


def normalised(
    ids: Iterable[Any], where: str, place: Callable[[int], str] = lambda row: f"row {row + 1:,}"
) -> list[bytes]:
    """Ids as the bytes that are compared. DataError names `where` and places of rows (from 0),
    never an id.

    Text is taken in Unicode's composed form (NFC), without white space around it; case, leading
    zeros and signs count. A whole number is the text that writes it: 7, 7.0 and "7" are one id,
    "07" is another. Every row has an id, and no two the same.
    """
    rows: dict[bytes, int] = {}
    for row, each in enumerate(ids):
        text = _text(each)
        if text is None:
            raise DataError(
                f"{where} has no id that is text or a whole number in {place(row)}; give it one, or"
                " leave the row out"
            )
        try:
            first = rows.setdefault(text.encode(), row)
        except UnicodeEncodeError:
            raise DataError(
                f"{where} has an id that is no Unicode text in {place(row)}; write it again"
            ) from None
        if first != row:
            raise DataError(
                f"{where} has one id twice, in {place(first)} and {place(row)}; leave one of"
                " them out"
            )
    if not rows:
        raise DataError(f"{where} has no rows; write the data to it")
    if len(rows) > MOST:
        raise DataError(f"{where} has {len(rows):,} rows; at most {MOST:,} can be matched")
    return list(rows)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).strip() or None
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if float(value).is_integer() and abs(float(value)) < 2**53 else None
    return str(int(value)) if isinstance(value, (int, np.integer)) else None


async def join(
    peer: Connection,
    ids: Sequence[bytes],
    keys: Sequence[str] = (),
    threads: int = 1,
    note: Callable[[str], None] = lambda text: None,
) -> CommonRows:
    """Find the rows that both have. Both parties call it at the same point of their talk.

    ids: `normalised`, a row each. keys: alice's and bob's public keys, where their link has any.
    DataError if no row is common; ProtocolError for a peer that does not do as it should.
    """
    begun = time.monotonic()
    nonce = fresh_seed()
    peer.send(Message(Kind.JOIN, peer.session, body={"count": len(ids), "nonce": nonce}))
    count, theirs = _greeting(peer.role, (await expect(peer, Kind.JOIN)).body or {})
    note(f"matching {len(ids):,} ids with {count:,} of {peer.role}")
    both = nonce + theirs if peer.own_role == "alice" else theirs + nonce
    own = Intersection(peer.role, ids, count, derive(both, "join", peer.session, *keys, size=32))
    with ThreadPoolExecutor(threads) as pool:
        await _swap(peer, pool, threads, own.points, own.mine, own.take_points, own.theirs)
        own.check_points()
        await _swap(peer, pool, threads, own.answer, own.theirs, own.take_answer, own.mine)
    rows = own.rows()
    peer.send(Message(Kind.JOIN, peer.session, body={"common": rows.digest}))
    if (await expect(peer, Kind.JOIN)).body != {"common": rows.digest}:
        raise ProtocolError(
            f"{peer.role} finds other common rows than are found here; start both again"
        )
    if not len(rows.places):
        raise DataError(
            none := (
                f"no id is in both tables, of {len(ids):,} here and {count:,} at "
                f"{peer.role}; see whether both write them alike"
            ),
            told=none,
        )
    seconds = time.monotonic() - begun
    note(
        f"{peer.role} has {len(rows.places):,} of the {len(ids):,} ids here, and {count:,} in all"
        f" ({span(seconds)})"
    )
    return rows


class Intersection:
    """One party's side of a join, without a link: points go out and come in by chunks, rows come
    out."""

    def __init__(self, who: str, ids: Sequence[bytes], theirs: int, key: bytes) -> None:
        self._who, self._ids, self._key = who, ids, key
        self.mine, self.theirs = len(ids), theirs
        self._scalar = X25519PrivateKey.generate()
        drawn = keystream(fresh_seed()[:16], 0, self.mine, 1)[:, 0]
        # row of the table at each place of what is sent
        self._order = np.argsort(drawn, kind="stable")
        self._sent: dict[int, bytes] = {}
        self._points: dict[int, bytes] = {}  # of the peer
        self._doubled: dict[int, bytes] = {}  # of the peer, times both scalars
        self._answers: dict[int, bytes] = {}  # ours, times both scalars

    def points(self, chunk: int) -> bytes:
        """Step 2: a chunk of this party's points, `POINT` bytes each, times its scalar, in an order
        drawn at random."""
        places = self._order[chunk * CHUNK : (chunk + 1) * CHUNK]
        self._sent[chunk] = multiplied(
            hashed((self._ids[place] for place in places), self._key), self._scalar
        )
        return self._sent[chunk]

    def take_points(self, chunk: int, points: bytes) -> None:
        """Keep a chunk of the peer's points, as step 2 of the peer sent it."""
        self._points[chunk] = points

    def check_points(self) -> None:
        """Before any of the peer's points is answered. ProtocolError for one that comes twice, or
        is ours."""
        if (
            len(np.unique(_points({**self._sent, ~0: b"".join(self._points.values())})))
            != self.mine + self.theirs
        ):
            raise ProtocolError(
                f"{self._who} sent a point twice, or one of this party's own; it does not match ids"
                " as it should"
            )

    def answer(self, chunk: int) -> bytes:
        """Step 3: a chunk of the peer's points, times this party's scalar as well, in the peer's
        order."""
        try:
            self._doubled[chunk] = multiplied(self._points[chunk], self._scalar)
        except ValueError:
            raise ProtocolError(
                f"{self._who} sent a point that belongs to no id; it does not match ids as it"
                " should"
            ) from None
        return self._doubled[chunk]

    def take_answer(self, chunk: int, points: bytes) -> None:
        """Keep a chunk of this party's points times both scalars, as step 3 of the peer sent it."""
        self._answers[chunk] = points

    def rows(self) -> CommonRows:
        """Step 4. ProtocolError if points that should be different are not."""
        ours, theirs = _points(self._answers), _points(self._doubled)
        if len(np.unique(ours)) != self.mine or len(np.unique(theirs)) != self.theirs:
            raise ProtocolError(
                f"{self._who} gives two ids the same point; it does not match ids as it should"
            )
        common, places, _ = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
        return CommonRows(
            self._order[places], self.theirs, hashlib.sha256(common.tobytes()).hexdigest()
        )


def _points(chunks: dict[int, bytes]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(chunks[chunk] for chunk in sorted(chunks)), f"V{POINT}")


def _greeting(who: str, body: Mapping[str, Any]) -> tuple[int, bytes]:
    count, nonce = body.get("count"), body.get("nonce")
    if (
        type(count) is not int
        or not 0 < count <= MOST
        or type(nonce) is not bytes
        or len(nonce) != SEED_BYTES
    ):
        raise ProtocolError(f"{who} did not say how many ids it has, from 1 to {MOST:,}")
    return count, nonce


async def _swap(
    peer: Connection,
    pool: ThreadPoolExecutor,
    threads: int,
    make: Callable[[int], bytes],
    mine: int,
    take: Callable[[int, bytes], None],
    theirs: int,
) -> None:
    """Send `mine` points as they are made, and take `theirs` as they come, never more than LEAD
    chunks behind one another."""
    loop, waiting = asyncio.get_running_loop(), deque[asyncio.Future[bytes]]()
    to_make, to_come = iter(range(_chunks(mine))), _chunks(theirs)
    try:
        for chunk in range(max(_chunks(mine), to_come + LEAD)):
            waiting.extend(
                loop.run_in_executor(pool, make, n)
                for n in islice(to_make, threads + 1 - len(waiting))
            )
            if waiting:
                peer.send(
                    Message(
                        Kind.JOIN, peer.session, number=chunk, buffers=(await waiting.popleft(),)
                    )
                )
            if 0 <= (come := chunk - LEAD) < to_come:
                message = await expect(peer, Kind.JOIN)
                size = POINT * min(CHUNK, theirs - come * CHUNK)
                if message.number != come or [len(each) for each in message.buffers] != [size]:
                    raise ProtocolError(
                        f"{peer.role} sent other points than it announced, at chunk {come} of"
                        f" {to_come}"
                    )
                take(come, bytes(message.buffers[0]))
    finally:
        for future in waiting:
            future.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _chunks(points: int) -> int:
    return -(-points // CHUNK)
