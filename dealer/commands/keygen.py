"""`python -m dealer keygen`: make the dealer's key pair; the public key goes to standard output,
the secret to a file."""

from __future__ import annotations

import sys

from protocol.keyring import make_key

from ..settings import KeygenSettings


def run(settings: KeygenSettings) -> int:
    public, path = make_key("dealer", settings.out)
    print(
        f"dealer: the secret is in {path}: name it with --key, and never send it. "
        "Send this line to alice and to bob, over a channel that nobody can alter:",
        file=sys.stderr,
        flush=True,
    )
    print(public, flush=True)
    return 0
