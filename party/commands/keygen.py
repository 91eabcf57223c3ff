"""`python -m party keygen`: make this party's key pair; the public key goes to standard output, the
secret to a file."""

from __future__ import annotations

import sys

from protocol.errors import ConfigError
from protocol.keyring import make_key

from ..command_settings import KeygenSettings
from ..links import PEER


def run(settings: KeygenSettings) -> int:
    """Write the secret key to --out, for its owner alone, and print the public key as one line;
    what to do with it goes to standard error. Exit code 0."""
    if settings.role is None:
        raise ConfigError("keygen makes a key for one role: say --role alice or --role bob")
    public, path = make_key(settings.role, settings.out)
    print(
        f"party: the secret is in {path}: name it with --key, and never send it. Send this line to"
        f" {PEER[settings.role]} and to the dealer, over a channel that nobody can alter:",
        file=sys.stderr,
        flush=True,
    )
    print(public, flush=True)
    return 0
