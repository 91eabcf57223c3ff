"""Metrics: what is scraped is what the run counts; nobody else may look; the dashboard asks for
what there is."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from loopback import dealing
from prometheus_client.parser import text_string_to_metric_families

import dealer.metrics
import party.metrics
from dealer.service import Service
from party import Party
from party.local import free_address
from party.seen import Seen
from party.view import RunView, RunViews
from protocol.errors import ConfigError
from protocol.parsers import Address
from protocol.web.measures import Measure
from protocol.web.metrics import metrics
from protocol.web.options import web_address
from protocol.web.site import serving

ANYWHERE = Address("127.0.0.1", 0)
DASHBOARD = Path(__file__).parents[1] / "deploy" / "grafana.json"


async def got(url: str, **how: Any) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(url, **how) as response:
        return response.status, await response.text()


async def scraped(url: str) -> dict[tuple[str, ...], float]:
    """Numbers by name and the values of their labels."""
    status, text = await got(url)
    assert status == 200
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return {(each.name, *each.labels.values()): each.value for each in samples}


async def test_what_is_scraped_is_what_the_run_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    at, during, services = (
        free_address().removeprefix("tcp://"),
        list[Mapping[Any, float]](),
        list[Service](),
    )

    class Scraping(RunView):
        async def before(self, step: int) -> None:
            if step == 5:
                during.append(await scraped(f"http://{at}/metrics"))
                during.append(
                    {measure.asked: it for measure, _, it in dealer.metrics.samples(services[0])}
                )

    hers, his = Seen(), Seen()
    async with dealing(services) as where:
        alice = Party("alice", metrics=at, **where).train(
            "logreg", iterations=8, view=RunViews(hers, Scraping())
        )
        _, result = await asyncio.gather(
            alice, Party("bob", **where).train("logreg", iterations=8, view=his)
        )
        report = result.report
        async with metrics(ANYWHERE, None, partial(party.metrics.samples, his)) as url:
            found = await scraped(url)
        async with metrics(ANYWHERE, None, partial(dealer.metrics.samples, services[0])) as url:
            dealt = await scraped(url)
    assert during[0]["mpc_step",] == 5 and during[0]["mpc_link_connected", "bob"] == 1
    held, declared, most = (
        during[1][f"mpc_dealer_{name}_memory_bytes"] for name in ("held", "declared", "max")
    )
    empty = dealt["mpc_dealer_declared_memory_bytes",]
    assert 0 < held < declared < most == services[0].settings.max_memory
    assert empty == 2 * dealt["mpc_dealer_max_stock_bytes",] < declared
    assert dealt["mpc_dealer_held_memory_bytes",] == 0
    assert found["mpc_rounds_total",] == report.rounds
    assert (
        found["mpc_round_messages_total", "sent"] + found["mpc_round_messages_total", "received"]
        == report.messages
    )
    assert found["mpc_round_bytes_total", "sent"] == report.bytes_sent
    assert found["mpc_round_bytes_total", "received"] == report.bytes_received
    assert found["mpc_material_received_bytes_total",] == report.dealt_bytes - 32
    assert found["mpc_waits_for_material_total",] == report.waits_for_material
    assert found["mpc_waited_seconds_total", "peer"] == report.waited_for_peer
    assert found["mpc_step",] == found["mpc_steps_total",] == found["mpc_planned_steps",] == 8
    assert found["mpc_attempts_total",] == 1
    phases = sum(
        found["mpc_phase_seconds_total", phase] for phase in ("setup", "step", "check", "finish")
    )
    assert 0 < phases <= report.seconds
    assert dealt["mpc_dealer_dealt_bytes_total",] == report.dealt_bytes - 32
    assert dealt["mpc_dealer_opened_sessions_total",] == dealt["mpc_dealer_epochs_total",] == 1
    assert (
        dealt["mpc_dealer_queued_tasks",]
        == dealt["mpc_dealer_failures_total",]
        == 0
        < dealt["mpc_dealer_work_seconds_total",]
    )
    # while it is open
    of_a_session = {"mpc_dealer_session_step", "mpc_dealer_session_planned_steps"}
    assert measures() - {name for name, *_ in [*found, *dealt]} == of_a_session


def measures() -> set[str]:
    """Names under which Prometheus knows them."""
    found = [*vars(party.metrics).values(), *vars(dealer.metrics).values()]
    return {each.asked for each in found if isinstance(each, Measure)}


def test_the_dashboard_asks_for_all_that_there_is_and_nothing_else():
    board = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert set(re.findall(r"\bmpc_\w+", " ".join(queries))) == measures()


# ---- who may look --------------------------------------------------------------------------------


async def test_only_loopback_under_its_own_names_or_whoever_knows_the_token():
    async def answer(_: Any) -> aiohttp.web.Response:
        return aiohttp.web.Response(text="here")

    async with serving("--metrics", ANYWHERE, None, {"/": answer}) as url:
        assert await got(url) == (200, "here")
        assert (await got(url, headers={"Host": "evil.example"}))[0] == 403
        async with aiohttp.ClientSession() as client, client.post(url) as response:
            assert response.status == 405
        port = int(url.rpartition(":")[2])
        with pytest.raises(
            ConfigError,
            match=(
                f"--metrics: nothing can be served at 127.0.0.1:{port} .Address already in use.;"
                " name"
            ),
        ):
            async with serving("--metrics", Address("127.0.0.1", port), None, {}):
                pass
    async with serving("--metrics", ANYWHERE, "0123456789abcdef", {"/": answer}) as url:
        for wrong in ("", "Basic ?", *map(basic, ("me:0123456789abcdeg", "0123456789abcdef:", ""))):
            assert (await got(url, headers={"Authorization": wrong}))[0] == 401
        assert await got(url, headers={"Authorization": basic("me:0123456789abcdef")}) == (
            200,
            "here",
        )


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def test_addresses():
    assert web_address("localhost:80") == Address("localhost", 80)
    assert (
        web_address("9100")
        == web_address(":9100")
        == web_address("http://127.0.0.1:9100/")
        == Address("127.0.0.1", 9100)
    )
    assert str(web_address("[::1]:9100")) == "tcp://[::1]:9100"
    for wrong in ("host", "host:port", ""):
        with pytest.raises(ConfigError, match="is nowhere to serve"):
            web_address(wrong)


@pytest.mark.parametrize(
    "given, sentence",
    [
        (
            {"metrics": "0.0.0.0:9100"},
            "0.0.0.0 can be reached from other hosts, so it needs a token",
        ),
        ({"metrics": ":9100", "watch_token": "short"}, "must have one word of 16 to 200"),
        (
            {"watch_token": "short"},
            "--watch-token is what --page and --metrics ask for, and neither",
        ),
        ({"metrics": ":9100", "watch_token": "absent"}, "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_else(
    given, sentence, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("short").write_text("secret\n")
    with pytest.raises(ConfigError, match=sentence) as caught:
        Party("alice", **given).run_sync("seed")
    assert "secret" not in str(caught.value)


def test_a_library_that_is_not_there_is_named_with_its_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "protocol.web.metrics")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(
        ConfigError, match=r"--metrics needs prometheus_client, .* 'mpc-playground\[metrics\]'"
    ):
        Party("alice", metrics=":0").run_sync("seed")
