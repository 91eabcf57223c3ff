"""The end of a run, and what stays shared: who is not to learn receives nothing, and whoever is, no
more than the result."""

from __future__ import annotations

import numpy as np
import pytest
from halves import halves
from oracle import job_of
from transcripts import FALSE_ALARM, RUNS, Recorder, defaults, digits, masked_words, uniform

from party.jobs.seed import Seed
from party.jobs.xor import Xor
from protocol.graph import Phase
from protocol.jobs import Input, Job


@pytest.mark.parametrize("make", [Seed, Xor], ids=["seed", "xor"])
def test_who_is_not_to_learn_the_result_receives_no_share_of_it(make):
    job = make()
    arrays = defaults(job)
    sizes = {}
    for learners in ((0, 1), (0,), (1,), ()):
        record = Recorder()
        record.run(job, arrays, 1, learners, guard=False)
        (sent,) = record.runs
        sizes[learners] = [[len(words) for words in each] for each in sent]
        for sender in (0, 1):
            # the last round reveals
            assert (sizes[learners][sender][-1] == 0) == (1 - sender not in learners)
            assert (1 - sender in learners) == bool(record.results[0].results[1 - sender])
        if not learners:
            assert sizes[learners] == [masked_words(record.plan)] * 2
    for learners in ((0,), (1,)):
        for sender in (0, 1):
            same = (0, 1) if 1 - sender in learners else ()
            assert sizes[learners][sender] == sizes[same][sender]


def test_a_reveal_sends_the_known_bits_of_the_share_and_no_more():
    """A product whose operand was read 5 bits lower is known modulo 2^59: above, its share is noise
    that depends on more than the result."""
    arrays = {"x0": np.array([[0.5, -0.25]]), "x1": np.array([[2.0**-10, -(2.0**-9)]])}
    job = job_of(lambda x, z: (x * 2.0**-5) * (z * 2.0**16), arrays, limit=1.0)
    record = Recorder()
    for _ in range(64):
        record.run(job, arrays, 0)
    (reveal,) = [
        o
        for stage in record.plan.lowering.phases[Phase.FINISH].stages
        for o in stage.openings
        if o.mask is None
    ]
    assert reveal.bits < 64
    last = np.stack([run[sender][-1] for run in record.runs for sender in (0, 1)])
    assert last.shape == (128, 2)
    assert int(last.max()) < 1 << reveal.bits
    # and all of those: 256 samples miss the top 4 at 2^-1024
    assert int(last.max()) >= 1 << (reveal.bits - 4)
    expected = arrays["x0"] * arrays["x1"] * 2.0**11
    assert np.abs(record.results[0].results[0]["out"] - expected).max() <= 2.0**-16 * 2.0**5


@pytest.mark.parametrize("make", [Seed, Xor], ids=["seed", "xor"])
def test_every_reveal_of_every_job_is_cut_to_its_known_bits(make):
    job = make()
    record = Recorder()
    record.run(job, defaults(job), 1)
    for stage in record.plan.lowering.phases[Phase.FINISH].stages:
        for opening in stage.openings:
            assert opening.mask is not None or 0 < opening.bits <= 64 * opening.field.limbs


class Kept(Job):
    """Whose v.w alice brings, and a step computes; and v.u, which nothing is computed with."""

    keep = kept = ("w", "u")
    w = Input("alice", (6,), -4, 4)
    u = Input("alice", (6,), -4, 4)

    def step(self, v):
        v.w = v.w * v.w * 0.125

    def finish(self, v):
        v.reveal(out=v.w + v.u)


class Later(Kept):
    kept = ()
    x = Input("bob", (6, 6), -1, 1)

    def step(self, v):
        pass

    def finish(self, v):
        v.reveal(out=v.x @ (v.w * v.u))


@pytest.mark.parametrize("value", [0.0, 4.0])
def test_one_share_of_what_is_kept_is_uniform_and_so_are_its_openings(value):
    """Of either party, for values at zero and at the end of the range; and when a later run reads
    them in a wider ring."""
    shares: list[list[np.ndarray]] = [[], []]
    later, later_job, kept_job = Recorder(), Later(), Kept()
    arrays = {name: np.full(6, value) for name in "wu"}
    for _ in range(RUNS):
        pair = halves(kept_job, arrays)
        assert all(each.bits >= 48 and each.limbs == 1 for each in pair[0].tensors)
        for side, half in zip(shares, pair, strict=True):
            side.append(
                np.concatenate([half.generations[0].shares[name].reshape(-1) for name in "wu"])
            )
        later_job.begin_with(pair[0].tensors)
        later.run(
            later_job,
            {"x": np.ones((6, 6))},
            0,
            shares=[half.generations[0].shares for half in pair],
        )
    for side in shares:
        octets = np.stack(side).view(np.uint8).reshape(RUNS, -1, 8)[:, :, :6].reshape(RUNS, -1)
        uniform(np.concatenate([octets & 15, octets >> 4], axis=1), 16, FALSE_ALARM / 4)
    for sender in (0, 1):
        uniform(digits(later.masked(sender)), 16, FALSE_ALARM / 4)
