"""Material on disk: what a dealer wrote ahead of time for one party, sealed for that party's key.
Pure: bytes in, bytes out.

A file is a header in the clear, padded to `HEAD` bytes, and *cells*, each sealed by itself, so that
a file may be larger than a process's memory and be read from any place:

    header | cell 0: the party's 32-byte seed | bob only: corrections of setup | … of steps, many to
    a cell | … of checks | … of finishes

What is dealt in parts (`contract.DealtPart`) has a cell for each part of a row.

A *row* is the randomness of one execution of a phase. Rows are consumed in order and never twice;
which step a row serves is not written in it. So a file with more rows than the job has steps
(`Extent`) outlives a crash: the steps that are done again take the rows behind those that were
reserved. Two things bind a row to more than its own masks. Its correlations know the masks of
setup, of which a file has one row: after a crash setup is opened again, word for word the same
(whoever uses a file sees to it). And a minibatch depends on the step, with a `period`: row p may
serve step s if p ≡ s modulo that. Rows that are shuffled anew in each epoch have none: such a step
is done once, and a file does not outlive a crash.

What a file can promise. Its streams are derived from its seed, its id, its session and the time of
its making, so a dealer that draws the same seeds again makes other masks. Nothing that the parties
add at the time of use can do the same. The dealt values are functions of the masks r, fixed when
the file is written: to use r' = r + c in r's place takes those functions of r'. With a c that both
know that is no gain, since (x + r + c) − (x' + r + c') − c + c' is x − x' again; and with a c that
a party keeps from the other, products such as c·s, for a mask s that nobody knows, would be owed,
which only a dealer can give. What the parties do add at use is which rows (`FirstRows`): the most
that any of their records says. If both parties' records are taken back together to an earlier
state, rows meet two values; so a file is refused after its last day, and records are kept out of
backups.

Seal: AES-256-GCM under a key from HKDF-SHA256 of two X25519 secrets, (an ephemeral key, the
    party's) and (the dealer's, the party's). The first makes the key unique to the file, the second
    says that the dealer wrote it; the info is a digest of the header, the nonce the cell's number.
    The keys are those of the CURVE links, which are Curve25519 too. A damaged, exchanged or
    shortened cell does not open; the file's length follows from its header.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import contract_codec
from .contract import Dealing
from .errors import MaterialError
from .graph import Phase
from .prg import SEED_BYTES, derive
from .views import Rows

MAGIC = b"mpc-material-3\n"
HEAD = 1024  # bytes of magic and header, padding included
TAG = 16  # bytes that sealing adds to a cell
MAX_CELL = (1 << 31) - 64  # bytes; the cipher takes no more at a time
LAST_DATE = 253_402_300_799  # the end of the year 9999, in seconds since 1970
ONCE = 1 << 62  # the period of what never comes again
# at most, of checks and finishes: one for each time that a run is broken off in the middle of one
SPARE_ENDS = 7


@dataclass(frozen=True)
class Extent:
    """How many executions of the steps, the checks and the finish a file has material for; of the
    setup it has one."""

    steps: int
    checks: int
    finishes: int

    @staticmethod
    def of(dealing: Dealing, spare: float) -> Extent:
        """What the job needs, and the fraction `spare` more, for steps that are done again after a
        crash."""
        more = math.ceil(spare * dealing.steps)
        every, checks = dealing.schedule.every, dealing.schedule.checks
        step, check, finish = (
            8 * dealing.phases[phase].dealt_words
            for phase in (Phase.STEP, Phase.CHECK, Phase.FINISH)
        )

        def ends(size: int) -> int:
            affordable = SPARE_ENDS if not size else more * step // size
            return min(SPARE_ENDS, max(1, affordable)) if spare else 0

        again = -(-more // every) + ends(check) if checks else 0
        return Extent(dealing.steps + more, checks + (again if spare else 0), 1 + ends(finish))

    def rows(self, phase: Phase) -> int:
        """Executions of `phase` whose material the file has."""
        return (1, self.steps, self.checks, self.finishes)[phase]


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a file, in the clear and authenticated. material: the id, the same in both
    parties' files. Keys are raw."""

    role: str
    session: str
    material: str
    digest: str  # of the plan's dealing part
    steps: int
    checks: int
    finishes: int
    size: int  # bytes of the whole file
    made: int  # nanoseconds since 1970, by the dealer's clock
    until: int  # seconds since 1970: to be used no later
    owner: bytes
    dealer: bytes
    ephemeral: bytes

    @property
    def extent(self) -> Extent:
        """For how many executions of each phase the file has material."""
        return Extent(self.steps, self.checks, self.finishes)

    def stream_seed(self, seed: bytes) -> bytes:
        """The seed of a party's keystreams, derived from the seed in its file: 32 bytes."""
        return derive(seed, "file", self.session, self.material, self.made, size=SEED_BYTES)

    def check_date(self, now: float) -> None:
        """MaterialError, the end of a sentence, when the last date of use is over. now: seconds
        since 1970."""
        if now > self.until:
            day = f"{datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M} UTC"
            raise MaterialError(
                f"was to be used until {day}, and that is over: its records may have been restored"
                " from a backup since; make new material with `python -m dealer precompute`"
                " (--valid for how long), or check this host's clock"
            )

    def pack(self) -> bytes:
        """The header as it stands in the file: HEAD bytes."""
        body: bytes = MAGIC + msgpack.packb(list(astuple(self)))
        return body.ljust(HEAD, b"\0")

    @staticmethod
    def unpack(data: bytes) -> Header:
        """The header in these bytes. MaterialError, the end of a sentence, for what `pack` did not
        make."""
        if not data.startswith(MAGIC):
            raise MaterialError("is not a file of material, or of another version of this program")
        try:
            unpacker = msgpack.Unpacker(max_buffer_size=HEAD)
            unpacker.feed(data[len(MAGIC) : HEAD])
            parts = unpacker.unpack()
            wanted = {field.name: field.type for field in fields(Header)}
            if type(parts) is not list or [type(part).__name__ for part in parts] != list(
                wanted.values()
            ):
                raise ValueError
            header = Header(**dict(zip(wanted, parts, strict=True)))
            if (
                header.pack() != data
                or not 0 <= header.steps < 1 << 41
                or not 1 <= header.finishes < 1 << 16
            ):
                raise ValueError
            if not 0 <= header.checks < 1 << 42:
                raise ValueError
            if not 0 <= header.made < 1 << 63 or not 0 <= header.until <= LAST_DATE:
                raise ValueError
        except (ValueError, TypeError, msgpack.UnpackException):
            raise MaterialError(
                "is damaged in its header; copy it again from where it was made"
            ) from None
        return header


@dataclass(frozen=True)
class Cell:
    """A sealed piece of a file: its number, its offset, the rows that it has, and its size. `bytes`
    are those of the sealed cell."""

    number: int
    offset: int
    bytes: int
    phase: Phase = Phase.SETUP
    first: int = 0
    count: int = 0
    part: int = 0


class Layout:
    """Where each cell lies in the file of `role`: it follows from the plan and the extent."""

    def __init__(self, dealing: Dealing, extent: Extent, role: str) -> None:
        self.secret = Cell(0, HEAD, SEED_BYTES + TAG)
        self._extent, self._dealing = extent, dealing
        self._starts: dict[Phase, tuple[int, int]] = {}  # phase → (first cell's number, its offset)
        number, offset = 1, HEAD + self.secret.bytes
        for phase in Phase if role == "bob" else ():
            if self.row_bytes(phase):
                self._starts[phase] = number, offset
                cells = -(-extent.rows(phase) // self.rows_per_cell(phase)) * len(
                    dealing.phases[phase].parts
                )
                number += cells
                offset += extent.rows(phase) * self.row_bytes(phase) + cells * TAG
        self.size = offset

    def row_bytes(self, phase: Phase) -> int:
        """Bytes of the dealt words of one execution of `phase`."""
        return 8 * self._dealing.phases[phase].dealt_words

    def rows_per_cell(self, phase: Phase) -> int:
        """Executions of `phase` that one sealed cell has: those of a chunk."""
        return self._dealing.phases[phase].steps_per_chunk if phase == Phase.STEP else 1

    def cell(self, phase: Phase, row: int, part: int = 0) -> Cell | None:
        """The cell with the dealt words of this row, or with one part of them; None if the file has
        none."""
        if phase not in self._starts:
            return None
        number, offset = self._starts[phase]
        per, parts = self.rows_per_cell(phase), self._dealing.phases[phase].parts
        index = row // per
        full = per * self.row_bytes(phase) + len(parts) * TAG
        count = min(per, self._extent.rows(phase) - index * per)
        place = offset + index * full + 8 * count * parts[part].start + part * TAG
        size = 8 * count * parts[part].words + TAG
        return Cell(
            number + index * len(parts) + part, place, size, phase, index * per, count, part
        )

    @property
    def largest(self) -> int:
        """Bytes of the largest cell."""
        return max(
            (cell.bytes for phase in self._starts for cell in self._row(phase, 0)), default=0
        )

    def cells(self) -> Iterator[Cell]:
        """All cells of dealt words, in the order in which they are in the file."""
        for phase in self._starts:
            for row in range(0, self._extent.rows(phase), self.rows_per_cell(phase)):
                yield from self._row(phase, row)

    def _row(self, phase: Phase, row: int) -> Iterator[Cell]:
        for part in range(len(self._dealing.phases[phase].parts)):
            cell = self.cell(phase, row, part)
            assert cell is not None
            yield cell


def period(dealing: Dealing, phase: Phase) -> int:
    """The period p of a job: row r of its steps may serve step s if r ≡ s modulo p. 1, unless the
    job takes minibatches.

    Minibatches that are shuffled in every epoch never come again: a multiple of ONCE, which is more
    rows than a file has.
    """
    found = 1
    for spec in dealing.phases[phase].correlations:
        for mask in spec.operands:
            for view in mask.views:
                if isinstance(view, Rows):
                    once = view.seed is not None
                    found = math.lcm(
                        found, ONCE if once else view.total // math.gcd(view.total, view.shape[0])
                    )
                elif view.varies:
                    raise MaterialError(
                        "the job has a view that varies with the step, which material on disk"
                        " cannot serve"
                    )
    return found


def row_for(step: int, behind: int, every: int) -> int:
    """The first row, from row `behind` on, that may serve `step`."""
    return behind + (step - behind) % every


def fresh_id() -> str:
    """The name of a new file of material: 16 random bytes in hexadecimal."""
    return secrets.token_hex(16)


class CellCipher:
    """Seals and opens the cells of one file."""

    def __init__(self, header: Header, ephemeral_secret: bytes, static_secret: bytes) -> None:
        digest = hashlib.sha256(header.pack()).digest()
        derived = HKDF(hashes.SHA256(), 32, MAGIC, digest).derive(ephemeral_secret + static_secret)
        self._cipher = AESGCM(derived)

    @staticmethod
    def to_write(
        *,
        role: str,
        session: str,
        material: str,
        dealing: Dealing,
        extent: Extent,
        dealer: bytes,
        dealer_secret: bytes,
        owner: bytes,
        made: int,
        until: int,
    ) -> tuple[Header, CellCipher]:
        """For the dealer: a header with a fresh ephemeral key, and the cipher that belongs to it.
        Keys are raw."""
        once = X25519PrivateKey.generate()
        public = once.public_key().public_bytes_raw()
        size = Layout(dealing, extent, role).size
        contract = contract_codec.digest(dealing)
        header = Header(
            role=role,
            session=session,
            material=material,
            digest=contract,
            steps=extent.steps,
            checks=extent.checks,
            finishes=extent.finishes,
            size=size,
            made=made,
            until=until,
            owner=owner,
            dealer=dealer,
            ephemeral=public,
        )
        static = X25519PrivateKey.from_private_bytes(dealer_secret)
        return header, CellCipher(header, _exchange(once, owner), _exchange(static, owner))

    @staticmethod
    def to_read(header: Header, owner_secret: bytes) -> CellCipher:
        """For the party: the cipher of its file, from its secret key and the header."""
        own = X25519PrivateKey.from_private_bytes(owner_secret)
        return CellCipher(header, _exchange(own, header.ephemeral), _exchange(own, header.dealer))

    def seal(self, cell: Cell, data: bytes | memoryview) -> bytes:
        """Encrypt and authenticate the bytes of a cell; the nonce is the cell's number, so that no
        cell can stand in another's place."""
        return self._cipher.encrypt(cell.number.to_bytes(12, "big"), data, None)

    def open(self, cell: Cell, data: bytes) -> bytes:
        """The contents of a cell. MaterialError, the end of a sentence, unless it was sealed for
        this place in this file."""
        try:
            if len(data) != cell.bytes:
                raise InvalidTag
            return self._cipher.decrypt(cell.number.to_bytes(12, "big"), data, None)
        except InvalidTag:
            where = "at its seed" if cell.number == 0 else f"at byte {cell.offset:,}"
            raise MaterialError(
                f"is damaged {where}; copy it again from where it was made"
            ) from None


def _exchange(own: X25519PrivateKey, other: bytes) -> bytes:
    try:
        return own.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        raise MaterialError("names a key that is none; make it again") from None
