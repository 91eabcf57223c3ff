"""Material that the workers of a real Dask cluster make, over TLS: the same bytes, whatever is
killed."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from keyed import Keys
from served import TICKET, credit, offer, pair, plan, serving

from dealer.cluster import _Absent
from dealer.live import parts
from dealer.metrics import samples
from dealer.program import PROGRAM
from dealer.service import Service
from protocol.dealing import Deal
from protocol.errors import LinkError
from protocol.log import LOGGER
from protocol.prg import attempt_seed
from protocol.schedule import Phase
from protocol.wire import Kind

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


def certificate(folder: Path) -> dict[str, str]:
    """One self-signed certificate for everybody, as `certificate_variables` names it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return certificate_variables(folder)


def certificate_variables(folder: Path) -> dict[str, str]:
    """Dask's configuration in environment variables."""
    prefix, both = "DASK_DISTRIBUTED__COMM__TLS__", str(folder / "both.pem")
    return {f"{prefix}CA_FILE": both} | {
        f"{prefix}{role}__CERT": both for role in ("SCHEDULER", "WORKER", "CLIENT")
    }


class Cluster:
    """A scheduler and workers in processes of their own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        self._folder, self._stack = folder, ExitStack()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.workers: list[subprocess.Popen[bytes]] = []

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.dask_{what}",
            *arguments,
            "--no-dashboard",
        ]
        log = self._stack.enter_context(
            (self._folder / f"{what}{len(self.workers)}.log").open("ab")
        )
        process = subprocess.Popen(
            command, env=self._environment, cwd=self._folder, stdout=log, stderr=log
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def start_scheduler(self) -> None:
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--protocol", "tls"
        )

    def start_worker(self) -> None:
        where = f"tls://127.0.0.1:{self.port}"
        self.workers.append(
            self._start("worker", where, "--nthreads", "1", "--no-nanny", "--death-timeout", "60")
        )

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    import dask

    environment = certificate(tmp_path)
    dask.config.update(dask.config.config, dask.config.collect_env(environment))
    made = Cluster(tmp_path, environment)
    try:
        made.start_scheduler()
        made.start_worker()
        made.start_worker()
        yield made
    finally:
        made.close()
        dask.config.refresh()


def measured(service: Service, name: str) -> float:
    """A number that Prometheus would be told."""
    return next(it for each, _, it in samples(service) if each.name == f"mpc_dealer_{name}")


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(600):
        if reached():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it takes too long")


async def test_the_stream_is_the_same_whatever_is_killed(cluster, tmp_path):
    """A worker is killed with a chunk in hand, then the scheduler, which comes back; every chunk
    arrives once, in order, and right, and is counted once."""
    keys, dealing, services = Keys(tmp_path), plan(3000, 600), list[Service]()
    order = list(dealing.chunks())
    assert len(order) >= 60
    address = f"dask://127.0.0.1:{cluster.port}"
    begun = time.monotonic()
    async with (
        serving(keys, services, workers=address, max_stock=4 << 20) as dealer,
        pair(keys, dealer, "c") as (alice, bob),
    ):
        seen = partial(measured, services[0])
        await until(lambda: seen("workers") == 2)
        assert services[0].workers.orders == 4, "one is on its way while another is made"
        for party in (alice, bob):
            party.send(offer("c", dealing))
        seeds = [bytes((await party.receive(60)).buffers[0]) for party in (alice, bob)]
        # no more than is in stock is made ahead, so there is always something that is being made
        bob.send(credit("c", 4))
        deal = Deal(dealing, *(attempt_seed(seed, "c", TICKET, 1) for seed in seeds))
        for number, chunk in enumerate(order):
            if number == 3:
                os.kill(cluster.workers[0].pid, signal.SIGSTOP)
                bob.send(credit("c", 20))
                await asyncio.sleep(1.0)  # what it is given now it will not make
                assert seen("busy_workers") > 0
                os.kill(cluster.workers[0].pid, signal.SIGKILL)
                await until(lambda: seen("workers") == 1)
                assert seen("reordered_chunks") == 0, "another worker was given it by the cluster"
            if number == 7:
                os.kill(cluster.workers[1].pid, signal.SIGSTOP)
                bob.send(credit("c"))
                await until(lambda: seen("busy_workers") > 0)
                cluster.scheduler.kill()
                cluster.scheduler.wait()
                os.kill(cluster.workers[1].pid, signal.SIGKILL)
                cluster.start_scheduler()
                # as a service manager does: without its scheduler a worker ends
                cluster.start_worker()
            message = await bob.receive(120)
            assert message.kind is Kind.CHUNK, message.body
            assert message.number == number and message.body["first"] == chunk.first
            assert b"".join(message.buffers) == deal.corrections(*chunk).tobytes()
        await until(lambda: seen("busy_workers") == 0)
        assert seen("chunks") == len(order) == message.number + 1 and seen("failures") == 0
        assert seen("dealt_bytes") == sum(map(dealing.bytes_of, order))
        assert seen("workers") == 1 <= seen("reordered_chunks") <= 4
        assert 0 < seen("work_seconds") < 2 * (time.monotonic() - begun)
    assert "Compute Failed" not in cluster.logs()


async def test_who_has_nothing_to_order_knows_the_cluster_and_says_what_becomes_of_it(
    cluster, tmp_path, monkeypatch, caplog
):
    """A worker dies, the scheduler does, and both come back, for longer than a client of Dask looks
    for it by itself; no chunk is ordered meanwhile."""
    monkeypatch.setattr("dealer.cluster._PATIENCE", 3.0)
    caplog.set_level(logging.INFO, LOGGER.name)
    keys, services = Keys(tmp_path), list[Service]()
    address = f"dask://127.0.0.1:{cluster.port}"
    scheduler, now = f"the Dask scheduler at tls://127.0.0.1:{cluster.port}", "the Dask cluster has"

    async def until_it_says(text: str) -> None:
        await until(lambda: text in caplog.messages)
        caplog.clear()

    async with serving(keys, services, workers=address):
        seen, page = partial(measured, services[0], "workers"), parts(services[0])
        await until(lambda: seen() == 2)
        figures = {name: value for name, value, _ in page()["figures"]}
        assert figures["workers"] == 2 and figures["chunks ordered from the cluster"] == 0
        await asyncio.sleep(1.0)
        cluster.workers[0].kill()
        await until_it_says(f"{now} 1 thread now, and had 2")
        assert seen() == 1
        cluster.scheduler.kill()
        cluster.workers[1].kill()
        await until_it_says(f"{scheduler} is away; waiting")
        assert seen() == 0
        await asyncio.sleep(5.0)
        cluster.scheduler.wait()
        cluster.start_scheduler()
        cluster.start_worker()
        await until(lambda: f"{scheduler} is here again" in caplog.messages)
        await until_it_says(f"{now} 1 thread now, and had 0")
        assert seen() == 1


def test_a_measurement_ends_where_its_cluster_is_lost(cluster, tmp_path):
    """In a sentence, and Dask itself says nothing on the terminal."""
    code = "import sys, dealer.commands.measure as it; it.AWAY = 3.0; it.SECONDS = 60.0;"
    code += "import dealer.__main__; sys.exit(dealer.__main__.main())"
    words = ["measure", "--job", "seed", "--workers", f"dask://127.0.0.1:{cluster.port}"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=os.environ | certificate_variables(tmp_path),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as measuring:
        try:
            lines = iter(measuring.stderr.readline, "")
            assert any("material is made by" in line for line in lines)  # behind compiled kernels
            time.sleep(1.0)
            cluster.scheduler.kill()
            said = measuring.stderr.read()
            assert measuring.wait(60) == 4, said
        finally:
            measuring.kill()
    lines = said.strip().splitlines()
    assert all(line.startswith("dealer: the Dask") for line in lines), said
    assert "is away, for 3 s now; start what is missing" in lines[-1]


def test_an_absence_is_spoken_of_once_and_then_ever_more_rarely(monkeypatch):
    now, said = [0.0], list[tuple[float, str]]()
    monkeypatch.setattr("dealer.cluster.monotonic", lambda: now[0])
    absent = _Absent(lambda text, *_: said.append((now[0], text)), "it is away", 1000.0, 10.0)
    absent.look()
    now[0] = 100.0  # nobody had to look in between
    with pytest.raises(LinkError, match="it is away, for 1000 s now; start what is missing"):
        while now[0] < 3000.0:
            for _ in range(3):  # as many chunks as are ordered
                absent.look(here=now[0] == 140.0)
            now[0] += 0.5
    since = [at - 140.0 for at, _ in said]
    assert since == [-30.0, -20.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 620.0, 920.0]
    assert {text for _, text in said} == {"it is away; waiting"} and now[0] == 1140.5


def test_a_worker_gets_the_keys_of_its_rows_and_no_other():
    dealing = plan(3000, 600)
    deal = Deal(dealing, b"a" * 32, b"b" * 32)
    first, second = [chunk for chunk in dealing.chunks() if chunk.phase == Phase.STEP][:2]
    part = Deal(dealing, keys=deal.keys(*first[:3]))
    assert (part.corrections(*first) == deal.corrections(*first)).all()
    with pytest.raises(KeyError):
        part.corrections(*second)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--workers", "dask://127.0.0.1:9"], 2, "over TLS only"),
        (["--workers", "dask://cluster.example:9", "--insecure-plaintext"], 2, "not on loopback"),
        (["--workers", "dask://127.0.0.1"], 2, "like dask://host:8786"),
        (
            ["--workers", "dask://127.0.0.1:9", "--insecure-plaintext"],
            4,
            "no Dask scheduler answers",
        ),
    ],
)
def test_a_cluster_that_cannot_be_used_ends_in_a_sentence(
    options, code, words, capsys, monkeypatch
):
    monkeypatch.setattr("dealer.cluster._PATIENCE", 0.5)
    begin = time.monotonic()
    assert PROGRAM.main(["--listen", "tcp://127.0.0.1:0", *options]) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert words in said[-1] and "Traceback" not in "".join(said), said
    assert time.monotonic() - begin < 30
