"""A page that shows the work of a process: one document without other resources, updated by
server-sent events.

It shows *parts*, a mapping of names to plain data. A browser is sent a part when it has changed,
and at the end how the work has ended, so that it stops asking.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.resources import files
from typing import Any

from aiohttp import web

from ..errors import MpcError
from ..parsers import Address
from ..signals import Halted
from .site import serving

INTERVAL = 0.5  # seconds between two looks at what has changed
RETRY = 2000  # milliseconds until a browser tries again
MOST = 16  # browsers at a time

Parts = Callable[[], Mapping[str, Any]]


@contextlib.asynccontextmanager
async def page(where: Address, token: str | None, parts: Parts) -> AsyncIterator[str]:
    """A context that serves the parts of `parts()` at /. Its value is the URL."""
    text, policy = _document()
    watching, over = 0, asyncio.get_running_loop().create_future()  # why it ended, "" if it is done

    async def document(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"}
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)

    async def events(request: web.Request) -> web.StreamResponse:
        nonlocal watching
        if watching >= MOST:
            raise web.HTTPServiceUnavailable(text=f"{MOST} browsers show this page already\n")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        watching += 1
        sent: dict[str, str] = {}
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY}\n\n".encode())
            while True:
                end = {"end": over.result()} if over.done() else {}
                found = {
                    name: json.dumps(value, separators=(",", ":"))
                    for name, value in {**parts(), **end}.items()
                }
                new = {name: data for name, data in found.items() if sent.get(name) != data}
                sent |= new
                lines = "".join(f"event: {name}\ndata: {data}\n\n" for name, data in new.items())
                # a comment shows whether the browser is still there
                await response.write((lines or ":\n\n").encode())
                if end:
                    return response
                await asyncio.wait([over], timeout=INTERVAL)
        except ConnectionError:
            return response
        finally:
            watching -= 1

    async with serving("--page", where, token, {"/": document, "/events": events}) as url:
        try:
            yield url
        except BaseException as error:
            over.set_result(_why(error))
            raise
        over.set_result("")


def _why(error: BaseException) -> str:
    """Why the work has failed, in words."""
    if isinstance(error, MpcError):
        return str(error)
    if isinstance(error, Halted):
        return "it was asked to end; the same command goes on from there"
    if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
        return "it was asked to end"
    return f"a fault of its program ({type(error).__name__})"


def _document() -> tuple[str, str]:
    """The page, and a content security policy that allows its own script and style and nothing
    else."""
    part = {
        name: files(__package__).joinpath(f"live.{name}").read_text("utf-8")
        for name in ("html", "css", "js")
    }
    text = part["html"].replace("/* style */", part["css"]).replace("/* script */", part["js"])
    allowed = [
        f"{kind}-src 'sha256-{_digest(part[name])}'"
        for kind, name in (("style", "css"), ("script", "js"))
    ]
    rules = [
        "default-src 'none'",
        *allowed,
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
    ]
    return text, "; ".join([*rules, "form-action 'none'", "frame-ancestors 'none'"])


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
