"""Keys: made, refused and exchanged, by real processes; whoever is refused is named once, and
nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat

import pytest
import zmq
from keyed import Keys, Recorder, command, guest, raw, run_all, wait_for

from party.local import Trio
from protocol.channel import KeyPair, PublicKey, connect
from protocol.errors import LinkError

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


def refusals(child) -> list[str]:
    return [
        line.partition("refused ")[2] for line in child.errors.splitlines() if "refused " in line
    ]


# ---- making them ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "words"),
    [("alice", ("party", "keygen", "--role", "alice")), ("dealer", ("dealer", "keygen"))],
)
def test_keygen(tmp_path, role, words):
    environment = dict(os.environ) | {"XDG_CONFIG_HOME": str(tmp_path)}
    made = command(*words, environment=environment)
    assert made.returncode == 0, made.stderr
    file = tmp_path / "mpc-playground" / f"{role}.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = made.stdout.splitlines()
    assert PublicKey.parse(line, role) == KeyPair.load(file, role).public
    assert str(file) in made.stderr and len(made.stderr.splitlines()) == 1
    assert file.read_text().strip() not in made.stdout + made.stderr
    content = file.read_bytes()
    again = command(*words, environment=environment)
    assert again.returncode == 2 and again.stdout == "" and "never overwritten" in again.stderr
    assert file.read_bytes() == content
    other = command(*words, "--out", str(tmp_path / "own.key"), environment=environment)
    assert other.returncode == 0 and other.stdout != made.stdout and (tmp_path / "own.key").exists()


def test_keygen_wants_a_role_and_a_place(tmp_path):
    assert "--role alice or --role bob" in command("party", "keygen").stderr
    (tmp_path / "file").touch()
    failed = command("dealer", "keygen", "--out", str(tmp_path / "file" / "x.key"))
    assert (
        failed.returncode == 2
        and "cannot be made" in failed.stderr
        and "Traceback" not in failed.stderr
    )


# ---- refusing them -------------------------------------------------------------------------------


async def test_each_is_refused_logged_once_and_the_session_goes_on(keys, tmp_path):
    stranger = KeyPair.generate("bob")
    with Trio("keys") as trio:
        run_all(trio, keys, "--iterations", "9000", "--link", "rtt=1ms")
        ports = {"dealer": trio.dealer, "alice": trio.peer}
        context = zmq.Context()
        for name, address in ports.items():
            for _ in range(2):
                with pytest.raises(LinkError, match="refused this key of bob"):
                    await connect(
                        address, "bob", name, "keys", stranger, keys.pairs[name].public, timeout=10
                    )
        # a known key that has no business there
        with pytest.raises(LinkError, match="refused this key of dealer"):
            liar = keys.pairs["dealer"]
            await connect(
                trio.peer, "dealer", "alice", "keys", liar, keys.pairs["alice"].public, timeout=10
            )
        bob = keys.pairs["bob"]
        liar = KeyPair(PublicKey("alice", bob.public.raw), bob.secret)
        with pytest.raises(LinkError, match="calls itself alice with a key of bob"):
            await connect(
                trio.dealer,
                "alice",
                "dealer",
                "keys",
                liar,
                keys.pairs["dealer"].public,
                timeout=10,
            )
        for address in ports.values():
            plain = guest(context, address, None, None)
            plain.send(b"hello")
            with pytest.raises(LinkError, match=r"does not accept plain text|does it want keys"):
                await connect(
                    address,
                    "bob",
                    "dealer" if address == trio.dealer else "alice",
                    "keys",
                    None,
                    timeout=2,
                )
            plain.close(0)
        context.destroy(0)
        await replayed_handshake(trio, keys)
        readable = tmp_path / "readable.key"
        KeyPair.generate("bob").save(readable)
        readable.chmod(0o640)
        failed = await asyncio.to_thread(
            command, "party", "--role", "bob", "--key", str(readable), "--session", "keys"
        )
        assert failed.returncode == 2 and "can be read by others (mode 0640)" in failed.stderr
        assert trio.children["alice"].process.poll() is None, (
            "the session ended too early to be disturbed"
        )
        await asyncio.to_thread(trio.wait, 240)
        results = [json.loads(trio.children[role].output)["results"] for role in ("alice", "bob")]
        assert results[0] == results[1]
        for name in ports:
            said = refusals(trio.children[name])
            assert sum("its key is not on the list of allowed keys" in line for line in said) == 1
            assert any("did not speak CURVE" in line for line in said), said
            assert len(said) == len(set(said))
        assert any(
            "calls itself alice with a key of bob" in line
            for line in refusals(trio.children["dealer"])
        )
        alice = refusals(trio.children["alice"])
        assert (
            sum("on the list" in line or "which does not connect here" in line for line in alice)
            <= 2
        )
        for child in trio.children.values():
            assert "Traceback" not in child.errors
        assert trio.children["dealer"].errors.count("joined session keys") == 2


async def replayed_handshake(trio, keys):
    """What a client said on its way in, said again: the server's half of a CURVE handshake is never
    the same."""
    async with Recorder(trio.dealer) as recorder:
        connection = await keys.connect(recorder.address, "bob", "dealer", "replay")
        await asyncio.to_thread(wait_for, trio.children["dealer"], "bob joined session replay")
        await connection.close(0.5)
    recorded = b"".join(recorder.said)
    assert recorded.startswith(b"\xff") and b"CURVE" in recorded
    for pieces in ([recorded], recorder.said):
        replay = raw(trio.dealer)
        replay.settimeout(0.3)
        for piece in pieces:
            try:
                replay.sendall(piece)
                replay.recv(1 << 16)
            except OSError:
                pass
        replay.close()
    await asyncio.sleep(0.5)
    assert trio.children["dealer"].errors.count("bob joined session replay") == 1
    assert any("handshake" in line for line in refusals(trio.children["dealer"]))


# ---- loopback, plain text ------------------------------------------------------------------------


def test_loopback_is_encrypted_without_being_told(tmp_path):
    with Trio(environment={"XDG_STATE_HOME": str(tmp_path)}) as trio:
        dealer = trio.start("dealer")
        wait_for(dealer, "ready")
        with raw(trio.dealer) as client:
            client.settimeout(5)
            # as much of a ZMTP greeting as makes it show its own
            client.sendall(b"\xff" + bytes(8) + b"\x7f\x03")
            greeting = b""
            while len(greeting) < 32 and (more := client.recv(64)):
                greeting += more
            assert greeting[12:17] == b"CURVE"
        plain = command(
            *(
                "party",
                "--role",
                "bob",
                "--insecure-plaintext",
                "--dealer",
                trio.dealer,
                "--peer",
                trio.peer,
                "--wait",
                "4s",
            )
        )
        assert plain.returncode == 4 and "does not accept plain text" in plain.stderr
        assert "WARNING: --insecure-plaintext" in plain.stderr
        assert any("did not speak CURVE" in line for line in refusals(dealer))
        for file in (tmp_path / "mpc-playground" / "loopback-keys").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_plain_text_works_when_all_ask_for_it_and_is_never_quiet():
    with Trio() as trio:
        trio.start("dealer", ["--insecure-plaintext", "--quiet"])
        for role in ("alice", "bob"):
            trio.start(role, ["--insecure-plaintext", "--json", "--iterations", "50", "--quiet"])
        trio.wait(240)
        for child in trio.children.values():
            assert child.errors.count("WARNING: --insecure-plaintext") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("dealer", "--listen", "tcp://0.0.0.0:0"),
        ("dealer", "--listen", "tcp://*:0"),
        ("party", "--role", "bob", "--peer", "tcp://192.0.2.1:7701"),
        ("party", "--role", "alice", "--dealer", "tcp://dealer.example:7700"),
    ],
)
def test_plain_text_is_refused_beyond_this_machine(words):
    failed = command(*words, "--insecure-plaintext")
    assert failed.returncode == 2 and "--insecure-plaintext is for loopback only" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    without = command(*words)
    assert (
        without.returncode == 2
        and "is another host" in without.stderr
        and "keygen" in without.stderr
    )


def test_a_key_without_those_of_the_others(keys):
    mine = ["--key", str(keys.files["alice"])]
    failed = command("party", "--role", "alice", *mine)
    assert (
        failed.returncode == 2
        and "--peer-key" in failed.stderr
        and len(failed.stderr.splitlines()) == 1
    )
    failed = command("party", "--role", "alice", *mine, "--peer-key", str(keys.pairs["bob"].public))
    assert (
        failed.returncode == 2
        and "--dealer-key" in failed.stderr
        and len(failed.stderr.splitlines()) == 1
    )
    failed = command(
        "dealer", "--key", str(keys.files["dealer"]), "--alice-key", str(keys.pairs["alice"].public)
    )
    assert failed.returncode == 2 and "--bob-key" in failed.stderr
    failed = command("party", "--role", "bob", *mine)
    assert failed.returncode == 2 and "is of alice, and one of bob is needed" in failed.stderr


# ---- exchanging the list -------------------------------------------------------------------------


async def test_the_dealer_reads_its_list_again(keys, tmp_path):
    listed = tmp_path / "allowed"
    listed.write_text(f"# parties\n{keys.pairs['alice'].public}\n")
    with Trio() as trio:
        dealer = trio.start("dealer", ["--key", str(keys.files["dealer"]), "--allow", str(listed)])
        await asyncio.to_thread(wait_for, dealer, "ready")
        alice = await keys.connect(trio.dealer, "alice", "dealer", "one")
        with pytest.raises(LinkError, match="refused this key"):
            await keys.connect(trio.dealer, "bob", "dealer", "one")
        listed.write_text("nonsense\n")
        dealer.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(wait_for, dealer, "nothing was reread")
        assert alice.failure is None
        listed.write_text(f"{keys.pairs['bob'].public}  # alice is gone\n")
        dealer.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(wait_for, dealer, "read again: 1 key")
        with pytest.raises(LinkError, match="taken off"):
            await alice.receive(10)
        with pytest.raises(LinkError, match="refused this key"):
            await keys.connect(trio.dealer, "alice", "dealer", "one")
        bob = await keys.connect(trio.dealer, "bob", "dealer", "one")
        await bob.close(0)


async def test_alice_reads_the_key_of_bob_again(keys, tmp_path):
    file = tmp_path / "party.toml"
    lines = [
        f'key = "{keys.files["alice"]}"',
        f'dealer-key = "{keys.pairs["dealer"].public}"',
        f'peer-key = "{KeyPair.generate("bob").public}"',
    ]
    file.write_text("\n".join(lines))
    with Trio() as trio:
        trio.start("dealer", keys.options("dealer"))
        alice = trio.start("alice", ["--config", str(file)])
        await asyncio.to_thread(wait_for, alice, "waiting for bob")
        with pytest.raises(LinkError, match="refused this key"):
            await keys.connect(trio.peer, "bob", "alice", trio.session)
        file.write_text("\n".join([*lines[:2], f'peer-key = "{keys.pairs["bob"].public}"']))
        alice.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(wait_for, alice, "read again")
        bob = await keys.connect(trio.peer, "bob", "alice", trio.session)
        await bob.close(0)
