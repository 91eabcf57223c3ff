"""The demo's verdict, which comes first, and where its result goes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from party.__main__ import main
from party.commands.demo import _fault, _show

FIGURES = {"seconds": 1.0, "rounds": 1, "messages": 2, "waits_for_material": 0}
BYTES = {"bytes_sent": {"alice": 1, "bob": 1}, "dealt_bytes": {"alice": 32, "bob": 32}}


def summary(equal: bool, error: float) -> dict:
    found = {"weights": [1.0]}
    outcome = {"equal": equal, "max_abs_weight_error": error, "grains": {}, "results": {"alice": found, "bob": found}}
    return FIGURES | BYTES | outcome


@pytest.mark.parametrize(("equal", "error"), [(False, 0.0), (True, math.nan), (True, 0.5)])
def test_what_is_wrong_is_said_first(equal, error, capsys):
    wrong = summary(equal, error)
    assert _fault(wrong)
    _show(wrong, {role: {"results": wrong["results"][role]} for role in ("alice", "bob")}, {"weights": np.ones(1)})
    assert capsys.readouterr().out.startswith("FAILED: ")


def test_what_is_right_is_no_fault(capsys):
    right = summary(True, 1e-6)
    assert _fault(right) is None
    _show(right, {role: {"results": right["results"][role]} for role in ("alice", "bob")}, {"weights": np.ones(1)})
    assert "FAILED" not in capsys.readouterr().out


@pytest.mark.system
@pytest.mark.timeout(120)
def test_the_result_is_written_by_whoever_learns_it(tmp_path):
    words = ["demo", "--job", "seed", "--iterations", "20", "--quiet", "--reveal", "bob"]
    assert main([*words, "--out", str(tmp_path / "got.npz")]) == 0
    assert set(np.load(tmp_path / "got.npz")) == {"weights", "predictions"}
