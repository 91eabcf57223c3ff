"""What each command of `python -m dealer` can be told, by options, environment variables and
configuration files."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from protocol.errors import ConfigError
from protocol.log import LOG_FORMAT
from protocol.parsers import (
    duration,
    file_path,
    fraction,
    listen_address,
    positive,
    session_name,
    size,
    whole,
)
from protocol.settings import Config, Flag, Many, Setting
from protocol.web.options import WatchSettings

threads = whole(1, 256)


def makers(text: str) -> int | str:
    """How many threads, or the address of a Dask scheduler."""
    where = urlsplit(text)
    if where.scheme != "dask":
        return threads(text)
    try:
        if where.hostname and where.port and not where.path:
            return text
    except ValueError:  # of the port
        pass
    raise ConfigError(
        f"{text!r} is not the address of a Dask scheduler; write it like dask://host:8786"
    )


def weight(text: str) -> tuple[str, float]:
    """Names of sessions, and their weight."""
    name, _, number = text.rpartition("=")
    try:
        found = float(number)
    except ValueError:
        found = 0.0
    if not re.fullmatch(r"[A-Za-z0-9._*?-]{1,64}", name) or not 1e-3 <= found <= 1e3:
        raise ConfigError(
            f"{text!r} is no weight of a session; write it like night-*=0.5, from 0.001 to 1000"
        )
    return name, found


class ServeSettings(WatchSettings, order="... page metrics watch_token quiet log_format"):
    """Of `python -m dealer serve`."""

    listen = Setting(
        "where parties find the dealer",
        listen_address,
        "tcp://127.0.0.1:7700",
        metavar="ADDRESS",
    )
    link = Setting(
        "make the links to the parties slower: rtt=40ms,jitter=5ms,bandwidth=100mbit, or a profile:"
        " lan … mobile",
        str,
    )
    workers = Setting(
        "threads that make material, or dask://HOST:8786: the scheduler of a Dask cluster that"
        " makes it",
        makers,
        "1",
        metavar="N|dask://…",
    )
    timeout = Setting(
        "silence after which a party is given up", positive(duration), "30s", metavar="TIME"
    )
    weight = Many(
        "how much of the workers a session may have beside others, which have 1; names may be"
        " patterns: 'night-*=0.5'",
        weight,
        metavar="SESSION=NUMBER",
    )
    max_sessions = Setting("sessions at a time", whole(1, 100_000), "64", metavar="N")
    max_step_memory = Setting(
        "memory that one step of a plan may need", size, "512MiB", metavar="SIZE"
    )
    max_plan_size = Setting("size of a plan, as it is sent", size, "1MiB", metavar="SIZE")
    max_memory = Setting(
        "memory that all sessions together may need by their plans, with twice --max-stock",
        size,
        "4GiB",
        metavar="SIZE",
    )
    max_stock = Setting(
        "material held ahead of the parties, all sessions together", size, "96MiB", metavar="SIZE"
    )
    key = Setting(
        "the dealer's secret key file; on loopback keys are made by themselves",
        file_path,
        metavar="FILE",
    )
    alice_key = Setting("alice's public key", str, metavar="KEY")
    bob_key = Setting("bob's public key", str, metavar="KEY")
    allow = Setting("a file of public keys that may connect, one a line", file_path, metavar="FILE")
    insecure_plaintext = Flag(
        "no keys and no encryption at all; refused on addresses other than loopback"
    )
    quiet = Flag("say nothing but what may be wrong")
    log_format = LOG_FORMAT


class MaterialSettings(Config):
    """What material is made for."""

    plan = Setting(
        "the plan to make material for, from `python -m party plan --save FILE`",
        file_path,
        metavar="FILE",
    )
    job = Setting(
        "or the job itself; its plan is made in a process of its own", str, metavar="NAME|FILE.py"
    )
    iterations = Setting(
        "how often the job's step is run; default: what the job says", whole(0), metavar="N"
    )
    param = Many("a parameter of the job", str, metavar="NAME=VALUE")
    shape = Many("the shape of a tensor", str, metavar="NAME=ROWSxCOLUMNS")
    data = Many("a tensor, of which only the shape is taken", str, metavar="NAME=FILE")


class PrecomputeSettings(MaterialSettings):
    """Of `python -m dealer precompute`."""

    session = Setting("the one session that the material is for", session_name, "default")
    spare = Setting(
        "rows more than the steps need, for the steps that are done again after a crash",
        fraction,
        "10%",
        metavar="PERCENT",
    )
    valid = Setting("how long the material may be used", positive(duration), "30d", metavar="TIME")
    out = Setting(
        "the folder for both files, SESSION.alice.material and SESSION.bob.material",
        file_path,
        metavar="DIR",
    )
    workers = Setting("threads that make material", threads, "1", metavar="N")
    max_step_memory = ServeSettings.max_step_memory
    key = ServeSettings.key
    alice_key = ServeSettings.alice_key
    bob_key = ServeSettings.bob_key
    quiet = Flag("say nothing but the files' names")
    log_format = LOG_FORMAT


class MeasureSettings(MaterialSettings):
    """Of `python -m dealer measure`."""

    workers = ServeSettings.workers
    json = Flag("print JSON")
    insecure_plaintext = ServeSettings.insecure_plaintext
    quiet = Flag("say nothing but the result")
    log_format = LOG_FORMAT


class KeygenSettings(Config):
    """Of `python -m dealer keygen`."""

    out = Setting(
        "the secret key file; default: dealer.key in the user's configuration folder",
        file_path,
        metavar="FILE",
    )
