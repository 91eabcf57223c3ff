"""Material made in advance: the correlated randomness of a job, in one sealed file for each party.

A file is complete or does not exist. Both files are written under other names and synced; then they
get their own names, and the folder is synced. What ends the work before that (a full disk, a
signal) leaves nothing behind. Memory is a few cells, however large the files are: workers make and
seal the next cells while one is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from protocol.channel import KeyPair, PublicKey
from protocol.contract import Dealing
from protocol.dealing import Deal
from protocol.errors import ConfigError
from protocol.files import is_unused, keep_out_of_backups, sync_folder
from protocol.graph import Phase
from protocol.jobs import ROLES
from protocol.prg import fresh_seed
from protocol.sealed_material import (
    LAST_DATE,
    MAX_CELL,
    Cell,
    CellCipher,
    Extent,
    Layout,
    fresh_id,
    period,
)

VALID = 30 * 86400.0  # seconds that material may be used for
Progress = Callable[[int, int], None]  # bytes written, bytes in all


def names(folder: Path, session: str) -> dict[str, Path]:
    """The file of material of each role, for a session's name, in `folder`."""
    return {role: folder / f"{session}.{role}.material" for role in ROLES}


def precompute(
    dealing: Dealing,
    extent: Extent,
    session: str,
    folder: Path,
    keys: KeyPair,
    owners: dict[str, PublicKey],
    *,
    workers: int = 1,
    valid: float = VALID,
    progress: Progress = lambda done, total: None,
) -> str:
    """Write both files, sealed for the owners' keys. Returns the id of the material. ConfigError
    where they cannot be written."""
    paths = names(folder, session)
    for path in paths.values():
        if path.exists():
            raise ConfigError(
                f"{path} exists, and may be in use; move it away, or choose another --session or"
                " --out"
            )
    for phase in (Phase.STEP, Phase.CHECK, Phase.FINISH):
        period(dealing, phase)  # refuses what cannot be shifted by rows
    layouts = {role: Layout(dealing, extent, role) for role in ROLES}
    if layouts["bob"].largest > MAX_CELL:
        raise ConfigError(
            "one operation of this plan deals more than 2 GB, which does not fit a cell; use"
            " smaller tensors or minibatches"
        )
    material, seeds = fresh_id(), {role: fresh_seed() for role in ROLES}
    made = time.time_ns()
    until = min(made // 10**9 + int(valid), LAST_DATE)
    total = sum(layout.size for layout in layouts.values())
    with _Pair(paths, total) as files, ThreadPoolExecutor(workers, "deal") as pool:
        done = 0
        seals = {}
        for role in ROLES:
            header, seals[role] = CellCipher.to_write(
                role=role,
                session=session,
                material=material,
                dealing=dealing,
                extent=extent,
                dealer=keys.public.raw,
                dealer_secret=keys.secret,
                owner=owners[role].raw,
                made=made,
                until=until,
            )
            sealed = seals[role].seal(layouts[role].secret, seeds[role])
            files.write(role, header.pack() + sealed)
            seeds[role] = header.stream_seed(seeds[role])
        deal, cells = Deal(dealing, seeds["alice"], seeds["bob"]), layouts["bob"].cells()

        def make(cell: Cell) -> bytes:
            words = deal.corrections(cell.phase, cell.first, cell.count, cell.part)
            return seals["bob"].seal(cell, memoryview(words).cast("B"))

        ahead: deque[Future[bytes]] = deque()
        try:
            while True:
                while len(ahead) <= workers and (cell := next(cells, None)) is not None:
                    ahead.append(pool.submit(make, cell))
                if not ahead:
                    break
                piece = ahead.popleft().result()
                files.write("bob", piece)
                done += len(piece)
                progress(done, total)
        finally:
            for future in ahead:
                future.cancel()
        files.complete()
    return material


class _Pair:
    """Two files that appear under their own names together, or not at all."""

    def __init__(self, paths: dict[str, Path], size: int) -> None:
        self._paths, self._size = paths, size
        self._folder = next(iter(paths.values())).parent
        self._files: dict[str, tuple[Path, BinaryIO]] = {}
        self._ours = False  # the folder: empty when the work began

    def __enter__(self) -> _Pair:
        try:
            self._ours = is_unused(self._folder)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            disk = os.statvfs(self._folder)
            if (free := disk.f_bavail * disk.f_frsize) < self._size:
                raise ConfigError(
                    f"the material needs {self._size:,} bytes and {self._folder} has {free:,} free;"
                    " nothing was written: make room, choose another --out, or fewer --iterations"
                )
            for role, path in self._paths.items():
                temporary = path.with_name(f".{path.name}.new")
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600)
                file = os.fdopen(descriptor, "wb", buffering=0)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                    raise ConfigError(
                        f"another process is writing {path}; let it end first"
                    ) from None
                self._files[role] = temporary, file
                os.fchmod(descriptor, 0o600)
                file.truncate(0)
        except OSError as error:
            self._remove()
            raise self._cannot(error) from None
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def write(self, role: str, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._files[role][1].write(rest) :]
        except OSError as error:
            raise self._cannot(error) from None

    def complete(self) -> None:
        """Both files are durable under their own names, or neither is there."""
        named: list[Path] = []
        try:
            for _, file in self._files.values():
                os.fsync(file.fileno())
            for role, (temporary, _) in self._files.items():
                os.link(temporary, self._paths[role])  # unlike rename, never replaces anything
                named.append(self._paths[role])
            self._remove()
            if self._ours:
                keep_out_of_backups(self._folder)
            sync_folder(self._folder)
        except OSError as error:
            for path in named:
                path.unlink(missing_ok=True)
            raise self._cannot(error) from None

    def _remove(self) -> None:
        for temporary, file in self._files.values():
            with contextlib.suppress(OSError):
                temporary.unlink()
            with contextlib.suppress(OSError):
                file.close()
        self._files = {}

    def _cannot(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"the material cannot be written to {self._folder}: {error.strerror}; nothing was left"
            " there"
        )
