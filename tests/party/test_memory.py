"""What a large file costs in memory, from its path to ring elements: a real process, because only its peak counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import resource, sys
from pathlib import Path
from party.given import Given
from party.inputs import own_inputs
from protocol.fixedpoint import encode
from protocol.jobs import Input, Job
from protocol.tables import Table

class Wide(Job):
    x = Input("bob", ("n", 256), -1, 1) if sys.argv[2] == "tensor" else Table("bob", 256, low=-1, high=1)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
words = encode(own_inputs(Wide(), "bob", Given({"x": Path(sys.argv[1])})).arrays["x"], 20, 1)
print((peak() - before) / words.nbytes)
"""


@pytest.mark.system
@pytest.mark.parametrize("kind", ["tensor", "table"])
def test_a_float32_file_costs_little_more_than_its_ring_elements(tmp_path: Path, kind: str) -> None:
    array = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(1 << 17, 256))
    array[:] = 0.5
    array.flush()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "x.npy"), kind]
    assert float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout) < 1.3
