"""`python -m dealer`: serve any number of sessions until told to stop."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from protocol import kernels
from protocol.channel import Allow, parse_shape
from protocol.config import Config
from protocol.errors import ConfigError
from protocol.keyring import PLAINTEXT, other_key, own_key
from protocol.log import configure
from protocol.processes import run_until_signalled
from protocol.web.options import Watch

from ..live import parts
from ..metrics import samples
from ..service import Service, Settings


def run(config: Config) -> int:
    listen, watch = str(config.listen), Watch.of(config)
    keys = own_key("dealer", config.key, (listen,), config.insecure_plaintext)
    log, _ = configure("dealer", config.log_format, config.quiet)
    if keys is None:
        log(PLAINTEXT, "plaintext", "warning")
    settings = Settings(
        listen=listen,
        keys=keys,
        allow=None if keys is None else _allowed(config),
        workers=config.workers,
        timeout=config.timeout,
        max_sessions=config.max_sessions,
        max_plan_size=config.max_plan_size,
        max_step_memory=config.max_step_memory,
        max_stock=config.max_stock,
        max_memory=config.max_memory,
        weights=dict(config.weight),
        shape=parse_shape(config.link) if config.link else None,
    )
    kernels.ready(log)
    service = Service(settings, log)

    async def serve() -> None:
        async with (
            watch.serving(log, parts(service), partial(samples, service))
            if watch
            else nullcontext()
        ):
            await service.run()

    run_until_signalled(
        serve(), reload=lambda: service.reload(None if keys is None else _allowed(config.reread()))
    )
    return 0


def _allowed(config: Config) -> Allow:
    """Everybody who may connect, as the options, the configuration file and the list of keys say
    now."""
    if config.allow is not None:
        return Allow.load(config.allow)
    lines, shared = {"alice": config.alice_key, "bob": config.bob_key}, config.key is None
    found = [other_key(role, line, shared) for role, line in lines.items()]
    keys = [key for key in found if key is not None]
    if len(keys) < 2:
        raise ConfigError(
            "the dealer needs the public keys of both parties: --alice-key and --bob-key, or"
            " --allow FILE"
        )
    return Allow(keys)
