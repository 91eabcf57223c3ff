"""On a child's PYTHONPATH: the process kills itself (SIGKILL) at the place that DIE_AT names, such
as "after rename .results".

Places: before or after the `rename` of a new file to a name with that ending, and the same for the
    `sync` of what is written there. With DIE_BEHIND, a pattern of paths below the root, it stands
    still there until a file matches, so that its peer has had all that it sent.
"""

import os
import signal
import time
from pathlib import Path

if place := os.environ.get("DIE_AT"):
    when, what, ending = place.split()
    fsync, replace = os.fsync, Path.replace

    def die() -> None:
        behind = os.environ.get("DIE_BEHIND")
        while behind and not any(Path("/").glob(behind)):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

    def sync(descriptor: int) -> None:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        mine = what == "sync" and f"{ending}." in name and name.endswith(".new")
        if mine and when == "before":
            die()
        fsync(descriptor)
        if mine:
            die()

    def rename(self: Path, target: Path) -> Path:
        mine = what == "rename" and str(target).endswith(ending)
        if mine and when == "before":
            die()
        found = replace(self, target)
        if mine:
            die()
        return found

    os.fsync, Path.replace = sync, rename
