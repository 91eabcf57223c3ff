"""Key files and lines: what is accepted, what is refused, and that nothing secret is ever shown."""

from __future__ import annotations

import os
import stat

import pytest

from protocol.channel import Allow, KeyPair, PublicKey
from protocol.errors import ConfigError


@pytest.fixture
def pair():
    return KeyPair.generate("alice")


def test_a_public_key_is_one_short_line(pair):
    line = str(pair.public)
    assert line.startswith("mpc1-alice-") and len(line) < 70 and line.split() == [line]
    assert PublicKey.parse(f"  {line}\n") == pair.public
    assert PublicKey.parse(line, "alice") == pair.public


def test_the_role_is_part_of_the_key(pair):
    line = str(pair.public)
    with pytest.raises(ConfigError, match="of alice, and one of bob is needed"):
        PublicKey.parse(line, "bob")
    with pytest.raises(ConfigError, match="mistyped"):
        PublicKey.parse(line.replace("alice", "bob"))
    with pytest.raises(ConfigError, match="no role"):
        PublicKey.parse(line.replace("alice", "carol"))
    with pytest.raises(ConfigError, match="no role"):
        KeyPair.generate("carol")


def test_every_mistyped_character_is_noticed(pair):
    line = str(pair.public)
    for index in range(len("mpc1-alice-"), len(line)):
        wrong = line[:index] + ("b" if line[index] != "b" else "c") + line[index + 1 :]
        with pytest.raises(ConfigError):
            PublicKey.parse(wrong)


@pytest.mark.parametrize(
    "text", ["", "mpc1", "mpc1-alice-", "mpc1-alice-ü", "mpc2-alice-aaaa", "hello", "a-b-c-d"]
)
def test_what_is_not_a_key(text):
    with pytest.raises(ConfigError):
        PublicKey.parse(text)


def test_a_file_only_its_owner_can_read(pair, tmp_path):
    path = tmp_path / "alice.key"
    pair.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyPair.load(path) == pair
    assert KeyPair.load(path, "alice") == pair
    assert [entry.name for entry in tmp_path.iterdir()] == ["alice.key"]
    with pytest.raises(ConfigError, match="of alice, and one of bob"):
        KeyPair.load(path, "bob")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_can_read_is_refused(pair, tmp_path, mode):
    path = tmp_path / "alice.key"
    pair.save(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="read by others"):
        KeyPair.load(path)


def test_a_key_is_never_overwritten(pair, tmp_path):
    path = tmp_path / "alice.key"
    pair.save(path)
    with pytest.raises(ConfigError, match="never overwritten"):
        KeyPair.generate("alice").save(path)
    assert KeyPair.load(path) == pair
    assert [entry.name for entry in tmp_path.iterdir()] == ["alice.key"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"mpc1secret-alice-aaaa", b"x" * 5000])
def test_a_damaged_file(tmp_path, content):
    path = tmp_path / "alice.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"alice\.key"):
        KeyPair.load(path)


def test_a_file_that_is_not_there_or_not_a_file(pair, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyPair.load(tmp_path / "none")
    with pytest.raises(ConfigError, match="cannot be"):
        KeyPair.load(tmp_path)
    with pytest.raises(ConfigError, match="cannot be written"):
        pair.save(tmp_path / "no" / "such" / "directory")


def test_secret_and_public_are_not_confused(pair, tmp_path):
    path = tmp_path / "alice.key"
    pair.save(path)
    with pytest.raises(ConfigError, match="secret key stands where"):
        PublicKey.parse(path.read_text())
    path.write_text(str(pair.public))
    with pytest.raises(ConfigError, match="not a key"):
        KeyPair.load(path)


def test_a_secret_is_never_shown(pair, tmp_path):
    path = tmp_path / "alice.key"
    pair.save(path)
    secret = path.read_text().strip().rsplit("-")[-1]
    shown = [repr(pair), str(pair)]
    path.write_text(path.read_text().replace(secret[5:8], "zzz"))
    with pytest.raises(ConfigError) as caught:
        KeyPair.load(path)
    shown.append(str(caught.value))
    for text in shown:
        assert secret[10:20] not in text and pair.secret.hex() not in text


def test_a_list_of_keys(pair, tmp_path):
    bob = KeyPair.generate("bob")
    path = tmp_path / "allowed"
    path.write_text(f"# who may connect\n{pair.public}  # at the office\n\n{bob.public}\n")
    allow = Allow.load(path)
    assert len(allow) == 2
    assert allow.role_of(pair.public.raw) == "alice"
    assert allow.role_of(bob.public.raw) == "bob"
    assert allow.role_of(os.urandom(32)) is None
    path.write_text(f"{pair.public}\nnonsense\n")
    with pytest.raises(ConfigError, match="line 2"):
        Allow.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        Allow.load(tmp_path / "none")
