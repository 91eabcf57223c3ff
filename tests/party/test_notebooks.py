"""Two notebooks, each with a kernel of its own: a job that is defined in a cell, a cell that is interrupted, sentences for errors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import nbformat
import pytest
from loopback import dealing
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
JOB = """
from pathlib import Path
from party import Party, plain
from party.session import View
from protocol.jobs import Input, Job

class Fit(Job):
    iterations = 50
    x = Input("bob", ("n", 2), -1, 1)
    w = Input("alice", (2, 1), -4, 4)

    def step(self, v):
        v.w -= v.x.T @ (v.x @ v.w) / 8

    def finish(self, v):
        v.reveal(weights=v.w)

class Begun(View):
    def running(self, *_):
        Path("begun").touch()

data = {"bob": {"x": [[0.5, 0.25], [0.1, 0.2]]}, "alice": {"w": [[1.0], [2.0]]}}
"""
RUN = "(await Party({role!r}, **{where}).train(Fit, data[{role!r}])).values['weights'].tolist()"
ENDLESS = "await Party({role!r}, session='b', **{where}).train(Fit, data[{role!r}], iterations=10**8, view=Begun())"
ALONE = "plain(Fit, data['alice'] | data['bob'])['weights'].tolist()"
WRONG = """
class Wrong(Fit):
    def step(self, v):
        v.w = v.w @ v.x

plain(Wrong, data['alice'] | data['bob'])
"""


class Notebook:
    """A notebook of one party, and its kernel."""

    def __init__(self, role: str, where: dict[str, str], folder: Path) -> None:
        self._names = {"role": role, "where": where}
        self._book = nbformat.v4.new_notebook()
        self._client = NotebookClient(
            self._book, timeout=60, allow_errors=True, resources={"metadata": {"path": str(folder)}}
        )
        self.kernel = self._client.async_setup_kernel(cwd=str(folder))

    async def run(self, code: str, *, as_is: bool = False) -> list[Any]:
        """What a cell puts out."""
        self._book.cells.append(nbformat.v4.new_code_cell(code if as_is else code.format(**self._names)))
        cell = await self._client.async_execute_cell(self._book.cells[-1], len(self._book.cells) - 1)
        return cell.outputs

    async def interrupt(self) -> None:
        await self._client.km.interrupt_kernel()


@pytest.mark.system
async def test_two_notebooks(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    async with dealing() as where:
        alice, bob = (Notebook(role, where, tmp_path) for role in ("alice", "bob"))
        async with alice.kernel, bob.kernel:
            assert await asyncio.gather(*(each.run(JOB, as_is=True) for each in (alice, bob))) == [[], []]

            (bar, hers), (_, his) = await asyncio.gather(alice.run(RUN), bob.run(RUN))
            assert "alice 50 of 50" in bar["data"]["text/plain"] and "<pre" in bar["data"]["text/html"], bar
            assert hers["output_type"] == "execute_result", hers
            (alone,) = await bob.run(ALONE)
            found = [eval(each["data"]["text/plain"]) for each in (hers, his, alone)]
            assert found[0] == found[1] and abs(found[0][0][0] - found[2][0][0]) < 1e-3

            both = asyncio.gather(alice.run(ENDLESS), bob.run(ENDLESS))
            while not (tmp_path / "begun").exists():
                await asyncio.sleep(0.05)
            await alice.interrupt()
            (hers,), (his,) = await asyncio.wait_for(both, 20)
            assert (hers["ename"], hers["evalue"]) == (
                "CancelledError",
                "the run was interrupted, and the others were told so",
            )
            assert his["ename"] == "Stopped" and his["evalue"].startswith("alice stopped: it was interrupted")

            (wrong,) = await alice.run(WRONG, as_is=True)
            assert wrong["ename"] == "JobError" and wrong["evalue"].startswith("Cell In[4]:3: "), wrong["evalue"]
