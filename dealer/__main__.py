"""`python -m dealer`: deals correlated randomness to any number of sessions, and learns nothing but shapes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from protocol import __version__
from protocol.channel import Allow
from protocol.config import Config, Setting, add_options, file_path, listen_address, positive, duration, resolve, size, whole
from protocol.errors import ConfigError
from protocol.keyring import other_key, own_key
from protocol.processes import guarded, run_until_signalled

from .service import Service, Settings

SETTINGS = (
    Setting("listen", "where parties find the dealer", listen_address, "tcp://127.0.0.1:7700", metavar="ADDRESS"),
    Setting("workers", "threads that make material", whole(1, 256), "1", metavar="N"),
    Setting("timeout", "silence after which a party is given up", positive(duration), "30s", metavar="TIME"),
    Setting("max_sessions", "sessions at a time", whole(1, 100_000), "64", metavar="N"),
    Setting("max_step_memory", "memory that one step of a plan may need", size, "512MiB", metavar="SIZE"),
    Setting("key", "the dealer's secret key file; on loopback keys are made by themselves", file_path, metavar="FILE"),
    Setting("alice_key", "alice's public key", metavar="KEY"),
    Setting("bob_key", "bob's public key", metavar="KEY"),
    Setting("allow", "a file of public keys that may connect, one a line", file_path, metavar="FILE"),
    Setting("insecure_plaintext", "no keys and no encryption at all; refused on addresses other than loopback", flag=True),
    Setting("quiet", "say nothing", flag=True),
)


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(
        prog="python -m dealer",
        description="Precompute correlated randomness and stream it to the two parties of each session. "
        "The dealer sees plans (shapes), never a share of anybody's data.",
    )
    main.add_argument("--version", action="version", version=__version__)
    add_options(main, SETTINGS)
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("dealer", lambda: _run(resolve(SETTINGS, parser().parse_args(arguments), "dealer")))


def _run(config: Config) -> int:
    listen = str(config.listen)
    keys = own_key("dealer", config.key, (listen,), config.insecure_plaintext)
    allow = None if keys is None else _allowed(config.allow, config.alice_key, config.bob_key, config.key is None)
    settings = Settings(
        listen, keys, allow, config.workers, config.timeout, config.max_step_memory, config.max_sessions
    )

    def log(text: str) -> None:
        if not config.quiet:
            print(f"dealer: {text}", file=sys.stderr, flush=True)

    run_until_signalled(Service(settings, log).run())
    return 0


def _allowed(file: Path | None, alice: str | None, bob: str | None, shared: bool) -> Allow:
    """Everybody who may connect."""
    if file is not None:
        return Allow.load(file)
    found = [other_key(role, line, shared) for role, line in (("alice", alice), ("bob", bob))]
    keys = [key for key in found if key is not None]
    if len(keys) < 2:
        raise ConfigError("the dealer needs the public keys of both parties: --alice-key and --bob-key, or --allow FILE")
    return Allow(keys)


if __name__ == "__main__":
    sys.exit(main())
