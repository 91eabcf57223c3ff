"""What large files, and large operations, cost in memory: real processes, because only their peaks
count."""

from __future__ import annotations

import json
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
    if sys.argv[2] == "tensor":
        x = Input("bob", ("n", 256), -1, 1)
    else:
        x = Table("bob", 256, low=-1, high=1)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before = peak()
words = encode(own_inputs(Wide(), "bob", Given({"x": Path(sys.argv[1])})).arrays["x"], 20, 1)
print((peak() - before) / words.nbytes)
"""


@pytest.mark.system
@pytest.mark.parametrize("kind", ["tensor", "table"])
def test_a_float32_file_costs_little_more_than_its_ring_elements(tmp_path: Path, kind: str) -> None:
    array = np.lib.format.open_memmap(
        tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(1 << 17, 256)
    )
    array[:] = 0.5
    array.flush()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "x.npy"), kind]
    assert (
        float(
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        )
        < 1.3
    )


POOLED = """
import numpy as np
from protocol.jobs import Input, Job
from protocol.ops import max_pool2d

class Pooled(Job):
    iterations = 0
    waves = np.sin(np.arange(512_000)).reshape(1, 80, 80, 80)
    x = Input("bob", (1, 80, 80, 80), -1, 1, default=waves)

    def step(self, v):
        pass

    def finish(self, v):
        v.reveal(total=max_pool2d(max_pool2d(v.x, 3, stride=1), 3, stride=1).mean())
"""
DEMO = """
import resource, sys
from party.__main__ import main
code = main(["demo", "--job", sys.argv[1], "--quiet", "--json"])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)  # the largest of its processes
sys.exit(code)
"""


@pytest.mark.system
@pytest.mark.timeout(600)
def test_no_process_holds_all_that_is_dealt_for_one_step(tmp_path: Path) -> None:
    """A process of this project takes some 150 MB before it does anything."""
    (tmp_path / "pooled.py").write_text(POOLED)
    command = [sys.executable, "-c", DEMO, str(tmp_path / "pooled.py")]
    *_, report, peak = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    dealt = json.loads(report)["dealt_bytes"]["bob"]
    assert dealt >= 650e6
    assert int(peak) <= 0.75 * dealt
