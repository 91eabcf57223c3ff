"""No block of a keystream is ever used for two values, and every step is streamed once."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from party.jobs.seed import Seed
from party.jobs.xor import Xor
from protocol import prg
from protocol.graph import Phase
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.tracing import trace

STEP = Phase.STEP


@pytest.mark.parametrize("job", [Seed(), Xor()], ids=["seed", "xor"])
def test_no_word_of_a_keystream_serves_two_purposes(job, monkeypatch):
    """False alarm: two of n < 10^6 words of 64 bits are equal by chance, n²/2^65 < 1e-7."""
    calls: list[tuple[bytes, int, int, np.ndarray]] = []
    genuine = prg.keystream

    def recorded(key, first_row, rows, words, *bounds):
        out = genuine(key, first_row, rows, words, *bounds)
        calls.append((key, first_row, bounds[0] if bounds else 0, out.copy()))
        return out

    for name, module in list(sys.modules.items()):
        if (
            name.partition(".")[0] in ("protocol", "party", "dealer")
            and vars(module).get("keystream") is genuine
        ):
            monkeypatch.setattr(module, "keystream", recorded)
    arrays = {name: np.asarray(each.default, np.float64) for name, each in job.inputs.items()}
    run = simulate(job, arrays, 40)
    used: dict[int, tuple[bytes, int, int]] = {}  # word → (key, row, column)
    rows: dict[bytes, set[int]] = {}
    for key, first, start, words in calls:
        for n, row in enumerate(words.tolist()):
            for column, word in enumerate(row, start):
                assert used.setdefault(word, (key, first + n, column)) == (key, first + n, column)
            rows.setdefault(key, set()).update({first + n} if row else ())
    dealt = run.plan.dealing
    words = [2 * own.mask_words + own.dealt_words for own in dealt.phases]
    assert len(used) == sum(
        count * dealt.count(phase) for phase, count in zip(Phase, words, strict=True)
    )
    # the blocks of steps, each with a key of its own
    steps = -(-40 // dealt.phases[STEP].steps_per_chunk)
    sizes = [len(each) for each in rows.values() if each]
    assert sum(sizes) == 2 * (40 + 3) and len(sizes) == 2 * (steps + 3)  # (party, block); one check


@pytest.mark.parametrize("job", [Seed(), Xor()], ids=["seed", "xor"])
@pytest.mark.parametrize("start", [0, 1, 777, 2000])
def test_every_step_is_streamed_once_and_in_order(job, start):
    shapes = {name: np.shape(each.default) for name, each in job.inputs.items()}
    dealt = make_plan(trace(job, shapes, 2000), 0, (0, 1)).dealing
    ranges = (
        (phase, range(first, first + count)) for phase, first, count, _ in dealt.chunks(start)
    )
    seen = [(phase, step) for phase, steps in ranges for step in steps]
    expected = [(Phase.SETUP, 0), (Phase.FINISH, 0)]
    for step in range(start, 2000):
        expected.append((STEP, step))
        if (step + 1) % dealt.schedule.every == 0 or step == 1999:
            expected.append((Phase.CHECK, step // dealt.schedule.every))
    assert seen == [(phase, step) for phase, step in expected if dealt.phases[phase].dealt_words]
    if start % dealt.schedule.every == 0:
        by_phase = [sum(each == phase for each, _ in seen) for phase in Phase]
        assert by_phase[STEP] == 2000 - start
