"""Two notebooks, each with a kernel of its own: a job that is defined in a cell, a cell that is
interrupted, sentences for errors.

And the notebooks that come with the package: all of their cells run, alice's and bob's at once.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from loopback import dealing
from nbclient import NotebookClient

from party import plan
from party.jobs.seed import Seed
from party.local import free_address
from party.program import PROGRAM

ROOT = Path(__file__).parents[2]
JOB = """
from pathlib import Path
from party import Party, plain
from party.view import RunView
from protocol.jobs import Input, Job

class Fit(Job):
    iterations = 50
    x = Input("bob", ("n", 2), -1, 1)
    w = Input("alice", (2, 1), -4, 4)

    def step(self, v):
        v.w -= v.x.T @ (v.x @ v.w) / 8

    def finish(self, v):
        v.reveal(weights=v.w)

class Begun(RunView):
    def running(self, *_):
        Path("begun").touch()

data = {"bob": {"x": [[0.5, 0.25], [0.1, 0.2]]}, "alice": {"w": [[1.0], [2.0]]}}
"""
RUN = "(await Party({role!r}, **{where}).train(Fit, data[{role!r}])).values['weights'].tolist()"
ENDLESS = (
    "await Party({role!r}, session='b', **{where}).train(Fit, data[{role!r}], iterations=10**8,"
    " view=Begun())"
)
REHEARSAL = """
from party import LogisticRegression

fit = LogisticRegression(session="simulate", max_iter=10**7, minimum=3)
Path("rehearsing").touch()
await fit.fit_async([[0.5, 0.25], [0.1, 0.2], [0.3, 0.9]], [0, 1, 1])
"""
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
            self._book,
            timeout=120,
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
        )
        self.kernel = self._client.async_setup_kernel(cwd=str(folder))

    async def run(self, code: str, *, as_is: bool = False) -> list[Any]:
        """What a cell puts out."""
        self._book.cells.append(
            nbformat.v4.new_code_cell(code if as_is else code.format(**self._names))
        )
        cell = await self._client.async_execute_cell(
            self._book.cells[-1], len(self._book.cells) - 1
        )
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
            assert await asyncio.gather(*(each.run(JOB, as_is=True) for each in (alice, bob))) == [
                [],
                [],
            ]

            (bar, hers), (_, his) = await asyncio.gather(alice.run(RUN), bob.run(RUN))
            assert (
                "alice 50 of 50" in bar["data"]["text/plain"] and "<pre" in bar["data"]["text/html"]
            ), bar
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
            assert his["ename"] == "Stopped" and his["evalue"].startswith(
                "alice stopped: it was interrupted"
            )

            rehearsal = asyncio.create_task(alice.run(REHEARSAL, as_is=True))
            while not (tmp_path / "rehearsing").exists():
                await asyncio.sleep(0.05)
            await alice.interrupt()
            (ended,) = await asyncio.wait_for(rehearsal, 20)
            assert (ended["ename"], ended["evalue"]) == (
                "CancelledError",
                "the run was interrupted",
            )

            (wrong,) = await alice.run(WRONG, as_is=True)
            assert wrong["ename"] == "JobError" and wrong["evalue"].startswith("Cell In[5]:3: "), (
                wrong["evalue"]
            )


# ---- those that come with the package ------------------------------------------------------------

SHIPPED = {
    path.stem: nbformat.read(path, 4) for path in (ROOT / "party" / "notebooks").glob("*.ipynb")
}


async def run_all(name: str, folder: Path, **parameters: Any) -> str:
    """What all cells of a notebook print; what it has started is ended, however it goes."""
    notebook, printed = Notebook("", {}, folder), ""
    async with notebook.kernel:
        try:
            for cell in (cell for cell in SHIPPED[name].cells if cell.cell_type == "code"):
                own = "parameters" in cell.metadata.get("tags", [])
                code = (
                    "\n".join(f"{key} = {value!r}" for key, value in parameters.items())
                    if own
                    else cell.source
                )
                for output in await notebook.run(code, as_is=True):
                    assert output["output_type"] != "error", "\n".join(output["traceback"])
                    printed += output["text"] if output["output_type"] == "stream" else ""
        finally:
            await notebook.run("if 'dealer' in globals(): dealer.kill()", as_is=True)
    return printed


def weights(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("weights")]


@pytest.mark.system
async def test_bob_and_alice_obtain_what_the_plain_training_obtains(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    where = {"DEALER": free_address(), "PEER": free_address(), "ITERATIONS": 400}
    async with asyncio.TaskGroup() as both:
        his, hers = (
            both.create_task(run_all(name, tmp_path, **where)) for name in ("bob", "alice")
        )
    (found,) = {*weights(his.result()), *weights(hers.result())}
    assert weights(await run_all("plain", tmp_path, ITERATIONS=400)) == [found] * 3


@pytest.mark.system
async def test_the_protocols_are_explained_by_what_is_true(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    printed = await run_all("protocols", tmp_path)
    errors = [
        float(line.rpartition(": ")[2])
        for line in printed.splitlines()
        if line.startswith("largest ")
    ]
    assert len(errors) == 5 and max(errors) < 1e-3
    assert "[1 1 0 0 0 0 1 0]" in printed and re.search(
        r"^0 of [\d,]+ words are equal", printed, re.M
    )
    assert 0 < float(printed.partition("the largest error is ")[2].split()[0]) <= 1
    counts = re.findall(r"opened: (\d+) words", printed) + re.findall(r"0 \((1, \d+)\)", printed)
    assert counts == ["27", "6", "1, 14", "1, 4", "1, 1"]  # which the text adds up
    assert "a ring of 256 bits, 192 of them behind the binary point" in printed


def test_alice_is_told_of_everything_that_the_plan_reveals():
    told = "".join(cell.source for cell in SHIPPED["alice"].cells if cell.cell_type == "markdown")
    revealed = {line.split()[0] for line in plan(Seed).reveals}
    assert "out_of_range" in revealed and all(name in told for name in revealed)


@pytest.mark.system
async def test_a_network_goes_from_two_tables_to_predictions(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    printed = await run_all(
        "networks", tmp_path, DEALER=free_address(), PEER=free_address(), EPOCHS=1
    )
    assert int(printed.partition("% of 60 new pictures are read correctly")[0].split()[-1]) > 60


def test_notebooks_are_kept_without_what_they_put_out():
    assert SHIPPED.keys() == {"alice", "bob", "networks", "plain", "protocols"}
    for name, book in SHIPPED.items():
        for cell in book.cells:
            assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == (
                [],
                None,
            ), name
        assert book.cells[0].source.startswith("# ") and book.metadata.kernelspec.name == "python3"


def test_they_are_written_to_a_folder(tmp_path, capsys):
    words = ["notebooks", "--out", str(tmp_path / "own")]
    assert PROGRAM.main(words) == 0
    assert {path.stem for path in (tmp_path / "own").iterdir()} == SHIPPED.keys()
    capsys.readouterr()
    assert PROGRAM.main(words) == 2
    assert "has alice.ipynb, bob.ipynb" in capsys.readouterr().err
    assert PROGRAM.main([*words, "--fresh"]) == 0
    (tmp_path / "file").touch()
    assert PROGRAM.main(["notebooks", "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written to" in capsys.readouterr().err
