"""A server of GET requests, for whoever may look, until the work is done.

Without a token it listens on loopback alone, and answers only under a name of loopback: so a
foreign page in a browser on this host cannot have its own name resolved to this address and read
the answers. With a token, that is the password of HTTP's basic authentication, for any user name.
Nothing is encrypted: beyond loopback, use a proxy or a tunnel.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from aiohttp import web

from ..errors import ConfigError
from ..keyring import is_loopback
from ..parsers import Address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LINGER = 0.2  # seconds that requests under way get when the work is done


@contextlib.asynccontextmanager
async def serving(
    option: str, where: Address, token: str | None, routes: Mapping[str, Handler]
) -> AsyncIterator[str]:
    """A context that serves `routes`. Its value is the URL. ConfigError if the address cannot be
    served."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None:
            if not is_loopback(f"http://{request.host}"):
                raise web.HTTPForbidden(text="this is served under the names of loopback alone\n")
        elif not _knows(token, request.headers.get("Authorization", "")):
            raise web.HTTPUnauthorized(
                headers={"WWW-Authenticate": 'Basic realm="mpc", charset="UTF-8"'}
            )
        return await handler(request)

    async def headed(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)

    app = web.Application(middlewares=[guarded])
    app.on_response_prepare.append(headed)
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=LINGER)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, None if where.host == "*" else where.host, where.port).start()
        except OSError as error:
            # the loop's own says it at length
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise ConfigError(
                f"{option}: nothing can be served at {where.host}:{where.port} ({why}); name"
                " another port or an address of this host"
            ) from None
        host, port = runner.addresses[0][:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _knows(token: str, authorization: str) -> bool:
    """Whether the password of the request is the token (RFC 7617)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        password = base64.b64decode(encoded, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(password, token.encode())
