"""What stays shared at the end of a run is what a later one begins with: exactly, in any ring, and
revealed to nobody."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.errors import DataError, JobError
from protocol.jobs import Input, Job, Parameter
from protocol.nn import MSE, SGD, CrossEntropy, Dense, Dropout, ReLU, Sequential, Training, accuracy
from protocol.ops.stored import Stored
from protocol.plan import make_plan
from protocol.ring import ring
from protocol.simulate import Simulation, simulate
from protocol.tracing import trace


def values(run: Simulation) -> dict[str, np.ndarray]:
    """What is kept, put together."""
    found = {}
    for name, stored in run.plan.kept.items():
        arithmetic = ring(stored.limbs)
        whole = arithmetic.add(run.kept[0][name], run.kept[1][name])
        found[name] = (
            arithmetic.decode(whole, stored.bits).astype(np.float64) * 2.0**-stored.scale_in
        )
    return found


class Regression(Training):
    x = Input("bob", (24, 3), -1, 1)
    y = Input("bob", (24, 2), -4, 4)
    model = Sequential(Dense(3, 4), ReLU(), Dense(4, 2))
    loss = MSE()
    optimiser = SGD(lr=0.1, momentum=0.9)
    batch, epochs, shuffle = 24, 3, False


def brought(job: Job, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        name: random.uniform(max(each.low, -0.5), min(each.high, 0.5), each.shape)
        for name, each in job.inputs.items()
    }


def kept(job: Job) -> Job:
    job.kept = job.keep
    return job


def test_a_training_that_goes_on_equals_one_that_was_not_interrupted():
    """Momentum is kept too, so three epochs and three more are six."""
    first = kept(Regression())
    inputs = brought(first)
    run = simulate(first, inputs)
    assert sorted(run.plan.kept) == sorted(
        name + state
        for name in ("model.0.weight", "model.0.bias", "model.2.weight", "model.2.bias")
        for state in ("", ".momentum")
    )
    second = kept(Regression())
    second.weights = "both"
    second.begin_with(run.plan.kept.values())
    assert sorted(second.inputs) == ["x", "y"]
    again = simulate(second, {"x": inputs["x"], "y": inputs["y"]}, shares=run.kept)
    whole = Regression()
    whole.epochs = 6
    twin = trace(whole, {name: array.shape for name, array in inputs.items()}).graph.run_clear(
        inputs, 6
    )
    for name, array in twin.items():
        assert np.abs(again.results[0][name] - array).max() < 1e-4
        assert np.abs(values(again)[name] - array).max() < 1e-4


def test_schedules_orders_and_dropout_count_on_from_the_steps_before():
    class Whole(Training):
        x = Input("bob", (20, 4), 0, 1)
        y = Input("bob", (20, 1), -4, 4)
        model = Sequential(Dense(4, 6), Dropout(0.5), Dense(6, 1), owner="alice")
        loss = MSE()
        optimiser = SGD(lr=lambda step: 0.1 / (1 + step), momentum=0.5)
        batch, epochs = 6, 4  # three steps an epoch, whose last rows belong to the next

    class Half(Whole):
        epochs, weights = 2, "both"

    first = kept(Half())
    inputs = brought(first)
    run = simulate(first, inputs)
    second = Half()
    second.begin_with(run.plan.kept.values(), run.steps)
    again = simulate(second, {name: inputs[name] for name in "xy"}, shares=run.kept)
    twin = trace(Whole(), {name: array.shape for name, array in inputs.items()}).graph.run_clear(
        inputs, 12
    )
    for name, array in twin.items():
        assert np.abs(again.results[0][name] - array).max() < 1e-4


def test_nothing_is_sent_for_what_is_kept_and_nobody_learns_it():
    class Plainly(Regression):
        optimiser = SGD(lr=0.1)
        weights = "alice"

    plain, keeping = Plainly(), kept(Plainly())
    inputs = brought(plain)
    before, after = simulate(plain, inputs), simulate(keeping, inputs)
    assert after.rounds == before.rounds
    assert after.bytes_sent == before.bytes_sent
    assert before.results[0].keys() == after.results[0].keys()
    assert not after.results[1]
    assert not any("share of" in line for line in after.plan.reveals)
    assert after.plan.digest != before.plan.digest


def test_a_training_that_keeps_its_model_need_not_reveal_anything():
    job = Regression()
    job.weights = "none"
    with pytest.raises(JobError, match="or keep the model"):
        simulate(job, brought(job))
    run = simulate(kept(job), brought(job))
    assert run.results == [{}, {}]
    assert "model.0.weight" in values(run)


class Product(Job):
    """Whose w is used as it is, or in a wide ring."""

    keep = ("w",)
    fraction_bits = 16
    integer_bits = 20
    wide = Parameter(False)
    w = Input("alice", ("n",), -1000, 1000)

    def step(self, v):
        v.w = v.w * 0.5 + 1

    def finish(self, v):
        out = v.w
        for _ in range(3 if self.wide else 1):
            out = out * v.w
        v.reveal(out=out)


@pytest.mark.parametrize("f", [12, 16, 20])
@pytest.mark.parametrize(("low", "high"), [(-1000.0, 1000.0), (-3.0, 3.0)])
@pytest.mark.parametrize("bits", [40, 63, 64, 70, 127, 128])
def test_it_is_read_exactly_in_any_ring(bits, low, high, f):
    """Shares modulo 2^bits, whatever a later job needs; entries at both ends of the range and at
    zero."""

    class Reads(Job):
        fraction_bits = f
        integer_bits = 20
        w = Input("alice", (40,), low, high)
        x = Input("bob", (40, 40), -1, 1)

        def finish(self, v):
            v.reveal(same=v.w, product=v.x @ v.w, square=v.w * v.w)

        def step(self, v):
            pass

    job, random = Reads(), np.random.default_rng(bits)
    x = np.eye(40)
    w = np.rint(random.uniform(low, high, 40) * 2.0**14) / 2.0**14
    w[:5] = low, high, 0.0, 2.0**-14, -(2.0**-14)
    job.begin_with([Stored("w", (40,), 14, bits, low, high)])
    arithmetic = ring(1 if bits <= 64 else 2)
    whole = arithmetic.encode(np.rint(w * 2.0**14).astype(np.int64))
    mine = random.integers(0, 1 << 64, whole.shape, np.uint64)
    shares = [
        {"w": arithmetic.low_bits(each, bits)} for each in (mine, arithmetic.sub(whole, mine))
    ]
    run = simulate(job, {"x": x}, 0, shares=shares)
    grain = 2.0 ** -min(f, 14)
    assert np.abs(run.results[0]["same"] - w).max() <= (0.0 if f >= 14 else grain)
    assert np.abs(run.results[0]["product"] - w).max() <= 2 * grain
    assert np.abs(run.results[1]["square"] - w * w).max() <= 2 * grain * (1 + 2 * high)


def test_what_does_not_fit_the_job_is_refused():
    job = Product()
    with pytest.raises(DataError, match="has shape"):
        job.begin_with([Stored("w", (3, 1), 16, 64, -1, 1)])
    with pytest.raises(DataError, match=r"was kept in \[-2000, 1\]"):
        job.begin_with([Stored("w", (3,), 16, 64, -2000, 1)])
    job.kept = ("v*",)
    with pytest.raises(JobError, match="no variable 'v\\*'; it has: w"):
        simulate(job, {"w": np.ones(3)})


def test_setup_does_not_overwrite_what_an_earlier_run_has_left():
    class Begins(Product):
        def setup(self, v):
            v.m = v.zeros((3,))

    job = Begins()
    job.begin_with([Stored("m", (3,), 16, 64, -1, 1)])
    with pytest.raises(JobError, match="begin it only if 'm' not in v"):
        trace(job, {"w": (3,)})


def test_both_parties_are_told_of_another_scale_or_range():
    digests = set()
    for stored in (
        Stored("w", (3,), 16, 64, -1, 1),
        Stored("w", (3,), 17, 64, -1, 1),
        Stored("w", (3,), 16, 63, -1, 1),
        Stored("w", (3,), 16, 64, -1, 2),
        Stored("w", (3,), 16, 64, -1, 1, proven=False),
    ):
        job = Product()
        job.begin_with([stored])
        digests |= {make_plan(trace(job, {}), party, (0, 1)).digest for party in (0, 1)}
    assert len(digests) == 5


def test_a_range_that_nobody_made_sure_of_is_guarded():
    """A run without a guard may have left the range; the next one then looks."""
    job = kept(Product())
    run = simulate(job, {"w": np.ones(3)}, 1, guard=False)
    assert not run.plan.kept["w"].proven
    for stored, guards in ((run.plan.kept["w"], 1), (Stored("w", (3,), 16, 64, -1000, 1000), 0)):
        job = Product()
        job.begin_with([stored])
        plan = make_plan(trace(job, {}, 0), 0, (0, 1))
        assert (
            sum("kept tensor" in guard.what for each in plan.guards.values() for guard in each)
            == guards
        )


def test_classification_goes_on_with_minibatches():
    class Classes(Training):
        x = Input("bob", (32, 4), 0, 1)
        y = Input("bob", (32, 3), 0, 1)
        model = Sequential(Dense(4, 3), owner="alice")
        loss = CrossEntropy(limit=24)
        batch, held_out = 4, 0.25
        metrics = {"accuracy": accuracy}

    job = kept(Classes())
    inputs = brought(job) | {"y": np.eye(3)[np.arange(32) % 3]}
    run = simulate(job, inputs)
    job = Classes()
    job.begin_with(run.plan.kept.values())
    again = simulate(job, {name: inputs[name] for name in "xy"}, shares=run.kept)
    twin = trace(job, {name: inputs[name].shape for name in "xy"}).graph.run_clear(
        inputs | values(run), 6
    )
    for name, array in twin.items():
        assert np.abs(again.results[0][name] - array).max() < 1e-4


@pytest.mark.parametrize(
    ("shared", "weights", "told"),
    [(False, "auto", "alice and bob"), (True, "auto", ""), (True, "bob", "bob")],
)
def test_weights_of_a_model_that_stays_shared_are_revealed_to_whom_is_named(shared, weights, told):
    """And those of any other to both, unless somebody is named."""
    job = kept(Regression()) if shared else Regression()
    job.weights = weights
    plan = make_plan(trace(job, {name: each.shape for name, each in job.inputs.items()}), 0, (0, 1))
    lines = [line for line in plan.reveals if line.startswith("model.0.weight")]
    assert [line.partition(":")[0] for line in lines] == (
        [f"model.0.weight (4, 3) to {told}"] if told else []
    )
    if shared:
        assert ("revealed as well: model.0.bias, model.0.weight" in plan.keeps) == bool(told)
        assert ("revealed to nobody" in plan.keeps) == (not told)
