"""One party of a join, as a process: ROLE ADDRESS KEYS FIRST COUNT. Prints seconds, processor
seconds and its common ids in order (JSON).

PYTHONPATH=.:tests python tests/party/joiner.py measure COUNT times two of them that share half of
their ids.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keyed import Keys

from party.join import join, normalised
from party.local import free_address
from protocol.channel import Allow, Listener


async def party(role: str, address: str, folder: str, first: int, count: int) -> None:
    keys = Keys(Path(folder))
    public = [str(keys.pairs[name].public) for name in ("alice", "bob")]
    begun = time.monotonic()
    ids = normalised(range(first, first + count), "the test")
    if role == "alice":
        listener = Listener(
            address, "alice", keys.pairs["alice"], Allow([keys.pairs["bob"].public]), roles=("bob",)
        )
        peer = await listener.accept(30)
    else:
        peer = await keys.connect(address, "bob", "alice", "test")
    rows = await join(peer, ids, public)
    print(
        json.dumps(
            [
                time.monotonic() - begun,
                time.process_time(),
                rows.theirs,
                [ids[place].decode() for place in rows.places],
            ]
        )
    )
    await peer.close()
    if role == "alice":
        await listener.close()


def two(folder: Path, count: int) -> list[tuple[float, float, int, list[str]]]:
    """What alice, with ids from 0, and bob, with ids from count / 2, found: `count` ids each."""
    Keys(folder)
    address = free_address()
    command = [sys.executable, __file__]
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"}
    children = [
        subprocess.Popen(
            [*command, role, address, str(folder), str(first), str(count)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        for role, first in (("alice", 0), ("bob", count // 2))
    ]
    try:
        outputs = [child.communicate(timeout=100)[0] for child in children]
    finally:
        for child in children:
            child.kill()
    assert [child.returncode for child in children] == [0, 0]
    return [json.loads(output) for output in outputs]


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        with tempfile.TemporaryDirectory() as place:
            for seconds, busy, theirs, found in two(Path(place), int(sys.argv[2])):
                print(
                    f"{seconds:.1f} s, {busy:.1f} of a processor: {len(found):,} common of"
                    f" {theirs:,}"
                )
    else:
        asyncio.run(party(*sys.argv[1:4], *map(int, sys.argv[4:])))
