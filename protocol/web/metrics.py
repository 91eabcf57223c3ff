"""Measures in the format of Prometheus, with their values at the time of the request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..parsers import Address
from .measures import Sample
from .site import serving


class _Reader(Collector):
    def __init__(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for measure, labels, value in self._read():
            if measure.name not in families:
                kind = CounterMetricFamily if measure.counter else GaugeMetricFamily
                families[measure.name] = kind(measure.name, measure.help, labels=measure.labels)
            families[measure.name].add_metric(labels, value)
        yield from families.values()

    def describe(self) -> list[Metric]:
        return []  # nothing is read before somebody asks


@contextlib.asynccontextmanager
async def metrics(
    where: Address, token: str | None, read: Callable[[], Iterable[Sample]]
) -> AsyncIterator[str]:
    """A context that serves the measures of `read()`, and the process's own resources, under
    /metrics. Its value is the URL."""
    registry = CollectorRegistry()
    registry.register(_Reader(read))
    ProcessCollector(registry=registry)

    async def answer(request: web.Request) -> web.Response:
        encoder, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(registry), headers={"Content-Type": kind})

    async with serving("--metrics", where, token, {"/metrics": answer}) as url:
        yield f"{url}/metrics"
