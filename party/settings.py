"""What a party can be told, in groups that commands share: options, environment variables and keys
of configuration files."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

from protocol.config import Setting
from protocol.errors import ConfigError
from protocol.parsers import (
    address,
    bandwidth,
    choice,
    duration,
    file_path,
    listen_address,
    positive,
    session_name,
    whole,
)
from protocol.web.options import WATCH

DEALER = "tcp://127.0.0.1:7700"
PEER = "tcp://127.0.0.1:7701"
OF_THE_DEALER = (
    "alice_key allow bob_key listen max_memory max_plan_size max_sessions max_step_memory max_stock"
    " plan valid weight workers"
)
"""Settings that only the dealer has: its variables may stand in the same environment."""


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """ "x=1000x20" → ("x", (1000, 20))."""
    name, equals, dims = text.partition("=")
    parts = dims.lower().split("x")
    if not equals or not name or not all(part.isdigit() for part in parts):
        raise ConfigError(f"{text!r} is not a shape; write it like x=1000x20")
    return name, tuple(int(part) for part in parts)


def range_of(text: str) -> tuple[str, tuple[float, float]]:
    """ "x=-1:1" → ("x", (-1.0, 1.0))."""
    name, equals, ends = text.partition("=")
    with contextlib.suppress(ValueError):
        low, high = (float(end) for end in ends.split(":"))
        if name and equals and -math.inf < low < high < math.inf:
            return name, (low, high)
    raise ConfigError(f"{text!r} is not a range; write it like x=-1:1")


def magnitude(text: str) -> float:
    """A finite number above 0."""
    with contextlib.suppress(ValueError):
        if 0.0 < float(text) < math.inf:
            return float(text)
    raise ConfigError(f"{text!r} is not a number above 0")


def ratio(text: str) -> float:
    """A number above 0."""
    with contextlib.suppress(ValueError):
        if 0.0 < float(text) <= 1000.0:
            return float(text)
    raise ConfigError(f"{text!r} is not a number above 0 and up to 1000")


def several(parse: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    """ "0,10,40ms" → (0.0, 0.01, 0.04): plain numbers have the unit of the last."""

    def parse_list(text: str) -> tuple[float, ...]:
        parts = [part.strip() for part in text.split(",")]
        unit = parts[-1].lstrip("0123456789.")
        return tuple(parse(part if part.lstrip("0123456789.") else part + unit) for part in parts)

    return parse_list


def rate(text: str) -> float:
    """Bits per second; 0: no limit."""
    return 0.0 if text == "none" else positive(bandwidth)(text)


ROLE = Setting(
    "role",
    "which party this process is: alice (brings the model) or bob (brings the data)",
    choice("alice", "bob"),
)
JOB = (
    Setting(
        "job",
        "a job by name (seed, mlp, logistic-regression, …; a name that is none lists them), a .toml"
        " file, a Python file with a Job, or a network that `import` wrote",
        default="seed",
        metavar="NAME|FILE",
    ),
    Setting(
        "iterations",
        "how often the job's step is run; default: what the job says",
        whole(0),
        metavar="N",
    ),
    Setting(
        "param",
        "a parameter of the job; both parties give the same",
        many=True,
        metavar="NAME=VALUE",
    ),
    Setting(
        "reveal",
        "who learns the results: alice, bob, both or none; default: what the job says",
        choice("alice", "bob", "both", "none"),
    ),
    Setting(
        "data",
        "a tensor of this party: .npy, .npz, IDX, or numbers in .csv, .tsv, .txt, compressed or"
        " not; a .npz alone brings all its arrays",
        many=True,
        metavar="NAME=FILE",
    ),
    Setting(
        "table",
        "a table with named columns, from which the job's tables take theirs: .csv, .tsv, .parquet,"
        " .feather, .xlsx, .npz; NAME=FILE is for the job's table NAME alone",
        many=True,
        metavar="[NAME=]FILE",
    ),
    Setting(
        "header",
        "whether text files have the columns' names in their first line",
        choice("auto", "yes", "no"),
        "auto",
    ),
)
KEEP = Setting(
    "keep",
    "keep the trained model shared: this party's share goes to this file, and nobody learns it;"
    " both parties say so",
    file_path,
    metavar="FILE",
)
MODEL = Setting(
    "model", "begin with the model that --keep left: this party's share", file_path, metavar="FILE"
)
GUARD = Setting(
    "guard",
    "count, on shares, the values that have left the range assumed for them, and reveal the counts;"
    " both parties say the same",
    choice("on", "off"),
    "on",
)
ACCEPT = Setting(
    "accept_out_of_range", "give the results although values have left their range", flag=True
)
SESSION = (
    Setting(
        "session",
        "name of the session; sessions of different names share one dealer",
        session_name,
        "default",
    ),
    Setting("dealer", "where the dealer listens", address, DEALER, metavar="ADDRESS"),
    Setting(
        "peer",
        "where alice listens for bob, and bob finds alice",
        listen_address,
        PEER,
        metavar="ADDRESS",
    ),
)
TRUST = (
    Setting(
        "key",
        "this party's secret key file, made by keygen; on loopback keys are made by themselves",
        file_path,
        metavar="FILE",
    ),
    Setting(
        "peer_key", "the other party's public key, the line that its keygen printed", metavar="KEY"
    ),
    Setting("dealer_key", "the dealer's public key", metavar="KEY"),
    Setting(
        "insecure_plaintext",
        "no keys and no encryption at all; refused on addresses other than loopback",
        flag=True,
    ),
)
PATIENCE = (
    Setting(
        "timeout",
        "silence after which the peer or the dealer is given up",
        positive(duration),
        "30s",
        metavar="TIME",
    ),
    Setting(
        "wait",
        "how long to wait for the others to be started",
        positive(duration),
        "5m",
        metavar="TIME",
    ),
)
MATERIAL = Setting(
    "material",
    "this party's file of material made ahead by `python -m dealer precompute`: then no dealer is"
    " needed",
    file_path,
    metavar="FILE",
)
STATE = Setting(
    "state",
    "a folder for checkpoints: a run that was killed goes on from there",
    file_path,
    metavar="DIR",
)
FRESH = Setting(
    "fresh",
    "begin anew: state that --state has of this session is set aside (give it once)",
    flag=True,
)
EVERY = Setting(
    "checkpoint_every", "time between two checkpoints", positive(duration), "5s", metavar="TIME"
)
NETWORK = (
    Setting(
        "rtt",
        "round-trip time between the parties that is planned for; both say the same; default: a"
        " local network's",
        duration,
        metavar="TIME",
    ),
    Setting(
        "bandwidth",
        "the same of the bandwidth between them, bits per second, or none for no limit",
        rate,
        metavar="RATE",
    ),
    Setting(
        "dealer_bandwidth",
        "the same of the bandwidth from the dealer to bob; none where the material is there"
        " already",
        rate,
        metavar="RATE",
    ),
)
LINK = (
    Setting(
        "link",
        "make the link to the peer slower: rtt=40ms,jitter=5ms,bandwidth=100mbit, or lan, metro,"
        " continent, ocean, mobile",
    ),
    Setting("dealer_link", "the same for the link to the dealer"),
)
MEASURE = Setting(
    "measure",
    "measure every N steps as one: the first third of them in free run, the rest with their"
    " material at hand; both parties say the same",
    whole(1),
    metavar="N",
)
OUTPUT = (
    Setting(
        "out",
        "write what was revealed to this party: .npz all of it, .npy or .csv the first, .onnx the"
        " model",
        file_path,
        metavar="FILE",
    ),
    Setting("json", "print the report as one line of JSON", flag=True),
    Setting("quiet", "say nothing but the result", flag=True),
)
THREADS = Setting(
    "threads",
    "threads that multiply large matrices; more than 1 pays where this party has the processors to"
    " itself",
    whole(1, 256),
    "1",
    metavar="N",
)
PARTY = (
    ROLE,
    *SESSION,
    MATERIAL,
    *TRUST,
    *PATIENCE,
    STATE,
    EVERY,
    *NETWORK,
    *LINK,
    THREADS,
    GUARD,
    ACCEPT,
    *WATCH,
)
"""What makes a party, whatever it runs: the arguments of `api.Party` too."""
