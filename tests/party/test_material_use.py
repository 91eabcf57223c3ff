"""One party's use of a file of material: which rows, each once, on record before they are handed
out."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from dealt_files import KEYS, SEED, Minibatches, dealing_of, make, opened, settled

from dealer.store import names
from party.file_intake import FileIntake
from party.material_file import Material
from protocol.errors import MaterialError
from protocol.graph import Phase
from protocol.sealed_material import (
    ONCE,
    period,
    row_for,
)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "mpc-playground" / "material"


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
