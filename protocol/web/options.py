"""The options of a page and of metrics, which need none of the libraries that serve them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..extras import needed
from ..keyring import is_loopback
from ..parsers import Address, file_path, listen_address
from ..settings import Config, Setting
from .measures import Sample

SHORTEST = 16  # characters of a token
AT = "HOST:PORT"


def web_address(text: str) -> Address:
    """ "127.0.0.1:8080", "8080" on loopback, "[::1]:8080"; port 0 is any free one."""
    host, _, port = re.sub("^(http|tcp)://", "", text).removesuffix("/").rpartition(":")
    try:
        return listen_address(f"tcp://{host or '127.0.0.1'}:{port}")
    except ConfigError:
        raise ConfigError(
            f"{text!r} is nowhere to serve a page at; write it like 127.0.0.1:8080"
        ) from None


class WatchSettings(Config):
    """What a process serves beside its work."""

    page = Setting("serve a page that shows the work at this address", web_address, metavar=AT)
    metrics = Setting(
        "serve counts and times for Prometheus at this address, under /metrics",
        web_address,
        metavar=AT,
    )
    watch_token = Setting(
        "a file with a token that --page and --metrics ask for as the password; needed beyond"
        " loopback",
        file_path,
        metavar="FILE",
    )

    def token(self) -> Path | None:
        """--watch-token, unless it is for other processes, with which this one shares a file or an
        environment, and which serve something."""
        asked = self.page or self.metrics or self.origin("watch_token") == "option"
        return self.watch_token if asked else None


def _token(option: str, where: Address, token: Path | None) -> str | None:
    """The token in the file, if there is one. ConfigError if it is none, or if one is needed."""
    if token is None:
        if not is_loopback(str(where)):
            raise ConfigError(
                f"{option}: {where.host} can be reached from other hosts, so it needs a token: give"
                " --watch-token FILE, or take 127.0.0.1"
            )
        return None
    try:
        text = token.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"--watch-token: {token} cannot be read: {why}") from None
    if not re.fullmatch(rf"[\x21-\x7e]{{{SHORTEST},200}}", text):
        raise ConfigError(
            f"--watch-token: {token} must have one word of {SHORTEST} to 200 letters and digits in"
            " it, as `openssl rand -hex 16` prints"
        )
    return text


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What a process was asked to serve."""

    page: Address | None
    metrics: Address | None
    token: Path | None

    @staticmethod
    def of(page: Address | None, metrics: Address | None, token: Path | None) -> Watch | None:
        """None for nothing. ConfigError if it cannot be served."""
        for name, where in (("page", page), ("metrics", metrics)):
            if where is not None:
                _token(f"--{name}", where, token)
                with needed(f"--{name}", name):
                    import_module(f".{name}", __package__)
        if page or metrics:
            return Watch(page=page, metrics=metrics, token=token)
        if token is not None:
            raise ConfigError(
                "--watch-token is what --page and --metrics ask for, and neither is given"
            )
        return None

    @contextlib.asynccontextmanager
    async def serving(
        self,
        note: Callable[[str, str], None],
        parts: Callable[[], Mapping[str, Any]],
        samples: Callable[[], Iterable[Sample]],
    ) -> AsyncIterator[None]:
        """Serve it while the block lasts: the page's `parts`, and the metrics' `samples`, as they
        stand when somebody asks."""
        async with contextlib.AsyncExitStack() as stack:
            if self.page is not None:
                from .page import page

                url = await stack.enter_async_context(
                    page(self.page, _token("--page", self.page, self.token), parts)
                )
                note(f"a page that shows this is at {url}{_openly(self.page)}", "page")
            if self.metrics is not None:
                from .metrics import metrics

                token = _token("--metrics", self.metrics, self.token)
                url = await stack.enter_async_context(metrics(self.metrics, token, samples))
                note(f"metrics are at {url}{_openly(self.metrics)}", "metrics")
            yield


def _openly(where: Address) -> str:
    """What to say beside a URL that others can reach."""
    return (
        ""
        if is_loopback(str(where))
        else ", not encrypted: put a proxy with TLS before it, or take a tunnel"
    )
