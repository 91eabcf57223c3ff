"""Files of material: what is in them, and that it is the dealer's, whole, secret and in date."""

from __future__ import annotations

import time

import numpy as np
import pytest
from dealt_files import KEYS, OWNERS, SEED, Minibatches, dealing_of, make, opened, settled
from hypothesis import given, settings
from hypothesis import strategies as st

from party.file_intake import FileIntake
from protocol.channel import KeyPair
from protocol.dealing import Deal, alice_material, bob_material
from protocol.errors import MaterialError
from protocol.graph import Phase
from protocol.sealed_material import (
    HEAD,
    MAGIC,
    CellCipher,
    Extent,
    Header,
    Layout,
)

LATER = 1 << 36  # seconds since 1970, far ahead


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "mpc-playground" / "material"


def test_what_is_in_the_files_is_what_a_dealer_would_have_streamed(tmp_path):
    paths = make(tmp_path)
    alice, bob = opened(paths["alice"], "alice"), opened(paths["bob"], "bob")
    deal = Deal(SEED, alice.seed, bob.seed)
    extent = Extent.of(SEED, 0.5)
    assert extent.steps == 750
    for phase in Phase:
        row = 0
        own = SEED.phases[phase]
        while row < extent.rows(phase):
            count, fields, _ = bob.rows(phase, row, extent.rows(phase) - row)
            words = (
                np.concatenate([field.reshape(count, -1) for field in fields[len(own.masks) :]], 1)
                if own.dealt
                else np.empty((count, 0))
            )
            assert (words == deal.corrections(phase, row, count)).all()
            row += count
        _, fields, _ = alice.rows(phase, 0, 1)
        expected = alice_material(SEED, alice.seed, phase, 0, 1)
        assert all((a == b).all() for a, b in zip(fields, expected, strict=True))


async def test_what_is_dealt_in_parts_is_in_the_files_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("protocol.contract.PART_BYTES", 64)
    dealing = dealing_of(Minibatches(), 3)
    own = dealing.phases[Phase.STEP]
    assert len(own.parts) > 1
    paths = make(tmp_path, dealing, spare=0.0)
    both = {role: opened(path, role, dealing) for role, path in paths.items()}
    deal = Deal(dealing, both["alice"].seed, both["bob"].seed)
    for role, material in both.items():
        supply = FileIntake(material, settled(material), 0)
        for step in range(3):
            found = supply.masks(Phase.STEP, step, range(len(own.masks)))
            for number in range(len(own.parts)):
                found += await supply.part(Phase.STEP, step, number)
            assert material.journal.step == step + 1
            expected = (
                alice_material(dealing, material.seed, Phase.STEP, step, 1)
                if role == "alice"
                else bob_material(
                    dealing,
                    material.seed,
                    Phase.STEP,
                    step,
                    1,
                    deal.corrections(Phase.STEP, step, 1),
                )
            )
            assert all((a == b[0]).all() for a, b in zip(found, expected, strict=True))
        supply.close()
        material.close()


def test_sizes_are_known_beforehand(tmp_path):
    for spare in (0.0, 0.1, 3.0):
        paths = make(tmp_path / str(spare), spare=spare)
        for role, path in paths.items():
            assert path.stat().st_size == Layout(SEED, Extent.of(SEED, spare), role).size
            assert path.stat().st_mode & 0o777 == 0o600


def test_two_files_of_one_plan_share_nothing(tmp_path):
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    a, b = opened(one["bob"], "bob"), opened(two["bob"], "bob")
    assert a.id != b.id
    assert a.seed != b.seed
    assert a.header.ephemeral != b.header.ephemeral


def test_nothing_in_a_file_is_readable_without_the_key(tmp_path):
    paths = make(tmp_path)
    raw = paths["bob"].read_bytes()
    bob = opened(paths["bob"], "bob")
    _, fields, _ = bob.rows(Phase.STEP, 0, 1)
    assert bob.seed not in raw
    assert fields[-1].tobytes() not in raw


@pytest.mark.parametrize("who", ["another owner", "another dealer"])
def test_a_seal_names_owner_and_dealer(tmp_path, who):
    paths = make(tmp_path)
    other = KeyPair.generate("bob" if who == "another owner" else "dealer")
    with pytest.raises(MaterialError, match=r"is sealed for the key|was made by the dealer"):
        opened(
            paths["bob"],
            "bob",
            **({"keys": other} if who == "another owner" else {"dealer": other}),
        )


def test_a_header_that_names_a_trusted_dealer_who_did_not_write_it(tmp_path):
    """Anybody can write the public keys; without the dealer's secret the seed does not open."""
    forger = KeyPair.generate("dealer")
    forged, seal = CellCipher.to_write(
        role="bob",
        session="s",
        material="0" * 32,
        dealing=SEED,
        extent=Extent.of(SEED, 0),
        dealer=KEYS["dealer"].public.raw,
        dealer_secret=forger.secret,
        owner=OWNERS["bob"].raw,
        made=1,
        until=LATER,
    )
    layout = Layout(SEED, Extent.of(SEED, 0), "bob")
    path = tmp_path / "forged"
    path.write_bytes(
        (forged.pack() + seal.seal(layout.secret, bytes(32))).ljust(layout.size, b"\0")
    )
    with pytest.raises(MaterialError, match="damaged at its seed"):
        opened(path, "bob")


def test_cells_cannot_change_places(tmp_path):
    paths = make(tmp_path)
    layout = Layout(SEED, Extent.of(SEED, 0.5), "bob")
    a, b = layout.cell(Phase.STEP, 0), layout.cell(Phase.STEP, layout.rows_per_cell(Phase.STEP))
    raw = bytearray(paths["bob"].read_bytes())
    one, two = raw[a.offset :][: a.bytes], raw[b.offset :][: b.bytes]
    assert len(one) == len(two)
    raw[a.offset :][: a.bytes]
    raw[a.offset : a.offset + a.bytes], raw[b.offset : b.offset + b.bytes] = two, one
    paths["bob"].write_bytes(raw)
    with pytest.raises(MaterialError, match=r"damaged at byte 1,\d\d\d"):
        opened(paths["bob"], "bob").rows(Phase.STEP, 0, 1)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_every_flipped_bit_of_a_header_is_noticed(data):
    header, seal = CellCipher.to_write(
        role="alice",
        session="s",
        material="ab" * 16,
        dealing=SEED,
        extent=Extent.of(SEED, 0.1),
        dealer=KEYS["dealer"].public.raw,
        dealer_secret=KEYS["dealer"].secret,
        owner=OWNERS["alice"].raw,
        made=1,
        until=LATER,
    )
    layout = Layout(SEED, Extent.of(SEED, 0.1), "alice")
    raw = bytearray(header.pack() + seal.seal(layout.secret, bytes(32)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(MaterialError):
        read = Header.unpack(bytes(raw[:HEAD]))
        CellCipher.to_read(read, KEYS["alice"].secret).open(layout.secret, bytes(raw[HEAD:]))


@given(st.binary(max_size=2 * HEAD))
@settings(max_examples=300, deadline=None)
def test_a_header_is_one_or_a_material_error(raw):
    for data in (raw, MAGIC + raw):
        with pytest.raises(MaterialError):
            Header.unpack(data)


def test_a_dealer_that_draws_the_same_seeds_again_makes_other_masks(tmp_path, monkeypatch):
    """Restored from a snapshot: the same id, the same seeds. The time of making tells the two files
    apart."""
    monkeypatch.setattr("dealer.store.fresh_id", lambda: "ab" * 16)
    monkeypatch.setattr("dealer.store.fresh_seed", lambda: bytes(32))
    words = []
    for folder in ("one", "two"):
        paths = make(tmp_path / folder)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / folder / "state"))
        for role in ("alice", "bob"):
            material = opened(paths[role], role)
            _, fields, _ = material.rows(Phase.STEP, 0, 8)
            words += [field.reshape(-1) for field in fields[: len(SEED.phases[Phase.STEP].masks)]]
            material.close()
    found = np.concatenate(words)
    # alice and bob of one file have the same seed here, so every word is there twice, and no more
    # often
    assert set(np.unique(found, return_counts=True)[1]) <= {1, 2}


def test_material_is_refused_after_its_last_day(tmp_path, monkeypatch):
    paths = make(tmp_path)
    material = opened(paths["bob"], "bob")
    assert material.header.until - material.header.made // 10**9 == 30 * 86400
    now = time.time()
    monkeypatch.setattr("party.material_file.time.time", lambda: now + 29 * 86400)
    assert settled(material).step == 0
    monkeypatch.setattr("party.material_file.time.time", lambda: now + 31 * 86400)
    with pytest.raises(MaterialError, match=r"was to be used until \d{4}-\d\d-\d\d \d\d:\d\d UTC"):
        settled(material)
    material.close()
    with pytest.raises(MaterialError, match="was to be used until"):
        opened(paths["bob"], "bob")


def test_records_are_kept_out_of_backups_and_nothing_of_others_is(tmp_path, state):
    mine = tmp_path / "mine"
    opened(make(mine)["bob"], "bob").close()
    for folder in (mine, state):
        assert (
            (folder / "CACHEDIR.TAG")
            .read_bytes()
            .startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
        )
    others = tmp_path / "others"
    others.mkdir()
    (others / "thesis").write_text("")
    opened(make(others)["bob"], "bob").close()
    assert not (others / "CACHEDIR.TAG").exists()
