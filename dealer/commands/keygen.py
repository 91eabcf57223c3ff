"""`python -m dealer keygen`: make the dealer's key pair; the public key goes to standard output,
the secret to a file."""

from __future__ import annotations

import sys

from protocol.config import Config
from protocol.keyring import make_key


def run(config: Config) -> int:
    public, path = make_key("dealer", config.out)
    print(
        f"dealer: the secret is in {path}: name it with --key, and never send it. "
        "Send this line to alice and to bob, over a channel that nobody can alter:",
        file=sys.stderr,
        flush=True,
    )
    print(public, flush=True)
    return 0
