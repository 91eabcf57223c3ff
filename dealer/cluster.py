"""Material made by the workers of an existing Dask cluster: `python -m dealer --workers
dask://SCHEDULER:8786`.

Material is a pure function of keys, plan and rows. So whichever worker makes a chunk, and again,
makes the same bytes; the session sends chunks in order, whichever is ready first. A chunk whose
worker dies is made by another (Dask does that); if the scheduler is lost, everything that was not
finished is ordered again once it is back.

The cluster is part of the dealer: its scheduler and workers see keys, so they belong on hosts that
neither party controls. A worker is given the keys of the rows that it makes (`Deal.keys`) and
forgets them with the task; what it made stays on it until the dealer has it. Everything travels
over Dask's TLS, or, with `--insecure-plaintext`, on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from protocol import __version__, contract_codec
from protocol.contract import Chunk
from protocol.dealing import Deal, KeyPlace
from protocol.errors import ConfigError, LinkError, MaterialError
from protocol.extras import needed
from protocol.keyring import is_loopback
from protocol.log import Log
from protocol.wording import counted

from .turns import Made
from .workers import Workers, made

# seconds that a connection may take, and that a cluster is absent before it is spoken of
_PATIENCE = 10.0
_MOST = 300.0  # seconds between two words about it, growing up to here
_PAUSE = 0.5  # seconds between two attempts
_read = lru_cache(maxsize=8)(contract_codec.unpack)


@dataclass(frozen=True)
class ChunkTask:
    """A chunk to be made. Dask logs the arguments of tasks, so the `repr` shows nothing."""

    version: str
    plan: bytes = field(repr=False)
    keys: Mapping[KeyPlace, bytes] = field(repr=False)
    chunk: Chunk = field(repr=False)


def fulfil(order: ChunkTask) -> Made | str:
    """Runs on a worker. Returns the chunk, or the reason why there is none: Dask would log an
    exception with all that it refers to."""
    if order.version != __version__:
        return (
            f"a worker of the cluster has version {__version__} and the dealer {order.version};"
            " install the same"
        )
    try:
        return made(Deal(_read(order.plan), keys=order.keys), order.chunk)
    except MemoryError:
        return "a worker of the cluster ran out of memory"
    except Exception as error:
        return f"a worker of the cluster failed with {type(error).__name__}"


class _Absent:
    """Something that is waited for: after growing pauses the wait is logged, and after `wait`
    seconds it is given up."""

    def __init__(self, log: Log, what: str, wait: float, patience: float = 0.0) -> None:
        self._log, self._what, self._wait, self._patience = log, what, wait, patience
        self._since = self._looked = -math.inf
        self._pause = patience

    def look(self, here: bool = False) -> None:
        """LinkError when it has been absent for too long."""
        now = monotonic()
        if here or now - self._looked > 2 * _PATIENCE:  # it was not needed in between
            self._since, self._pause = now, self._patience
        self._looked = now
        away = now - self._since
        if away > self._wait:
            raise LinkError(
                f"{self._what}, for {self._wait:.0f} s now; start what is missing, or look at the"
                " cluster's logs"
            )
        if not here and away >= self._pause:
            self._log(f"{self._what}; waiting", "cluster", "warning")
            self._pause = away + min(max(away, _PATIENCE), _MOST)


class Cluster(Workers):
    """Workers on a Dask cluster. Everything else that a dealer computes, such as reading plans, is
    done in a thread of this process."""

    def __init__(self, address: str, plaintext: bool, log: Log, wait: float = math.inf) -> None:
        """`address` is dask://HOST:PORT of the scheduler. ConfigError where Dask is not installed,
        or has no keys.

        wait: seconds for a scheduler that is lost, or workers that there are none of; then making
            a chunk ends with LinkError.
        """
        super().__init__(1)  # for the rest of a dealer's work
        self._log, self._client, self._connecting = log, None, asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        # packed once for all chunks
        self._plans: WeakKeyDictionary[Deal, bytes] = WeakKeyDictionary()
        self._distributed = _library()
        where = urlsplit(address)
        security = self._distributed.Security()
        self._options: dict[str, Any] = {
            "asynchronous": True,
            "set_as_default": False,
            "timeout": _PATIENCE,
        }
        if plaintext:
            if not is_loopback(f"tcp://{where.netloc}"):
                raise ConfigError(
                    f"{address} is not on loopback, where alone --insecure-plaintext is taken"
                )
            self._address = f"tcp://{where.netloc}"
        elif security.tls_ca_file is None or security.tls_client_cert is None:
            raise ConfigError(
                "a Dask cluster is used over TLS only: name ca-file and client.cert and client.key"
                " under distributed.comm.tls in Dask's configuration"
                " (DASK_DISTRIBUTED__COMM__TLS__CA_FILE and so on)"
            )
        else:
            self._address = f"tls://{where.netloc}"
            security.require_encryption = True
            self._options["security"] = security
        self._away = _Absent(log, f"the Dask scheduler at {self._address} is away", wait)
        self._workless = _Absent(log, "the Dask cluster has no workers", wait, _PATIENCE)

    @property
    def _connected_now(self) -> bool:
        return self._client is not None and self._client.status == "running"

    @property
    def threads(self) -> int:
        if self._client is None or not self._connected_now:  # then it says what there was
            return 0
        return int(self._client.scheduler_info()["total_threads"])

    @property
    def count(self) -> int:
        return max(1, self.threads)

    @property
    def orders(self) -> int:
        """Two chunks for each thread: while one is sent to the dealer, the next is made."""
        return 2 * self.count

    @property
    def here(self) -> int:
        return 0

    def make(self, deal: Deal, chunk: Chunk) -> asyncio.Future[Made]:
        return asyncio.ensure_future(self._counted(deal, chunk))

    async def open(self) -> None:
        try:
            self._client = await self._distributed.Client(self._address, **self._options)
        except (OSError, ValueError) as error:
            raise LinkError(
                f"no Dask scheduler answers at {self._address} within {_PATIENCE:.0f} s"
                f" ({type(error).__name__}); start it, or look at its address and certificates"
            ) from None
        self._log(
            f"material is made by {counted(self.threads, 'thread')} of the Dask cluster at"
            f" {self._address}",
            "cluster",
        )
        self._watch = asyncio.create_task(self._watching(self.threads))

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._client is not None:
            await self._client.close(timeout=1)
        await super().close()

    async def _watching(self, known: int) -> None:
        """Connect again when the scheduler is lost, also while nothing is ordered, and log how many
        threads come and go."""
        with contextlib.suppress(LinkError):  # which whoever orders a chunk is told too
            while True:
                await asyncio.sleep(_PAUSE)
                if not self._connected_now:
                    await self._connected()
                    known = 0
                if self._connected_now and (now := self.threads) != known:
                    level = "warning" if now < known else "info"
                    text = f"the Dask cluster has {counted(now, 'thread')} now, and had {known:,}"
                    self._log(text, "cluster", level)
                    known = now

    async def _counted(self, deal: Deal, chunk: Chunk) -> Made:
        """Order a chunk and fetch it. Returns it with the seconds that the worker computed, without
        those of its transport."""
        with self._guard:
            self.busy += 1
        try:
            words, seconds = await self._make(deal, chunk)
        finally:
            with self._guard:
                self.busy -= 1
        with self._guard:
            self.seconds += seconds
        return words, seconds

    async def _make(self, deal: Deal, chunk: Chunk) -> Made:
        if deal not in self._plans:
            self._plans[deal] = contract_codec.pack(deal.dealing)
        order = ChunkTask(__version__, self._plans[deal], deal.keys(*chunk[:3]), chunk)
        while True:
            client = await self._connected()
            future = client.submit(fulfil, order, pure=False)
            try:
                found = await self._awaited(future)
            except self._distributed.scheduler.KilledWorker:
                raise MaterialError(
                    "workers of the cluster died again and again making it; give them more memory"
                ) from None
            except (self._distributed.CancelledError, OSError):
                with self._guard:
                    self.again += 1
                continue  # the scheduler is gone, and with it all that it knew
            except ImportError as error:
                raise MaterialError(
                    f"the workers of the cluster lack this program ({error}); install it there"
                ) from None
            finally:
                future.release()
            if isinstance(found, str):
                raise MaterialError(found)
            return found

    async def _awaited(self, future: Any) -> Made | str:
        """Wait for the result of a task; while there is no worker to make it, that is logged."""
        waiting = asyncio.ensure_future(future.result())
        try:
            while not (await asyncio.wait({waiting}, timeout=_PAUSE))[0]:
                self._workless.look(not self._connected_now or self.threads > 0)
            found: Made | str = waiting.result()
            return found
        finally:
            waiting.cancel()

    async def _connected(self) -> Any:
        """The client, once it is connected: it tries by itself for a while, and then another
        does."""
        async with self._connecting:
            lost = not self._connected_now
            while not self._connected_now:
                self._away.look()
                if self._client is None or self._client.status == "closed":
                    with contextlib.suppress(OSError):
                        self._client = await self._distributed.Client(
                            self._address, **self._options
                        )
                await asyncio.sleep(_PAUSE)
            if lost:
                self._log(f"the Dask scheduler at {self._address} is here again", "cluster")
            return self._client


def _library() -> Any:
    with needed("--workers dask://…", "cluster"):
        import distributed
    # What matters is said by the dealer. Dask has given some of its loggers levels of their own.
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return distributed
