"""Run a command under a unit's SystemCallFilter and RestrictAddressFamilies, as systemd would.

    python filtered.py UNIT COMMAND …

What is forbidden fails with EPERM or EAFNOSUPPORT. Needs libseccomp, and systemd-analyze, which
knows what is in the sets.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EQUAL = 4
LIBRARY = "libseccomp.so.2"


class _Compare(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


def members(name: str) -> set[str]:
    """The system calls in a set like @system-service."""
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    words = [
        line.strip()
        for line in shown.splitlines()[1:]
        if line.startswith("    ") and "#" not in line
    ]
    found = {word for word in words if not word.startswith("@")}
    return found.union(*(members(word) for word in words if word.startswith("@")))


def allowed(unit: str) -> set[str]:
    found = members("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        names = line.lstrip("~").split()
        calls = set[str]().union(
            *(members(name) if name.startswith("@") else {name} for name in names)
        )
        found = found - calls if line.startswith("~") else found | calls
    return found | members("@default")


def main() -> None:
    unit = Path(sys.argv[1]).read_text()
    calls = allowed(unit)
    families = re.findall(r"^RestrictAddressFamilies=(.*)$", unit, re.MULTILINE)[0].split()
    numbers = {getattr(socket, name) for name in families}
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    filters = [
        ctypes.c_void_p(library.seccomp_init(each)) for each in (_ERRNO | errno.EPERM, _ALLOW)
    ]
    for call in calls | {"execve"}:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number != -1:  # one of this machine's
            library.seccomp_rule_add_array(filters[0], ctypes.c_uint32(_ALLOW), number, 0, None)
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in set(range(64)) - numbers:
        compare = _Compare(0, _EQUAL, family, 0)
        action = ctypes.c_uint32(_ERRNO | errno.EAFNOSUPPORT)
        if library.seccomp_rule_add_array(filters[1], action, number, 1, ctypes.byref(compare)):
            raise OSError("the filter of address families could not be made")
    for each in reversed(filters):
        if library.seccomp_load(each):
            raise OSError("the filter could not be loaded")
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
