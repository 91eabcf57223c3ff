"""What everything costs, counted exactly from plans: the benchmark's workloads at small sizes, and
the budgets of the design.
"""

from __future__ import annotations

import numpy as np
import pytest

from party.bench.workloads import WORKLOADS
from party.inputs import default_tensor
from party.jobs.cnn import Cnn
from party.jobs.mlp import Mlp
from party.jobs.single import Single
from party.loading import load_job
from protocol.cost import PhaseCost
from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.kernels.digits import counts, groups, planes_dealt
from protocol.nn import MSE, SGD, AvgPool2d, Conv2d, Dense, Flatten, ReLU, Sequential, Training
from protocol.ops import avg_pool2d, conv2d, gradient, polynomial, relu
from protocol.plan import Plan, make_plan
from protocol.precision import relative_errors
from protocol.tracing import trace

N = 640  # a multiple of 64: bits travel 64 to a word


def plan_of(job: Job, iterations: int = 1) -> Plan:
    shapes = {name: default_tensor(name, declared).shape for name, declared in job.inputs.items()}
    return make_plan(trace(job, shapes, iterations), 0, (0, 1))


def step_of(job: Job) -> PhaseCost:
    return plan_of(job).costs[Phase.STEP]


def single(operation: str, size: int = N) -> PhaseCost:
    job = Single()
    job.operation, job.size = operation, size
    return step_of(job)


def costs(rounds: int, sent: float, dealt: float, n: int = N) -> PhaseCost:
    """From bytes for each element."""
    assert (sent * n).is_integer() and (dealt * n).is_integer()
    return PhaseCost(rounds, (int(sent * n), int(sent * n)), int(dealt * n))


def comparison(bits: int) -> tuple[int, float, float]:
    """Rounds, and bytes sent and dealt for each element, of one sign test on `bits` bits that are
    open already.
    """
    digits, dealt = planes_dealt(bits)
    rounds, opened = 1, 1  # the last opening
    while digits > 1:
        level = counts(groups(digits))
        digits, opened, dealt, rounds = (
            len(groups(digits)),
            opened + level[0],
            dealt + level[1],
            rounds + 1,
        )
    return rounds, opened / 8.0, dealt / 8.0


# ── the workloads ─────────────────────────────────────────────────────────────────────────────────


def test_products():
    assert single("mul") == costs(1, 16.0, 8.0)
    assert single("square") == costs(1, 8.0, 8.0)
    assert single("scale") == single("add") == costs(0, 0.0, 0.0)
    assert single("matmul", 24) == costs(1, 16.0, 8.0, 24 * 24)


@pytest.mark.parametrize(
    ("operation", "degree", "limbs"),
    [("poly9", 9, 2), ("sigmoid", 9, 2), ("sigmoid-derivative", 8, 2), ("poly16", 16, 3)],
)
def test_polynomials_deal_both_readings_of_every_power(operation, degree, limbs):
    assert single(operation) == costs(1, 8.0, 2 * degree * limbs * 8.0)


def test_a_fourier_series_deals_six_cosines_and_sines_of_two_limbs():
    assert single("sigmoid-fourier") == costs(1, 8.0, 6 * 2 * 2 * 8.0)


@pytest.mark.parametrize(
    ("operation", "harmonics"), [("softplus", 8), ("silu", 10), ("gelu", 10), ("tanh", 8)]
)
def test_activations_deal_a_cosine_and_a_sine_of_two_limbs_for_each_harmonic(operation, harmonics):
    assert single(operation) == costs(1, 8.0, harmonics * 2 * 2 * 8.0)


def test_an_exponential_deals_eight_words():
    assert single("exp") == costs(1, 8.0, 64.0)


def test_softmax_of_ten_classes_takes_five_rounds():
    """Nine joins of two, each with 16 harmonics, and an exponential in four windows of two limbs
    for each entry."""
    assert single("softmax") == costs(5, 8 * 1.9, 9 * 16 * 32 / 10 + 64)


def test_a_network_step_with_cross_entropy_takes_four_rounds_more():
    plain, found = step_of(load_job("mlp")), step_of(load_job("mlp-ce"))
    assert found.rounds == plain.rounds + 4 <= 23
    rows = 128
    assert max(found.sent) <= max(plain.sent) + 8 * 19 * rows
    assert found.dealt <= plain.dealt + 9 * 16 * 32 * rows + (64 + 8) * 10 * rows


BITS = 64  # the inputs' range fills the word


def test_comparisons_share_the_opening_of_what_is_compared():
    rounds, sent, dealt = comparison(BITS)
    assert rounds == 3
    assert single("ltz") == costs(1 + rounds, 8 + sent, dealt + 8)  # and the bit as a number
    assert single("relu") == costs(1 + rounds, 8 + sent, dealt + 16)  # and the bit times the mask
    assert single("absolute") == single("relu")


def test_the_accurate_sigmoid_is_right_everywhere_in_at_most_eight_rounds():
    found = single("sigmoid-accurate")
    assert found.rounds <= 8
    assert max(found.sent) <= 24 * N


def test_an_exchange_is_one_small_message():
    assert single("mul", 12) == costs(1, 16.0, 8.0, 12)


def test_the_seed_job():
    assert step_of(load_job("seed")) == PhaseCost(2, (128, 128), 5248)


def test_logistic_regression():
    job = load_job("logreg")
    found, batch, columns = step_of(job), 128, 100
    assert found.rounds == 3
    assert found.sent == (8 * (columns + batch + batch),) * 2  # w, x @ w, and the error
    products = 8 * (batch + columns)
    assert products < found.dealt <= products + 8 * columns + batch * (6 * 2 * 2 + 4) * 8


def test_a_convolutional_network():
    """Each tensor is opened once, at its own size: weights, what the dense layer takes and
    gives, and gradients."""
    found, pictures = step_of(load_job("cnn")), 64
    weights, hidden, out = 8 * 25 + 288 * 10, pictures * 288, pictures * 10
    _, opened, _ = comparison(37)  # z at scale 28, |z| ≤ 52: 34 bits, the sign, and two spare
    assert found.rounds == 10
    assert found.sent == (8 * (weights + 4 * hidden + 2 * out + 10) + int(opened * hidden),) * 2


def test_a_reciprocal_shares_one_opening_among_its_comparisons():
    """Of x with 4^-9 … 4^8: their bits, x times each, six waves of two limbs, a shifted mask and a
    product."""
    exponents, joins = 18, 40
    assert single("reciprocal") == costs(
        6, 4 * 8 + exponents * 21 / 8, (143 + exponents * joins) / 8 + exponents * 16 + 24 * 8 + 16
    )


def test_max_pooling_takes_a_comparison_and_a_round():
    """Of four entries, which are opened, six differences of 24 bits, and of each entry one bit
    more; a number for that, and a gate."""
    windows = 64 * 25  # of 1568, in full words
    sent = 6272 * 8 + windows * (6 * (11 + 2 + 1) + 4) // 8
    dealt = windows * (6 * (90 + 27 + 1) + 4 * 4) // 8 + (windows + 1568) * 4 * 8
    assert single("maxpool", 6272) == PhaseCost(5, (sent, sent), dealt)


@pytest.mark.parametrize(
    ("job", "cost"),
    [
        ("lenet", PhaseCost(32, (7_973_488,) * 2, 28_189_152)),
        ("digits-mlp", PhaseCost(15, (125_264,) * 2, 660_288)),
    ],
)
def test_a_step_of_a_network(job, cost):
    assert step_of(load_job(job)) == cost


def test_every_workload_can_be_planned_at_a_small_size():
    for workload in WORKLOADS.values():
        small = workload.resized(1.0, 70 if workload.job == "single" else 5)
        assert step_of(load_job(small.job, small.parameters)).rounds >= 1


# ── the budgets of the design, in bytes for each element ──────────────────────────────────────────


def widest(function, **attributes):
    """The cost of a function of vectors whose numbers fill a word at f = 20."""
    body = {
        "fraction_bits": 20,
        "integer_bits": 40,
        "x": Input("bob", (N,), -(2.0**38), 2.0**38, default=np.zeros(N)),
        "setup": lambda self, v: setattr(v, "out", function(v.x)),
        "finish": lambda self, v: v.reveal(out=v.out),
    }

    def step(self, v):
        v.x = v.x[...]
        v.out = function(v.x)

    return plan_of(type("Widest", (Job,), body | {"step": step} | attributes)()).costs[Phase.STEP]


def within_budget(cost: PhaseCost, rounds: int, sent: float, dealt: float, n: int = N) -> bool:
    return cost.rounds <= rounds and max(cost.sent) <= sent * n and cost.dealt <= dealt * n


def test_budget_of_a_product():
    assert within_budget(single("mul"), 1, 2 * 8, 8)


def test_a_truncation_whose_consumer_is_a_product_costs_no_round():
    """x · y · x: the product is opened at scale 2f and read at f; x is opened once, although it is
    used twice.
    """
    n = 1 << 14  # so many that it is not fused into one round

    def step(self, v):
        v.x, v.y = v.x[...], v.y[...]
        v.out = (v.x * v.y) * v.x

    inputs = {name: Input("bob", (n,), -4, 4, default=np.zeros(n)) for name in ("x", "y")}
    body = {
        "step": step,
        "setup": lambda self, v: setattr(v, "out", (v.x * v.y) * v.x),
        "fraction_bits": 12,
    }
    body["finish"] = lambda self, v: v.reveal(out=v.out)
    found = step_of(type("Chain", (Job,), inputs | body)())
    assert found == costs(2, 3 * 8.0, 2 * 8 + 8.0, n)  # two products, and the shifted mask


@pytest.mark.parametrize(
    ("degree", "limit", "dealt"),
    [
        (9, 4.0, 640),
        (9, 8.0, 640),
        (
            9,
            16.0,
            720,
            # a fifth limb: more than the budget's 640, for what is beyond the range it was checked
            # on
        ),
        (16, 1.0, 2048),
    ],
)
def test_budget_of_polynomials(degree, limit, dealt):
    coefficients = [1.0 / (n + 1) / limit**n for n in range(degree + 1)]
    cost = widest(
        lambda x: polynomial(x, coefficients, limit=limit),
        fraction_bits=16,
        integer_bits=16,
        x=Input("bob", (N,), -limit, limit, default=np.zeros(N)),
    )
    assert within_budget(cost, 1, 8, dealt)


def test_budget_of_a_sign():
    assert within_budget(widest(lambda x: x < 0.0), 4, 20, 110)


def test_budget_of_relu_with_truncation():
    half = Input("bob", (N,), -(2.0**9), 2.0**9, default=np.zeros(N))
    cost = widest(lambda x: relu(x), x=half, fraction_bits=20, integer_bits=16)
    assert within_budget(cost, 4, 30, 140)
    square = widest(lambda x: relu(x * x), x=half, fraction_bits=20, integer_bits=16)
    # the product, its operand and its mask besides
    assert within_budget(square, 1 + 4, 8 + 30, 8 + 8 + 140)


def test_budget_of_a_seed_iteration():
    assert step_of(load_job("seed")).rounds == 2  # of 3 in the budget


def test_a_check_of_the_guard():
    """Five rounds; of a network's values about as many bytes as a step sends."""
    assert plan_of(load_job("seed")).costs[Phase.CHECK] == PhaseCost(5, (464, 464), 2072)
    step, check = (plan_of(load_job("mlp")).costs[phase] for phase in (Phase.STEP, Phase.CHECK))
    assert (
        check.rounds == 5
        and max(check.sent) <= 1.05 * max(step.sent)
        and check.dealt <= 1.2 * step.dealt
    )


def test_budget_of_a_network_step():
    cost = step_of(load_job("mlp"))
    assert cost.rounds <= 24
    assert sum(cost.sent) <= 5_000_000
    assert cost.dealt <= 12_000_000


def test_a_network_step_opens_every_tensor_once():
    plan = plan_of(load_job("mlp"))
    opened = [
        line.split(" opens ")[1]
        for line in plan.outline
        if line.startswith("step") and " opens " in line
    ]
    tensors = [line for line in opened if not line.startswith("comparison")]
    assert len(tensors) == len(set(tensors))


# ── networks as anybody writes them, at what the plan chooses, against those tuned by hand ────────


class NaiveMlp(Job):
    x, y = Mlp.x, Mlp.y
    w0, w1, w2, b0, b1, b2 = (
        Input("alice", shape, -2, 2, default=np.zeros(shape))
        for shape in ((784, 128), (128, 128), (128, 10), (128,), (128,), (10,))
    )
    batch = Mlp.batch

    def step(self, v):
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        h = relu(relu(x @ v.w0 + v.b0) @ v.w1 + v.b1)
        names = ("w0", "w1", "w2", "b0", "b1", "b2")
        loss = ((h @ v.w2 + v.b2 - y) ** 2).mean()
        for name, g in zip(names, gradient(loss, [v[name] for name in names]), strict=True):
            v[name] -= 0.1 * g

    def finish(self, v):
        v.reveal(w0=v.w0, w1=v.w1, w2=v.w2, b0=v.b0, b1=v.b1, b2=v.b2)


class LayersMlp(Training):
    x, y = Mlp.x, Mlp.y
    model = Sequential(Dense(784, 128), ReLU(), Dense(128, 128), ReLU(), Dense(128, 10))
    loss, optimiser, batch, epochs = MSE(), SGD(lr=0.1), Mlp.batch, 1


class NaiveCnn(Job):
    x, y = Cnn.x, Cnn.y
    k, c, w, b = (
        Input("alice", shape, -2, 2, default=np.zeros(shape))
        for shape in ((8, 1, 5, 5), (8, 1, 1), (288, 10), (10,))
    )
    batch = Cnn.batch

    def step(self, v):
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        z = relu(avg_pool2d(conv2d(x, v.k, stride=2), 2) + v.c).reshape(self.batch, -1) @ v.w + v.b
        for name, g in zip(
            "kcwb", gradient(((z - y) ** 2).mean(), [v[name] for name in "kcwb"]), strict=True
        ):
            v[name] -= 0.1 * g

    def finish(self, v):
        v.reveal(k=v.k, c=v.c, w=v.w, b=v.b)


class LayersCnn(Training):
    x, y = Cnn.x, Cnn.y
    model = Sequential(Conv2d(1, 8, 5, stride=2), AvgPool2d(2), ReLU(), Flatten(), Dense(288, 10))
    loss, optimiser, batch, epochs = MSE(), SGD(lr=0.1), Cnn.batch, 1


@pytest.mark.parametrize(
    ("naive", "tuned"),
    [(NaiveMlp, "mlp"), (LayersMlp, "mlp"), (NaiveCnn, "cnn"), (LayersCnn, "cnn")],
)
def test_what_is_written_without_a_thought_of_numbers_costs_little_more(naive, tuned):
    plan, best = plan_of(naive(), 8), step_of(load_job(tuned))
    found = plan.costs[Phase.STEP]
    assert found.rounds <= 1.25 * best.rounds
    assert max(found.sent) <= 1.5 * max(best.sent)
    assert found.dealt <= 1.5 * best.dealt
    assert max(relative_errors(plan.lowering.sizes, 8).values()) <= 1e-4
    # what is guarded is not opened twice
    assert found == make_plan(plan.traced, 0, (0, 1), guard=False).costs[Phase.STEP]
