"""The page of a run: what it is told, that it is read-only, and that a browser shows it, light and
dark, with keys alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import numpy as np
import pytest
from browser import CHROMIUM, opened
from loopback import dealing

import dealer.live
from dealer.service import Service
from party import Party
from party.local import free_address
from party.view import RunView
from protocol.errors import LinkError
from protocol.jobs import Input, Job
from protocol.log import LOGGER
from protocol.parsers import Address
from protocol.signals import Halted
from protocol.web.page import page
from protocol.wording import span

ANYWHERE = Address("127.0.0.1", 0)
SECRET = 1234.0625
PACE = {"steps": 12.5, "rounds": 25.0, "bytes": 100.0}
CURVE = {"steps": [1, 2], "values": [0.5, 0.75]}


class Descent(Job):
    """As much of a training as a page shows: steps, and a metric for bob alone."""

    fraction_bits = 16
    iterations = 12
    check_every = 2
    x = Input("alice", shape=(1,), low=-2000, high=2000)
    y = Input("bob", shape=(1,), low=-2000, high=2000)

    def step(self, v):
        v.x = v.x * 0.5 + v.y * 0.25

    def check(self, v):
        v.reveal(to="bob", distance=v.x - v.y * 0.5)

    def finish(self, v):
        v.reveal(x=v.x)


class Paused(RunView):
    """Goes on behind a step only when it is let."""

    def __init__(self, step: int) -> None:
        self.step, self.there, self.go_on = step, asyncio.Event(), asyncio.Event()

    async def before(self, step: int) -> None:
        if step == self.step:
            self.there.set()
            await self.go_on.wait()


async def told(url: str, wanted: set[str]) -> Mapping[str, Any]:
    """The first of each part that the page is sent."""
    found: dict[str, Any] = {}
    async with aiohttp.ClientSession() as client, client.get(f"{url}/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        while not wanted <= found.keys():
            name, _, value = (
                (await response.content.readline()).decode().rstrip("\n").partition(": ")
            )
            if name == "event":
                part = value
            elif name == "data":
                found.setdefault(part, json.loads(value))
    return found


@pytest.fixture
async def run(tmp_path, monkeypatch):
    """A run that stands still in its tenth step: addresses of bob's page, of alice's, of the
    dealer's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(LOGGER, "handlers", [*LOGGER.handlers])
    pages = [free_address().removeprefix("tcp://") for _ in range(2)]
    paused, services = Paused(10), list[Service]()
    async with (
        dealing(services) as where,
        page(ANYWHERE, None, dealer.live.parts(services[0])) as dealers,
    ):
        y = np.array([SECRET])
        tasks = [
            asyncio.create_task(
                Party("bob", page=pages[0], **where).train(Descent, y=y, view=paused)
            ),
            asyncio.create_task(
                Party("alice", page=pages[1], **where).train(Descent, x=[8.0], view=RunView())
            ),
        ]
        await asyncio.wait(
            [*tasks, asyncio.ensure_future(paused.there.wait())],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert paused.there.is_set(), [task.exception() for task in tasks if task.done()]
        yield *(f"http://{at}" for at in pages), dealers, paused, tasks
        paused.go_on.set()
        results = await asyncio.gather(*tasks)
    assert results[0]["x"] == results[1]["x"] and list(results[0].history) == ["distance"]


async def test_each_page_is_told_what_its_process_may_know(run):
    bobs, alices, dealers, *_ = run
    his = await told(bobs, {"about", "now", "plan", "links", "curves", "events", "figures"})
    hers = await told(alices, {"plan", "curves", "events", "figures"})
    others = await told(dealers, {"sessions", "shapes", "links", "events", "figures"})
    assert (
        his["now"]["step"] == 10
        and his["now"]["steps"] == 12
        and len(his["now"]["by_round"]) == len(his["plan"]["rounds"])
    )
    assert [link["state"] for link in his["links"]["links"]] == ["connected", "connected"]
    assert his["curves"]["distance"]["steps"] == [2, 4, 6, 8, 10] and not hers["curves"]
    assert his["events"][-1][1] == "a check after step 10 revealed distance"
    assert any("distance (1,) to bob" in line for line in his["plan"]["reveals"])
    assert others["sessions"][0]["steps"] == 12 and others["sessions"][0]["parties"] == [
        "alice",
        "bob",
    ]
    values = [f"{value:.6g}" for value in his["curves"]["distance"]["values"]]
    for found in (hers, others):
        assert (
            not any(value in json.dumps(found) for value in (*values, str(SECRET), 'distance"'))
            or found is hers
        )
    assert "distance" not in json.dumps(others) and str(SECRET) not in json.dumps([his, hers])


async def test_it_is_one_document_that_runs_nothing_but_its_own(run):
    async with aiohttp.ClientSession() as client, client.get(run[0]) as response:
        text, policy = await response.text(), response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert (
        not re.search(r"\b(src|href)=\"(?!data:,\")", text)
        and "url(" not in text
        and "innerHTML" not in text
    )
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.timeout(600)
async def test_a_browser_shows_it(run, tmp_path):
    bobs, _, _, paused, tasks = run
    async with opened(bobs, tmp_path) as tab:
        await tab.until("document.querySelectorAll('#graphs polyline').length == 1")
        await tab.until("document.getElementById('rounds').rows.length > 0")
        assert await tab.ask("document.title") == "bob: Descent, session default"
        await tab.ask(f"curves({json.dumps(dict.fromkeys(('short', 'long' * 40), CURVE))})")
        hues = """[...document.querySelectorAll("figure")].map((each) => [
            getComputedStyle(each.querySelector("span")).color,
            getComputedStyle(each.querySelector("polyline")).stroke])"""
        (short, its), (long, own) = await tab.ask(hues)
        assert short == its != long == own, "a name has the colour of its curve"
        assert "10 of 12 steps" in await tab.ask("document.getElementById('pace').textContent")
        assert "alice and bob: connected" in await tab.ask(
            "document.getElementById('picture').getAttribute('aria-label')"
        )
        papers = []
        for scheme in ("light", "dark"):
            await tab.prefer(scheme)
            papers.append(await tab.ask("getComputedStyle(document.body).backgroundColor"))
        assert papers == ["rgb(255, 255, 255)", "rgb(17, 21, 27)"]
        assert await tab.ask("document.documentElement.scrollWidth <= innerWidth"), (
            "nothing stands beside the window"
        )
        await tab.do(
            "Emulation.setDeviceMetricsOverride",
            width=360,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        await tab.ask(f"about({json.dumps({'role': 'bob', 'title': 'x' * 80})})")
        assert await tab.ask("document.documentElement.scrollWidth") == 360
        await tab.ask("about(seen.about)")
        letters = """Math.min(...[...document.querySelectorAll("#picture text")].map((each) =>
            parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a))"""
        assert await tab.ask(letters) >= 11, "what is said of the links is read on a telephone"
        outside = """[...document.querySelectorAll("#picture text")].filter((each) => {
            const own = each.getBBox(), [, , width, height] =
                each.ownerSVGElement.getAttribute("viewBox").split(" ");
            return own.x < 0 || own.y < 0 || own.x + own.width > width ||
                own.y + own.height > height; }).map((each) => each.textContent)"""
        assert await tab.ask(outside) == []
        spans = [0, 85e-6, 0.0416, 1.0, 6.93, 119.4, 119.6, 416.2, 3599.6, 7500, 2263.97]
        assert await tab.ask(f"{spans}.map(span)") == [span(each) for each in spans]
        pace = "document.getElementById('pace').textContent"
        await tab.ask(f"now({{...seen.now, pace: {json.dumps(PACE)}, left: 150}})")
        assert "2 min 30 s left" in await tab.ask(pace)
        await tab.ask("source.dispatchEvent(new Event('error'))")
        assert await tab.ask(pace) == "10 of 12 steps", "nobody knows more of what is gone"
        assert "out of reach" in await tab.ask("document.getElementById('status').textContent")
        reached = []
        for _ in range(3):
            await tab.press("Tab")
            reached.append(await tab.ask("document.activeElement.getAttribute('aria-label')"))
        assert reached == ["rounds of a step", "cost of the phases", "events, the newest first"]
        assert await tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert not tab.complaints
        paused.go_on.set()
        await asyncio.gather(*tasks)
        await tab.until("document.getElementById('status').textContent.startsWith('The run is')")
        assert "left" not in await tab.ask("document.getElementById('pace').textContent")
        assert await tab.ask("document.title") == "done, bob: Descent, session default"
        assert await tab.ask("source.readyState === EventSource.CLOSED"), "nobody is asked any more"
        assert await tab.ask("document.body.className") == "bob done"
        assert not tab.complaints


@pytest.mark.parametrize(
    "error, why",
    [
        (None, ""),
        (LinkError("bob went away"), "bob went away"),
        (asyncio.CancelledError(), "it was asked to end"),
        (Halted(), "it was asked to end; the same command goes on from there"),
        (ValueError(SECRET), "a fault of its program (ValueError)"),
    ],
)
async def test_every_browser_is_told_how_it_ended(error, why):
    with contextlib.nullcontext() if error is None else pytest.raises(type(error)):
        async with page(ANYWHERE, None, lambda: {"now": {}}) as url:
            watching = [asyncio.create_task(told(url, {"end"})) for _ in range(2)]
            await told(url, {"now"})
            if error is not None:
                raise error
    for found in await asyncio.gather(*watching):
        assert found == {"now": {}, "end": why}
