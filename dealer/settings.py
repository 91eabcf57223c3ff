"""What a dealer can be told: one table for options, environment variables and configuration
files."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from protocol.config import Setting
from protocol.errors import ConfigError
from protocol.log import SETTING as LOG_FORMAT
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
from protocol.web.options import WATCH

_THREADS = whole(1, 256)


def makers(text: str) -> int | str:
    """How many threads, or the address of a Dask scheduler."""
    where = urlsplit(text)
    if where.scheme != "dask":
        return _THREADS(text)
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


OF_THE_PARTIES = (
    "accept_out_of_range alice any_batch bandwidth bob both calibrate checkpoint_every classes"
    " dealer dealer_bandwidth dealer_key dealer_link estimator fresh groups guard header held_out"
    " html keep label markdown match material measure model new_keys operations output peak peer"
    " peer_key plain predict range reveal role rtt save scale seconds_per_cell simulate size state"
    " steps table target threads wait weights workloads yes"
)
"""Settings that only the parties have: their variables may stand in the same environment."""

LIMITS = (
    Setting("max_sessions", "sessions at a time", whole(1, 100_000), "64", metavar="N"),
    Setting(
        "max_step_memory", "memory that one step of a plan may need", size, "512MiB", metavar="SIZE"
    ),
    Setting("max_plan_size", "size of a plan, as it is sent", size, "1MiB", metavar="SIZE"),
    Setting(
        "max_memory",
        "memory that all sessions together may need by their plans, with twice --max-stock",
        size,
        "4GiB",
        metavar="SIZE",
    ),
    Setting(
        "max_stock",
        "material held ahead of the parties, all sessions together",
        size,
        "96MiB",
        metavar="SIZE",
    ),
)
TRUST = (
    Setting(
        "key",
        "the dealer's secret key file; on loopback keys are made by themselves",
        file_path,
        metavar="FILE",
    ),
    Setting("alice_key", "alice's public key", metavar="KEY"),
    Setting("bob_key", "bob's public key", metavar="KEY"),
    Setting(
        "allow", "a file of public keys that may connect, one a line", file_path, metavar="FILE"
    ),
    Setting(
        "insecure_plaintext",
        "no keys and no encryption at all; refused on addresses other than loopback",
        flag=True,
    ),
)
WORKERS = Setting(
    "workers",
    "threads that make material, or dask://HOST:8786: the scheduler of a Dask cluster that"
    " makes it",
    makers,
    "1",
    metavar="N|dask://…",
)
SERVE = (
    Setting(
        "listen",
        "where parties find the dealer",
        listen_address,
        "tcp://127.0.0.1:7700",
        metavar="ADDRESS",
    ),
    Setting(
        "link",
        "make the links to the parties slower: rtt=40ms,jitter=5ms,bandwidth=100mbit, or a profile:"
        " lan … mobile",
    ),
    WORKERS,
    Setting(
        "timeout",
        "silence after which a party is given up",
        positive(duration),
        "30s",
        metavar="TIME",
    ),
    Setting(
        "weight",
        "how much of the workers a session may have beside others, which have 1; names may be"
        " patterns: 'night-*=0.5'",
        weight,
        many=True,
        metavar="SESSION=NUMBER",
    ),
    *LIMITS,
    *TRUST,
    *WATCH,
    Setting("quiet", "say nothing but what may be wrong", flag=True),
    LOG_FORMAT,
)
JOB = (
    Setting(
        "plan",
        "the plan to make material for, from `python -m party plan --save FILE`",
        file_path,
        metavar="FILE",
    ),
    Setting(
        "job", "or the job itself; its plan is made in a process of its own", metavar="NAME|FILE.py"
    ),
    Setting(
        "iterations",
        "how often the job's step is run; default: what the job says",
        whole(0),
        metavar="N",
    ),
    Setting("param", "a parameter of the job", many=True, metavar="NAME=VALUE"),
    Setting("shape", "the shape of a tensor", many=True, metavar="NAME=ROWSxCOLUMNS"),
    Setting("data", "a tensor, of which only the shape is taken", many=True, metavar="NAME=FILE"),
)
PRECOMPUTE = (
    *JOB,
    Setting("session", "the one session that the material is for", session_name, "default"),
    Setting(
        "spare",
        "rows more than the steps need, for the steps that are done again after a crash",
        fraction,
        "10%",
        metavar="PERCENT",
    ),
    Setting(
        "valid", "how long the material may be used", positive(duration), "30d", metavar="TIME"
    ),
    Setting(
        "out",
        "the folder for both files, SESSION.alice.material and SESSION.bob.material",
        file_path,
        metavar="DIR",
    ),
    Setting("workers", "threads that make material", whole(1, 256), "1", metavar="N"),
    LIMITS[1],
    *TRUST[:3],
    Setting("quiet", "say nothing but the files' names", flag=True),
    LOG_FORMAT,
)
MEASURE = (
    *JOB,
    WORKERS,
    Setting("json", "print JSON", flag=True),
    TRUST[-1],
    Setting("quiet", "say nothing but the result", flag=True),
    LOG_FORMAT,
)
KEYGEN = (
    Setting(
        "out",
        "the secret key file; default: dealer.key in the user's configuration folder",
        file_path,
        metavar="FILE",
    ),
)
