"""The one oracle: run a function of secret tensors through both parties and the dealer, and compare
with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from protocol.cost import LAN
from protocol.jobs import Input, Job
from protocol.simulate import Simulation, simulate

F = 16
ULP = 2.0**-F


def job_of(function: Callable[..., Any], arrays: dict[str, np.ndarray], **attributes: Any) -> Job:
    """A job that reveals function(**inputs) in its finish; inputs alternate between Alice and
    Bob."""

    def finish(self: Job, v: Any) -> None:
        outputs = function(*(getattr(v, name) for name in arrays))
        v.reveal(**(outputs if isinstance(outputs, dict) else {"out": outputs}))

    limit = attributes.pop("limit", 1024.0)
    inputs = {
        name: _brought(("alice", "bob")[n % 2], array.shape, limit)
        for n, (name, array) in enumerate(arrays.items())
    }
    body = {"fraction_bits": F, "step": lambda self, v: None, "finish": finish} | attributes
    return type("Oracle", (Job,), inputs | body)()


def _brought(owner: str, shape: tuple[int, ...], limit: float) -> Input:
    """A tensor in [−limit, limit]; without a limit it may be anything, as what is carried may,
    which nobody can declare."""
    found = Input(owner, shape, -min(limit, 1e9), min(limit, 1e9))
    object.__setattr__(found, "low", -limit)
    object.__setattr__(found, "high", limit)
    return found


def secure(function: Callable[..., Any], *arrays: Any, **attributes: Any) -> Simulation:
    """Run it once, without a guard; the simulation, whose results are equal for both parties."""
    named = {f"x{n}": np.asarray(array, np.float64) for n, array in enumerate(arrays)}
    network = attributes.pop("network", LAN)
    job = job_of(function, named, **attributes)
    run = simulate(job, named, 0, guard=False, accept_out_of_range=True, network=network)
    for name, value in run.results[0].items():
        assert np.array_equal(value, run.results[1][name])
    assert run.rounds == run.plan.rounds
    assert run.bytes_sent == [run.plan.bytes_sent(0), run.plan.bytes_sent(1)]
    assert run.dealt_bytes == run.plan.dealt_bytes
    return run


def check(
    function: Callable[..., Any], *arrays: Any, bound: float, clear: Any = None, **attributes: Any
) -> Simulation:
    """Assert |secure − clear| ≤ bound everywhere; `clear` defaults to the same function on NumPy
    arrays."""
    run = secure(function, *arrays, **attributes)
    expected = function(*(np.asarray(a, np.float64) for a in arrays)) if clear is None else clear
    got = run.results[0]["out"]
    assert got.shape == np.shape(expected)
    error = float(np.abs(got - expected).max(initial=0.0))
    assert error <= bound, f"off by {error / ULP:.2f} ulp, promised {bound / ULP:.2f}"
    return run


def numbers(shape: tuple[int, ...], seed: int = 0, peak: float = 8.0) -> np.ndarray:
    """Multiples of 2^-F in [−peak, peak], so that encoding is exact."""
    return np.rint(np.random.default_rng(seed).uniform(-peak, peak, shape) / ULP) * ULP
