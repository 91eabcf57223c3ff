"""The price of a program over a network, by hand, and what a party is told of it."""

from __future__ import annotations

from argparse import Namespace

import pytest

from party.command_settings import PlanSettings, RunSettings
from party.planned import network
from protocol.config import resolve
from protocol.cost import (
    LAN,
    LOOPBACK,
    Network,
    Pace,
    PhaseCost,
    dealing_seconds,
    online_seconds,
    run_seconds,
)

COST = PhaseCost(4, (1000, 3000), 50_000, tensors=7)
PACE = Pace(round=1e-3, wake=1e-2, tensor=1e-4, sent=1e-6, held=1e-8, dealt=1e-7)


def test_a_round_costs_half_a_round_trip_its_bytes_and_what_the_processes_need():
    local = 4 * 1e-3 + 7 * 1e-4 + 3000 * 1e-6 + 50_000 * 1e-8
    assert online_seconds(COST, LOOPBACK, PACE) == pytest.approx(local)
    far = Network(rtt=0.040, bandwidth=1e6)
    crossing = 8 * (2000 + 4 * 34) / 1e6
    assert online_seconds(COST, far, PACE) == pytest.approx(local + 4 * (0.020 + 1e-2) + crossing)


def test_the_dealer_is_as_slow_as_its_work_or_its_link():
    assert dealing_seconds(50_000, LOOPBACK, PACE) == pytest.approx(5e-3)
    assert dealing_seconds(50_000, Network(dealer_bandwidth=1e6), PACE) == pytest.approx(0.4)


def test_a_run_takes_the_slower_of_rounds_and_stream_in_each_phase():
    slow = Network(0.040, 0.0, 1e3)
    for link, each in ((LAN, online_seconds(COST, LAN)), (slow, dealing_seconds(COST.dealt, slow))):
        assert run_seconds([(COST, 10), (PhaseCost(0, (0, 0), 0), 5)], link) == pytest.approx(
            10 * each
        )


@pytest.mark.parametrize("kind", [RunSettings, PlanSettings])
def test_a_party_says_what_is_planned_for_and_the_rest_is_a_local_network(kind):
    def told(**given):
        found = resolve(kind, Namespace(**given), environment={})
        return network(found.rtt, found.bandwidth, found.dealer_bandwidth)

    assert told() == LAN
    found = told(rtt="40ms", dealer_bandwidth="none")
    assert found == Network(0.040, 1e9, 0.0)
    assert str(found) == "rtt=40ms,bandwidth=1000mbit,dealer-bandwidth=none"
