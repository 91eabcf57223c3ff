"""`python -m dealer`: serve any number of sessions until told to stop."""

from __future__ import annotations

from pathlib import Path

from protocol.channel import Allow
from protocol.config import Config
from protocol.errors import ConfigError
from protocol.keyring import other_key, own_key
from protocol.log import Log
from protocol.processes import run_until_signalled

from ..service import Service, Settings


def run(config: Config) -> int:
    listen = str(config.listen)
    keys = own_key("dealer", config.key, (listen,), config.insecure_plaintext)
    allow = None if keys is None else _allowed(config.allow, config.alice_key, config.bob_key, config.key is None)
    settings = Settings(
        listen, keys, allow, config.workers, config.timeout, config.max_step_memory, config.max_sessions
    )

    log = Log("dealer", config.log_format, config.quiet)
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
