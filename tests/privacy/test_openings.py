"""What travels is uniform, whatever the secrets are.

Every byte of every masked word that a party receives is tested with a chi-square test for each of
its two hexadecimal digits (16 cells, 15 degrees of freedom), over RUNS runs with the same inputs
and fresh seeds, and all bytes of a party together (256 cells). The bound for T statistics is that
of Laurent and Massart (2000), P(χ²_d ≥ d + 2√(dx) + 2x) ≤ e^−x with x = ln(T / FALSE_ALARM): the
false alarms of one test function together have probability below FALSE_ALARM, those of the whole
file below 1e-6. A bit that is set in fewer than one run of six, or in more than five, is found; in
an opening without its mask most bits never change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from halves import halves
from oracle import job_of

from party.jobs.seed import Seed
from party.jobs.xor import Xor
from protocol import simulate as simulation
from protocol.cost import LAN, Network
from protocol.dealing import Deal
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.ops import concatenate, polynomial, relu, sigmoid
from protocol.plan import Plan, make_plan
from protocol.prg import fresh_seed
from protocol.simulate import Simulation, simulate
from protocol.tracing import trace

FALSE_ALARM = 1e-8  # of each test function; there are fewer than 100
RUNS = 240  # 15 to a cell


@dataclass
class Recorder:
    """All messages of many runs, by sender: [run][round] → words."""

    runs: list[list[list[np.ndarray]]] = field(default_factory=list)
    results: list[Simulation] = field(default_factory=list)

    def run(
        self,
        job: Job,
        arrays: dict[str, Any],
        iterations: int,
        learners=(0, 1),
        guard: bool = True,
        shares=({}, {}),
        network=LAN,
    ) -> None:
        seen: list[list[np.ndarray]] = [[], []]
        self.runs.append(seen)

        def observe(sender: int, words: np.ndarray) -> None:
            seen[sender].append(words)

        self.results.append(
            simulate(job, arrays, iterations, learners, observe, guard, True, shares, network)
        )

    @property
    def plan(self) -> Plan:
        return self.results[0].plan

    @property
    def shape(self) -> list[list[list[int]]]:
        return [[[len(words) for words in sent] for sent in run] for run in self.runs]

    def masked(self, sender: int) -> np.ndarray:
        """(runs, words) of everything masked that `sender` sent, in order."""
        layout = masked_words(self.plan)
        rows = [
            np.concatenate([m[: layout[n]] for n, m in enumerate(run[sender])]) for run in self.runs
        ]
        return np.stack(rows)


def masked_words(plan: Plan) -> list[int]:
    """Words of masked openings in each message: reveals stand behind them, in the last messages."""
    found = []
    for phase in Phase:
        rounds = [stage.openings for stage in plan.lowering.phases[phase].stages if stage.openings]
        for openings in rounds:
            kinds = [o.mask is None for o in openings]
            assert kinds == sorted(kinds), "a reveal stands before a masked opening"
        words = [sum(o.field.words for o in openings if o.mask is not None) for openings in rounds]
        found += words * plan.dealing.count(phase)
    return found


def digits(words: np.ndarray) -> np.ndarray:
    """(samples, positions) of words → (samples, 16·positions) of hexadecimal digits."""
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1)
    return np.concatenate([octets & 15, octets >> 4], axis=1)


def uniform(samples: np.ndarray, cells: int, false_alarm: float) -> None:
    """Each column is uniform over `cells` values; all together raise a false alarm with this
    probability."""
    expected = len(samples) / cells
    assert expected >= 15
    counts = np.stack([(samples == value).sum(axis=0) for value in range(cells)])
    statistics = ((counts - expected) ** 2 / expected).sum(axis=0)
    x = math.log(statistics.size / false_alarm)
    limit = (cells - 1) + 2 * math.sqrt((cells - 1) * x) + 2 * x
    worst = int(statistics.argmax())
    assert statistics[worst] <= limit, (
        f"position {worst}: χ² {statistics[worst]:.0f}, limit {limit:.0f}"
    )


def fresh(words: np.ndarray) -> None:
    """No masked word ever comes twice, in any run. False alarm: n²/2^65 < 3e-8 for n < 900,000
    words."""
    assert words.size < 900_000
    assert len(np.unique(words)) == words.size


@pytest.fixture(scope="module", autouse=True)
def planned_once() -> Iterator[None]:
    """Hundreds of runs of one job: its plan is made, and read by the dealer, once; everything else
    is fresh."""
    plans: dict[Any, list[Plan]] = {}
    planned = simulation.make_plans

    def known(traced: Any, learners: tuple[int, ...], guard: bool) -> list[Plan]:
        job, shapes, iterations, network = traced
        key = (job, tuple(shapes.items()), iterations, network, learners, guard)
        if key not in plans:
            plans[key] = planned(trace(job, shapes, iterations, network), learners, guard)
        return plans[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "trace", lambda *told: told)
        patch.setattr(simulation, "make_plans", known)
        patch.setattr(simulation, "pack", lambda dealing: dealing)
        patch.setattr(simulation, "unpack", lambda dealing: dealing)
        yield


def defaults(job: Job) -> dict[str, np.ndarray]:
    return {name: np.asarray(each.default, np.float64) for name, each in job.inputs.items()}


def extreme(job: Job) -> dict[str, np.ndarray]:
    """Everything at the upper end of its range, but for weights at zero."""
    return {
        name: np.full(np.shape(each.default), 0.0 if each.owner == "alice" else each.high)
        for name, each in job.inputs.items()
    }


@pytest.fixture(scope="module", params=[Seed, Xor], ids=["seed", "xor"])
def recorded(request) -> dict[str, Recorder]:
    """RUNS runs with each of two very different inputs."""
    job = request.param()
    found = {"default": Recorder(), "extreme": Recorder()}
    for name, arrays in (("default", defaults(job)), ("extreme", extreme(job))):
        for _ in range(RUNS):
            found[name].run(job, arrays, 1)
    return found


@pytest.mark.parametrize("inputs", ["default", "extreme"])
@pytest.mark.parametrize("sender", [0, 1], ids=["alice", "bob"])
def test_every_opening_is_uniform(recorded, inputs, sender):
    words = recorded[inputs].masked(sender)
    uniform(digits(words), 16, FALSE_ALARM / 2)
    # and whole bytes, all positions together
    uniform(words.view(np.uint8).reshape(-1, 1), 256, FALSE_ALARM / 2)


@pytest.mark.parametrize("inputs", ["default", "extreme"])
def test_no_opened_word_comes_twice(recorded, inputs):
    fresh(np.concatenate([recorded[inputs].masked(sender).reshape(-1) for sender in (0, 1)]))


def test_the_shape_of_the_traffic_does_not_depend_on_the_secrets(recorded):
    shapes = recorded["default"].shape + recorded["extreme"].shape
    assert all(shape == shapes[0] for shape in shapes)
    assert shapes[0][0] == shapes[0][1]  # nor on the party


def test_openings_of_different_secrets_are_alike(recorded):
    """Two-sample chi-square: neither input can be told from the other by any digit of any
    opening."""
    for sender in (0, 1):
        a, b = (digits(recorded[name].masked(sender)) for name in ("default", "extreme"))
        counts = [np.stack([(each == value).sum(axis=0) for value in range(16)]) for each in (a, b)]
        statistics = ((counts[0] - counts[1]) ** 2 / np.maximum(counts[0] + counts[1], 1)).sum(
            axis=0
        )
        x = math.log(2 * statistics.size / FALSE_ALARM)
        assert statistics.max() <= 15 + 2 * math.sqrt(15 * x) + 2 * x


@pytest.mark.parametrize("make", [Seed, Xor], ids=["seed", "xor"])
def test_corrections_for_bob_are_uniform_and_never_repeat(make):
    job = make()
    shapes = {name: each.shape for name, each in defaults(job).items()}
    dealing = make_plan(trace(job, shapes, 512), 0, (0, 1)).dealing
    deal = Deal(dealing, fresh_seed(), fresh_seed())
    rows = deal.corrections(Phase.STEP, 0, 512)
    uniform(digits(rows), 16, FALSE_ALARM)
    fresh(rows[:250])
    again = Deal(dealing, fresh_seed(), fresh_seed()).corrections(Phase.STEP, 0, 8)
    assert not np.any(again == rows[:8])


# ---- every operation -----------------------------------------------------------------------------

COPIES = 16  # of each tensor, along the first axis: as many samples of every position in one run
OPERATIONS: dict[str, Callable[..., Any]] = {
    "multiply": lambda x, y: x * y,
    "matmul": lambda x, y: x @ y.transpose(0, 2, 1),
    "truncate": lambda x, y: (x * 0.3) * (y * 0.7) + x,
    "polynomial": lambda x, y: polynomial(x, (0.5, -1.0, 0.25, 0.125), limit=2.0) + y,
    "sigmoid": lambda x, y: sigmoid(x) - y,
    "chain": lambda x, y: x * y * x * y * x,
    "views": lambda x, y: x[:, :, ::-1].reshape(COPIES, 4, 1) @ y[:, :1],
    "concatenate": lambda x, y: concatenate([x, y], axis=1) * concatenate([y, x], axis=1),
    "sums": lambda x, y: x.sum(axis=1, keepdims=True) * y.mean(axis=2, keepdims=True),
    "linear": lambda x, y: x - y + 1.0,
}
SMALL = np.zeros((2, 2)), np.full((2, 2), 2.0**-16)
LARGE = np.array([[-2.0, 2.0], [1.5, -2.0]]), np.array([[2.0, -2.0], [-2.0, 1.99]])


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_openings_of_each_operation(name):
    shapes = []
    for inputs in (SMALL, LARGE):
        arrays = {f"x{n}": np.broadcast_to(each, (COPIES, 2, 2)) for n, each in enumerate(inputs)}
        job, record = job_of(OPERATIONS[name], arrays, limit=2.0), Recorder()
        for _ in range(RUNS // COPIES):
            record.run(job, arrays, 0)
        shapes += record.shape
        openings = [
            o.field.words
            for phase in Phase
            for stage in record.plan.lowering.phases[phase].stages
            for o in stage.openings
            if o.mask is not None
        ]
        assert bool(openings) == (name != "linear")
        for sender in (0, 1) if openings else ():
            words = record.masked(sender)
            parts = np.split(words, np.cumsum(openings)[:-1], axis=1)
            columns = [part.reshape(RUNS, part.shape[1] // COPIES) for part in parts]
            uniform(digits(np.concatenate(columns, axis=1)), 16, FALSE_ALARM / 4)
            fresh(words)
    assert all(shape == shapes[0] for shape in shapes)


COUNT = 512  # elements whose bits fill whole words, so that every hexadecimal digit is of mask bits


@pytest.mark.parametrize("dealer", [0.0, 2e5], ids=["two rounds", "three rounds"])
def test_the_digits_of_comparisons_that_join_in_numbers(dealer):
    """Every bit that is opened is uniform, whether all numbers are at the limit, a unit below it,
    or as large as may be."""
    network = Network(rtt=1.0, dealer_bandwidth=dealer)
    for value in (0.0, -(2.0**-16), 3.99):
        arrays = {"x0": np.full((COUNT,), value)}
        job, record = job_of(relu, arrays, limit=4.0), Recorder()
        for _ in range(RUNS // 8):
            record.run(job, arrays, 0, network=network)
        kinds = [
            spec.kind for code in record.plan.lowering.phases.values() for spec in code.correlations
        ]
        # one of them reveals
        assert kinds.count("totals") == 2 and record.plan.rounds == (4 if dealer else 3)
        for sender in (0, 1):
            # behind the numbers
            planes = record.masked(sender)[:, COUNT:].reshape(len(record.runs), COUNT // 64, -1)
            uniform(digits(planes.reshape(RUNS, planes.shape[2])), 16, FALSE_ALARM / 6)
            fresh(planes)


def test_the_test_finds_an_opening_without_a_mask_and_a_mask_used_twice():
    plain = np.full((RUNS, 3), 12345, np.uint64) + np.arange(RUNS, dtype=np.uint64)[:, None]
    with pytest.raises(AssertionError, match="χ²"):
        uniform(digits(plain), 16, FALSE_ALARM)
    with pytest.raises(AssertionError):
        fresh(np.arange(10, dtype=np.uint64) // 2)


# ---- the end: who learns what --------------------------------------------------------------------


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
