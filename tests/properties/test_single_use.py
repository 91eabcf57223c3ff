"""No mask meets two values: every opening is recorded, with the place in the keystream that its
mask comes from.

Whole sessions run in this process (real sockets, real files, the code of `party.attempts`), live
and from files, and are crashed at random openings, resumed, and interfered with: files copied,
journals lost, backups restored. The recorder knows nothing of epochs, rows or journals. It looks at
what `Machine` adds to what: the address of the mask in memory says which words of which AES
keystream it is, and what was sent under it is kept for all of the scenario. A word of a keystream
that was ever added to two different values, or used for two executions of a step, fails the test.
Two tests at the end break the rule on purpose, so that the recorder is known to see it.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from recorded import ITERATIONS, Minibatches, Recorder, Scene, Shuffled

import dealer.session
import protocol.channel.sockets
import protocol.dealing
from dealer.store import names
from party.intent import Intent
from party.journal import Journal
from party.links import Links
from party.loading import load_job
from party.material_file import Material
from protocol.graph import Phase

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def recorder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    found = Recorder()
    found.install(monkeypatch)
    make = protocol.channel.sockets.context

    def made():
        found.contexts.append(make())
        return found.contexts[-1]

    monkeypatch.setattr(protocol.channel.sockets, "context", made)
    abort = Links.abort
    monkeypatch.setattr(
        Links,
        "abort",
        lambda links, reason, back: (
            None if reason == "an internal error" else abort(links, reason, back)
        ),
    )
    return found


def interfere(scene: Scene, chooser: random.Random, backup: Path) -> str:
    """What an operator, a backup tool or a broken disk may do between two lives of ONE party."""
    role = chooser.choice(("alice", "bob"))
    what = chooser.choice(
        ["nothing", "copy", "beside lost", "twin lost", "both lost", "restored", "torn"]
    )
    beside = [path for path in scene.journals(role) if path.is_relative_to(scene.made)]
    twins = [path for path in scene.journals(role) if not path.is_relative_to(scene.made)]
    if what == "copy":
        target = scene.folder / f"copy-{chooser.getrandbits(40):x}"
        target.mkdir()
        for path in names(scene.made, "s").values():
            shutil.copy(path, target / path.name)
        scene.made = target  # the journals beside stay behind; the twins do not
    for path in {"beside lost": beside, "twin lost": twins, "both lost": beside + twins}.get(
        what, []
    ):
        path.unlink()
    if what == "restored":
        for path in beside + twins:
            if (backup / role / path.name).exists():
                shutil.copy(backup / role / path.name, path)
    if what == "torn" and (
        files := [path for path in beside + twins if len(path.read_bytes().splitlines()) > 1]
    ):
        path = chooser.choice(files)  # a write that was never acted upon
        path.write_bytes(path.read_bytes() + b"step 99")
    for path in scene.journals(role):
        if chooser.random() < 0.3:
            (backup / role).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, backup / role / path.name)
    return f"{role}: {what}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--scenarios")))


@pytest.mark.parametrize("kind", ["seed", "minibatches", "shuffled"])
async def test_no_mask_meets_two_values(kind, seed, recorder, tmp_path):
    chooser = random.Random(f"{kind}-{seed}")
    job = {"seed": lambda: load_job("seed"), "minibatches": Minibatches, "shuffled": Shuffled}[
        kind
    ]()
    scene = Scene(tmp_path, job, recorder, spare=chooser.choice((0.5, 2.0, 5.0)))
    scene.precompute("made-0")
    backup, story, crashes = tmp_path / "backup", [], 0
    for life in range(14):
        live = chooser.random() < 0.15
        crash_in = chooser.randrange(1, 2 * 3 * ITERATIONS) if life < 10 else 0
        done = await scene.life(crash_in, live)
        crashes += not done
        story.append(
            f"{'live' if live else 'file'}, crash in {crash_in}: {'done' if done else 'not done'}"
        )
        assert not recorder.violations(), (story, recorder.violations()[:3])
        if done and life >= 4:
            break
        if done:  # once more, from the beginning, with what is left of the same files
            for role in ("alice", "bob"):
                shutil.rmtree(tmp_path / f"state-{role}")
        if scene.refused:
            scene.refused = 0
            scene.precompute(f"made-{life + 1}")
            backup = tmp_path / f"backup-{life}"
        else:
            story.append(interfere(scene, chooser, backup))
    else:
        pytest.fail(f"never done: {story}")
    scene.right()
    assert recorder.openings > 2 * ITERATIONS
    assert recorder.runs > 4, story


async def test_setup_is_sent_again_word_for_word(recorder, tmp_path):
    scene = Scene(tmp_path, Minibatches(), recorder, spare=5.0)
    scene.precompute("made")
    for crash_in in (20, 40, 60):
        assert not await scene.life(crash_in, live=False)
    again = [uses for uses in recorder.used.values() if len(uses) > 1]
    assert again, "nothing of setup was used by several attempts"
    assert all(phase == Phase.SETUP for uses in again for _, phase, _ in uses)
    assert not recorder.violations()


async def test_other_inputs_are_refused_before_anything_is_sent(recorder, tmp_path):
    scene = Scene(tmp_path, Minibatches(), recorder, spare=5.0)
    scene.precompute("made")
    assert not await scene.life(50, live=False, stateful=False)
    scene.inputs["x"] = scene.inputs["x"] * 0.5
    assert not await scene.life(0, live=False, stateful=False)
    assert scene.refused == 1
    assert not recorder.violations()


async def test_the_recorder_sees_a_journal_that_forgets(recorder, tmp_path, monkeypatch):
    """With the journals off, the second run takes the rows of the first; that this is noticed
    proves the tests above."""
    monkeypatch.setattr(Journal, "reserve_steps", lambda self, end: None)
    monkeypatch.setattr(Journal, "reserve_finish", lambda self, end: None)
    scene = Scene(tmp_path, load_job("seed"), recorder, spare=1.0)
    scene.precompute("made")
    for _ in range(2):
        assert await scene.life(0, live=False, stateful=False)
    assert any("several attempts" in text for text in recorder.violations())


async def test_the_recorder_sees_other_inputs_under_the_masks_of_setup(
    recorder, tmp_path, monkeypatch
):
    monkeypatch.setattr(Material, "sending", lambda self, number, words: None)
    monkeypatch.setattr(Material, "heard", lambda self, number, words: None)
    scene = Scene(tmp_path, load_job("seed"), recorder, spare=3.0)
    scene.precompute("made")
    assert await scene.life(0, live=False, stateful=False)
    scene.inputs["x"] = scene.inputs["x"] * 0.5
    assert await scene.life(0, live=False, stateful=False)
    assert any("was opened with 2 values" in text for text in recorder.violations())


async def test_a_dealer_whose_seeds_repeat_repeats_no_mask(recorder, tmp_path, monkeypatch):
    """A dealer restored from a snapshot draws the seeds it drew before. The parties' tickets are
    fresh, and so is every opening."""
    drawn = iter(2 * [bytes(32), bytes(range(32))])
    monkeypatch.setattr(dealer.session, "fresh_seed", lambda: next(drawn))
    scene = Scene(tmp_path, load_job("seed"), recorder, spare=0.0)
    for _ in range(2):
        assert await scene.life(0, live=True, stateful=False)
        scene.right()
    assert next(drawn, None) is None
    words = np.frombuffer(
        b"".join(value for values in recorder.opened.values() for value in values), np.uint64
    )
    assert words.size > 4 * ITERATIONS
    assert len(np.unique(words)) == words.size
    assert not recorder.violations()


@pytest.mark.parametrize("repeats", ["alice", "bob"])
async def test_one_party_with_a_fresh_ticket_is_enough(recorder, tmp_path, monkeypatch, repeats):
    """The dealer repeats its seeds and one party its ticket: the other's keeps all masks apart."""
    drawn = iter(2 * [bytes(32), bytes(range(32))])
    monkeypatch.setattr(dealer.session, "fresh_seed", lambda: next(drawn))
    body = Intent.body
    fixed = {"ticket": "0" * 32}
    monkeypatch.setattr(
        Intent, "body", lambda self: body(self) | (fixed if self.role == repeats else {})
    )
    scene = Scene(tmp_path, load_job("seed"), recorder, spare=0.0)
    for _ in range(2):
        assert await scene.life(0, live=True, stateful=False)
    assert next(drawn, None) is None
    assert not recorder.violations()


async def test_the_recorder_sees_seeds_that_repeat_where_no_ticket_is_mixed_in(
    recorder, tmp_path, monkeypatch
):
    drawn = iter(2 * [bytes(32), bytes(range(32))])
    monkeypatch.setattr(dealer.session, "fresh_seed", lambda: next(drawn))
    for module in ("dealer.session", "party.supply"):
        monkeypatch.setattr(f"{module}.attempt_seed", lambda seed, *label: seed)
    scene = Scene(tmp_path, load_job("seed"), recorder, spare=0.0)
    for _ in range(2):
        assert await scene.life(0, live=True, stateful=False)
    assert any("several attempts" in text for text in recorder.violations())
