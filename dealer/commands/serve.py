"""`python -m dealer`: serve any number of sessions until told to stop."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from protocol import kernels
from protocol.channel import Allow, parse_shape
from protocol.errors import ConfigError
from protocol.keyring import PLAINTEXT, other_key, own_key
from protocol.log import configure
from protocol.processes import run_until_signalled
from protocol.web.options import Watch

from ..live import parts
from ..metrics import samples
from ..service import Service, Settings
from ..settings import ServeSettings


def run(settings: ServeSettings) -> int:
    listen = str(settings.listen)
    watch = Watch.of(settings.page, settings.metrics, settings.token())
    keys = own_key("dealer", settings.key, (listen,), settings.insecure_plaintext)
    log, _ = configure("dealer", settings.log_format, settings.quiet)
    if keys is None:
        log(PLAINTEXT, "plaintext", "warning")
    of_service = Settings(
        listen=listen,
        keys=keys,
        allow=None if keys is None else _allowed(settings),
        workers=settings.workers,
        timeout=settings.timeout,
        max_sessions=settings.max_sessions,
        max_plan_size=settings.max_plan_size,
        max_step_memory=settings.max_step_memory,
        max_stock=settings.max_stock,
        max_memory=settings.max_memory,
        weights=dict(settings.weight),
        shape=parse_shape(settings.link) if settings.link else None,
    )
    kernels.ready(log)
    service = Service(of_service, log)

    async def serve() -> None:
        async with (
            watch.serving(log, parts(service), partial(samples, service))
            if watch
            else nullcontext()
        ):
            await service.run()

    run_until_signalled(
        serve(),
        reload=lambda: service.reload(None if keys is None else _allowed(settings.reread())),
    )
    return 0


def _allowed(settings: ServeSettings) -> Allow:
    """Everybody who may connect, as the options, the configuration file and the list of keys say
    now."""
    if settings.allow is not None:
        return Allow.load(settings.allow)
    lines, shared = {"alice": settings.alice_key, "bob": settings.bob_key}, settings.key is None
    found = [other_key(role, line, shared) for role, line in lines.items()]
    keys = [key for key in found if key is not None]
    if len(keys) < 2:
        raise ConfigError(
            "the dealer needs the public keys of both parties: --alice-key and --bob-key, or"
            " --allow FILE"
        )
    return Allow(keys)
