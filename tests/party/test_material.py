"""A file of material and one party's use of it: without processes and without a network."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dealer.store import names, precompute
from party.file_intake import FileIntake
from party.loading import load_job
from party.material_file import Material
from protocol.channel import KeyPair
from protocol.dealing import Deal, alice_material, bob_material
from protocol.errors import MaterialError
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.plan import make_plan
from protocol.sealed_material import (
    HEAD,
    MAGIC,
    ONCE,
    CellCipher,
    Extent,
    Header,
    Layout,
    period,
    row_for,
)
from protocol.tracing import trace

KEYS = {role: KeyPair.generate(role) for role in ("alice", "bob", "dealer")}
OWNERS = {role: KEYS[role].public for role in ("alice", "bob")}


class Minibatches(Job):
    x = Input("bob", shape=(10, 3), low=-1, high=1)
    w = Input("alice", shape=(3, 1), low=-8, high=8)

    def step(self, v):
        v.w = v.w - v.x.minibatch(4).T @ (v.x.minibatch(4) @ v.w)

    def finish(self, v):
        v.reveal(w=v.w)


def dealing_of(job, iterations):
    shapes = {
        name: np.shape(each.default) if each.default is not None else each.shape
        for name, each in job.inputs.items()
    }
    return make_plan(trace(job, shapes, iterations), 0, (0, 1)).dealing


SEED = dealing_of(load_job("seed"), 500)
LATER = 1 << 36  # seconds since 1970, far ahead


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "mpc-playground" / "material"


def make(folder, dealing=SEED, spare=0.5, session="s"):
    precompute(
        dealing, Extent.of(dealing, spare), session, folder, KEYS["dealer"], OWNERS, workers=2
    )
    return names(folder, session)


def opened(path, role, dealing=SEED, keys=None, dealer=None, session="s", program="0" * 32):
    found = Material(path, role, session, keys or KEYS[role], (dealer or KEYS["dealer"]).public)
    found.bind(dealing, program)
    return found


# ---- format --------------------------------------------------------------------------------------


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


def test_rows_and_minibatches():
    job = Minibatches()
    dealing = dealing_of(job, 40)
    assert period(dealing, Phase.STEP) == 5  # 4 of 10 rows: the fifth step is like the first
    assert period(SEED, Phase.STEP) == 1
    assert [row_for(7, behind, 5) for behind in (0, 7, 8, 12, 13)] == [2, 7, 12, 12, 17]
    assert row_for(7, 30, 1) == 30


class Shuffled(Minibatches):
    def step(self, v):
        v.w = v.w - 0.05 * (v.x.minibatch(4, shuffle=3).T @ (v.x.minibatch(4, shuffle=3) @ v.w))


def test_a_shuffled_step_takes_its_own_row_or_none(tmp_path):
    dealing = dealing_of(Shuffled(), 40)
    every = period(dealing, Phase.STEP)
    assert every >= ONCE
    assert [row_for(7, behind, every) for behind in (0, 6, 7)] == [7, 7, 7]
    assert row_for(7, 8, every) > ONCE
    material = opened(make(tmp_path, dealing=dealing)["bob"], "bob", dealing)
    assert settled(material, 0).step == 0
    assert settled(material, 12).step == 12
    assert settled(material, 12, step=12).step == 12
    with pytest.raises(MaterialError, match="step 12 takes row 12 of a file and no other"):
        settled(material, 12, step=13)
    material.close()


# ---- use -----------------------------------------------------------------------------------------


def settled(material, start=0, step=0, finish=0, check=0):
    material.offer()
    return material.settle(
        {"step": step, "check": check, "finish": finish, "sent": [], "received": []}, "alice", start
    )


async def test_rows_are_recorded_before_they_are_handed_out_and_only_once(tmp_path):
    paths = make(tmp_path)
    seen = []
    for _ in range(3):
        material = opened(paths["bob"], "bob")
        try:
            supply = FileIntake(material, settled(material, 400), 400)
            step = 400
            while step < 450:
                count, fields = await supply.chunk(Phase.STEP, step)
                first = material.journal.step
                assert all(
                    row < first for row in range(supply._first + step, supply._first + step + count)
                )
                seen += [field.tobytes() for field in np.asarray(fields[0]).reshape(count, -1)]
                step += count
            supply.close()
            await asyncio.sleep(0.05)
        except MaterialError as error:
            assert "is used up" in str(error)
        material.close()
    assert len(seen) == len(set(seen)) >= 100


async def test_the_peers_position_counts(tmp_path):
    material = opened(make(tmp_path)["bob"], "bob")
    assert settled(material, 100, step=321, finish=1).step == 321
    with pytest.raises(MaterialError, match="is used up: 349 of its 750 rows"):
        settled(material, 100, step=401)
    material.close()
    material = opened(names(tmp_path, "s")["bob"], "bob")
    assert material.journal.step == 401


async def test_finishes_run_out(tmp_path):
    material = opened(make(tmp_path, spare=0.0)["bob"], "bob")
    supply = FileIntake(material, settled(material, 500), 500)
    assert (await supply.chunk(Phase.FINISH, 0))[0] == 1
    supply.close()
    with pytest.raises(MaterialError, match="all of its 1 rows for the finish are used"):
        settled(material, 500)


def test_setup_is_opened_to_the_same_or_not_at_all(tmp_path):
    paths = make(tmp_path)
    words = np.arange(4, dtype=np.uint64)
    for _ in range(2):
        material = opened(paths["bob"], "bob")
        material.sending(0, words)
        material.heard(0, words + 1)
        with pytest.raises(
            MaterialError, match="was begun with other inputs than this party brings now"
        ):
            material.sending(0, words + 2)
        with pytest.raises(
            MaterialError, match="was begun with other inputs than alice brings now"
        ):
            material.heard(0, words)
        material.close()


def test_an_unwritable_folder_is_no_place_for_a_journal(tmp_path, state):
    state.parent.mkdir(parents=True)
    state.write_text("not a folder")
    with pytest.raises(MaterialError, match="nothing is used without a record"):
        opened(make(tmp_path)["bob"], "bob")


def test_material_is_for_the_program_that_it_was_first_used_for(tmp_path):
    """Two programs may take the same masks; the record, beside the file or in its twin, knows which
    of them it was."""
    path = make(tmp_path)["alice"]
    for program in ("a" * 32, "a" * 32):
        opened(path, "alice", program=program).close()
    (beside,) = [each for each in tmp_path.iterdir() if each.name.endswith(".used")]
    for _ in range(2):
        other = Material(path, "alice", "s", KEYS["alice"], KEYS["dealer"].public)
        with pytest.raises(MaterialError, match="was begun with another job"):
            other.bind(SEED, "b" * 32)
        other.close()
        beside.unlink()
