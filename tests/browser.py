"""Headless Chromium, told what to do by its DevTools protocol: a page is asked until it says what
is wanted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]


class Tab:
    """One page. `complaints` are errors and warnings on its console."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.complaints: list[str] = []

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            said = await self._socket.receive_json(timeout=30)
            if said.get("method") in (
                "Log.entryAdded",
                "Runtime.exceptionThrown",
                "Runtime.consoleAPICalled",
            ):
                self.complaints.append(str(said["params"]))
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]

    async def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = await self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        """Until an expression is true; a test's own limit of time ends the wait."""
        while not await self.ask(expression):
            await asyncio.sleep(0.05)

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.do(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode={"Tab": 9}[key],
            )

    async def prefer(self, scheme: str) -> None:
        """Light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.do("Emulation.setEmulatedMedia", features=features)

    async def picture(self, width: int = 1000) -> bytes:
        """The whole page, as PNG."""
        height = await self.ask("document.documentElement.scrollHeight")
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        found = await self.do("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(found["data"])


@contextlib.asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Tab]:
    """A page in a browser of its own."""
    assert CHROMIUM is not None
    profile = folder / "profile"
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *OPTIONS,
        f"--user-data-dir={profile}",
        "about:blank",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        told = profile / "DevToolsActivePort"
        while not (told.exists() and told.read_text().count("\n")):
            assert process.returncode is None
            await asyncio.sleep(0.05)
        at = f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
        async with aiohttp.ClientSession() as client:
            async with client.put(f"{at}/json/new?about:blank") as response:
                page = await response.json()
            async with client.ws_connect(
                page["webSocketDebuggerUrl"], max_msg_size=1 << 28
            ) as socket:
                tab = Tab(socket)
                for part in ("Log", "Runtime", "Page"):
                    await tab.do(f"{part}.enable")
                await tab.do("Page.navigate", url=url)
                yield tab
    finally:
        process.kill()
        await process.wait()
