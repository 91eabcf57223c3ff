"""Every graph has a plan: where the solver truncates, what it widens, and that the results are
right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from work import calls

from protocol.graph import Phase
from protocol.jobs import Input, Job
from protocol.nn import AdamW, CrossEntropy, Dense, ReLU, Sequential, Training
from protocol.nodes import Carry
from protocol.ops import maximum, products, relu, sigmoid
from protocol.ops.truncation import Rescale
from protocol.plan import make_plan
from protocol.simulate import simulate
from protocol.solver import size
from protocol.tracing import trace

RNG = np.random.default_rng(5)
SHAPES = {"x": (100,), "w": (100,)}


def grid(*shape: int, peak: float = 1.0) -> np.ndarray:
    """Numbers of 20 fraction bits, which are encoded without an error."""
    return np.rint(RNG.uniform(-peak, peak, shape) * 2**20) / 2**20


def job_of(inputs, step=None, finish=None, **attributes) -> Job:
    """A job on tensors within ±1, by turns alice's and bob's."""
    body = {
        name: Input(("alice", "bob")[n % 2], each.shape, -1, 1)
        for n, (name, each) in enumerate(inputs.items())
    }
    body |= {"fraction_bits": 20}
    return type(
        "Made",
        (Job,),
        body | {"step": step or (lambda self, v: None), "finish": finish} | attributes,
    )()


def agrees(job: Job, inputs, iterations: int = 0, within: float = 2e-5):
    run = simulate(job, inputs, iterations)
    twin = run.plan.traced.graph.run_clear(inputs, iterations)
    for name, expected in twin.items():
        assert np.abs(run.results[0][name] - expected).max() <= within, name
    return run


@pytest.mark.parametrize("size", [100, 5000])
@pytest.mark.parametrize("count", [3, 4, 10, 40])
def test_a_chain_of_products_with_public_numbers(count, size):
    def finish(self, v):
        y = v.x
        for _ in range(count):
            y = y * 0.9 + y * v.x * 0.01
        v.reveal(out=y)

    inputs = {"x": grid(size)}
    run = agrees(job_of(inputs, finish=finish), inputs)
    assert run.plan.costs[Phase.FINISH].rounds <= 2 * count


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_layers_as_wide_as_anybody_has_them(depth):
    def finish(self, v):
        x = v.x
        for n in range(depth):
            x = relu(x @ getattr(v, f"w{n}"))
        v.reveal(out=x)

    inputs = {"x": grid(128, 100)} | {f"w{n}": grid(100, 100, peak=0.2) for n in range(depth)}
    agrees(job_of(inputs, finish=finish), inputs)


@pytest.mark.parametrize("rows", [4096, 4097, 20_000])
def test_the_number_of_rows_decides_what_a_job_costs_and_not_whether_it_runs(rows):
    def step(self, v):
        x, y = v.x.minibatch(128), v.y.minibatch(128)
        v.w = v.w - (0.5 / 128) * (x.T @ (sigmoid(x @ v.w, "fourier") - y))

    inputs = {"x": grid(rows, 30), "y": np.abs(grid(rows, 1)), "w": np.zeros((30, 1))}
    run = agrees(job_of(inputs, step, lambda self, v: v.reveal(w=v.w)), inputs, 5)
    assert run.plan.costs[Phase.STEP].rounds == 3


def network(widths: tuple[int, ...], rate: float, momentum: float, batch: int = 32):
    """Dense layers, ReLU between, squared error, gradient descent with momentum, as anybody writes
    it."""
    count = len(widths) - 1
    inputs = {
        "x": np.abs(grid(128, widths[0])),
        "y": np.eye(widths[-1])[RNG.integers(0, widths[-1], 128)],
    }
    inputs |= {
        f"w{n}": RNG.normal(size=widths[n : n + 2]) / np.sqrt(widths[n]) / 4 for n in range(count)
    }
    inputs |= {f"m{n}": np.zeros(widths[n : n + 2]) for n in range(count)}

    def step(self, v):
        xs, zs = [v.x.minibatch(batch)], []
        for n in range(count):
            zs.append(xs[-1] @ getattr(v, f"w{n}"))
            xs.append(relu(zs[-1]) if n < count - 1 else zs[-1])
        d = xs[-1] - v.y.minibatch(batch)
        for n in reversed(range(count)):
            gradient = xs[n].T @ d
            if n:
                d = (zs[n - 1] >= 0) * (d @ getattr(v, f"w{n}").T)
            change = (
                momentum * getattr(v, f"m{n}") - (rate / batch) * gradient
                if momentum
                else -(rate / batch) * gradient
            )
            if momentum:
                setattr(v, f"m{n}", change)
            setattr(v, f"w{n}", getattr(v, f"w{n}") + change)

    return job_of(
        inputs,
        step,
        lambda self, v: v.reveal(**{f"w{n}": getattr(v, f"w{n}") for n in range(count)}),
    ), inputs


@pytest.mark.parametrize(
    ("widths", "momentum", "rounds"),
    [
        ((64, 32, 10), 0.0, 11),
        ((64, 32, 32, 10), 0.0, 18),
        ((64, 32, 10), 0.9, 11),
        ((100, 70, 70, 10), 0.9, 18),
    ],
)
def test_networks_at_the_default_fraction_bits(widths, momentum, rounds):
    job, inputs = network(widths, 0.1, momentum)
    # a rectifier that a rounding turns over counts as a row does
    run = agrees(job, inputs, 4, within=2e-3)
    assert run.plan.costs[Phase.STEP].rounds <= rounds
    sizes = run.plan.lowering.sizes
    read = [
        node
        for node in sizes.graph.nodes
        if isinstance(node.op, Rescale) and isinstance(node.inputs[0].op, Carry)
    ]
    finer = {
        sizes.operand_scale(node)
        for node in read
        if node.phase == Phase.STEP and len(node.shape) == 2
    }
    # what adds up in a product is not the last bits of weights
    assert all(scale > 20 for scale in finer)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_small_network_has_a_plan(data):
    """Rate, momentum, fraction bits and widths together, since each alone is not what broke solvers
    before."""
    widths = tuple(data.draw(st.lists(st.integers(2, 90), min_size=2, max_size=5)))
    job, inputs = network(
        widths, data.draw(st.sampled_from([0.1, 0.5, 1e-3])), data.draw(st.sampled_from([0.0, 0.9]))
    )
    type(job).fraction_bits = data.draw(st.integers(8, 30))
    make_plan(trace(job, {name: each.shape for name, each in inputs.items()}, 1), 0, (0, 1))


def test_what_is_remembered_of_products_is_what_would_be_found_again(monkeypatch):
    """Between two passes the scales change, and with them which leaves are shifted."""
    body = {
        "x": Input("bob", (16, 4), -4, 4),
        "y": Input("bob", (16, 2), 0, 1),
        "model": Sequential(Dense(4, 3), ReLU(), Dense(3, 2)),
        "loss": CrossEntropy(),
        "optimiser": AdamW(lr=0.01),
        "batch": 8,
    }
    job = type("Network", (Training,), body)()
    found = trace(job, {name: each.shape for name, each in job.inputs.items()}, 2)
    sizes, again = size(found.graph, found.numerics, Rescale), 0

    def expanded(sizes, root):
        nonlocal again
        again += root in sizes.expansions
        remembered = expand(sizes, root)
        leaves = []
        assert remembered == (products._expand(sizes, root, leaves), leaves)
        return remembered

    expand = products._expanded
    monkeypatch.setattr(products, "_expanded", expanded)
    checked = size(found.graph.truncated({})[0], found.numerics, Rescale)  # not sized before
    assert again > 100
    assert [*sizes.scales.values()] == [*checked.scales.values()]
    assert [*sizes.needs.values()] == [*checked.needs.values()]


# ── a truncation that later ones made superfluous is none ─────────────────────────────────────────


REVEALS = {
    "a part and the whole": lambda p: {"first": p[0], "all": p},
    "both signs": lambda p: {"a": 1 - p, "b": p, "c": -p},
    "twice the value": lambda p: {"a": p + p, "b": p},
    "a total": lambda p: {"a": p.sum(), "b": p},
    "four times, first": lambda p: {"a": p * 4, "b": p},
    "four times, last": lambda p: {"b": p, "a": p * 4},
    "a maximum": lambda p: {"a": maximum(p, 0.1) * 4, "b": maximum(p, 0.1)},
}


@pytest.mark.parametrize("reveals", REVEALS.values(), ids=REVEALS)
def test_values_that_hang_on_one_another_are_revealed_together(reveals):
    inputs = {"x": grid(6, 3), "y": grid(6, 3)}
    agrees(job_of(inputs, finish=lambda self, v: v.reveal(**reveals(v.x * v.y))), inputs)


def test_variables_that_change_places():
    def step(self, v):
        v.x, v.s = v.s, v.x

    inputs = {"x": grid(2)}
    job = job_of(inputs, step, lambda self, v: v.reveal(x=v.x, s=v.s))
    type(job).setup = lambda self, v: setattr(v, "s", v.x * np.array([0.3, 0.7]))
    agrees(job, inputs, 3)


def test_truncations_grow_with_the_operations_and_not_faster():
    def finish(self, v):
        y = v.x
        for _ in range(300):
            y = y * 0.9 + v.x
        v.reveal(out=y)

    inputs = {"x": grid(100)}
    job = job_of(inputs, finish=finish)
    sizes = size(trace(job, {"x": (100,)}, 0).graph, job.numerics, Rescale)
    assert sum(isinstance(node.op, Rescale) for node in sizes.graph.nodes) <= 120


def test_a_chain_of_products_is_sized_in_proportion_to_its_length():
    def work(count: int) -> int:
        def finish(self, v):
            y = v.x
            for _ in range(count):
                y = y * v.w
            v.reveal(y=y)

        made = trace(job_of({"x": grid(100), "w": grid(100)}, finish=finish), SHAPES, 0)
        return calls(lambda: size(made.graph, made.numerics, Rescale))

    assert work(240) < 6 * work(60)  # 4 in proportion, 16 if every product is tried
