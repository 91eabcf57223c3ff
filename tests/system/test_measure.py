"""`python -m dealer measure` tells what the workers make, in numbers that belong together."""

from __future__ import annotations

import json

import pytest

from dealer.program import PROGRAM
from party.program import PROGRAM as PARTY
from protocol.planfile import load_plan
from protocol.schedule import Phase


@pytest.mark.parametrize("workers", [1, 2])
def test_the_figures_belong_together(workers, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dealer.commands.measure.SECONDS", 0.1)
    file = tmp_path / "seed.plan"
    assert PARTY.main(["plan", "--job", "seed", "--save", str(file)]) == 0
    capsys.readouterr()
    words = ["measure", "--plan", str(file), "--workers", str(workers)]
    assert PROGRAM.main([*words, "--json"]) == 0
    found, own = json.loads(capsys.readouterr().out), load_plan(file).phases[Phase.STEP]
    assert found["workers"] == workers and found["chunks"] > workers
    assert (
        found["bytes_of_steps"] == 8 * own.dealt_words
        and found["bytes"] >= found["chunks"] * found["bytes_of_steps"]
    )
    assert 0 < found["working"] <= workers * found["seconds"] * 1.5 and found["seconds"] >= 0.1
    assert (
        found["making"]
        == own.steps_per_chunk * load_plan(file).step_bytes(Phase.STEP)
        < found["peak"]
    )
    assert PROGRAM.main(words) == 0
    assert f"{workers} at work" in capsys.readouterr().out


def test_a_run_without_steps_is_made_as_a_whole(capsys, monkeypatch):
    monkeypatch.setattr("dealer.commands.measure.SECONDS", 0.0)
    assert PROGRAM.main(["measure", "--job", "seed", "--iterations", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] >= found["bytes_of_runs"] > 0
