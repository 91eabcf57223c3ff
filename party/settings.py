"""What a party can be told, in classes that commands share: options, environment variables and keys
of configuration files."""

from __future__ import annotations

from protocol.log import LOG_FORMAT
from protocol.parsers import (
    address,
    choice,
    duration,
    file_path,
    listen_address,
    positive,
    session_name,
    whole,
)
from protocol.settings import Config, Flag, Many, Setting
from protocol.web.options import WatchSettings

from .parsers import rate

DEALER = "tcp://127.0.0.1:7700"
PEER = "tcp://127.0.0.1:7701"


class InputSettings(Config):
    """What a job is made with: its parameters, and data of its owners."""

    param = Many("a parameter of the job; both parties give the same", str, metavar="NAME=VALUE")
    data = Many(
        "a tensor of this party: .npy, .npz, IDX, or numbers in .csv, .tsv, .txt, compressed or"
        " not; a .npz alone brings all its arrays",
        str,
        metavar="NAME=FILE",
    )
    table = Many(
        "a table with named columns, from which the job's tables take theirs: .csv, .tsv, .parquet,"
        " .feather, .xlsx, .npz; NAME=FILE is for the job's table NAME alone",
        str,
        metavar="[NAME=]FILE",
    )
    header = Setting(
        "whether text files have the columns' names in their first line",
        choice("auto", "yes", "no"),
        "auto",
    )


class JobAndInputSettings(InputSettings, order="job iterations param reveal ..."):
    """Which job it is, and what the parties agree on about it, too."""

    job = Setting(
        "a job by name (seed, mlp, logistic-regression, …; a name that is none lists them), a .toml"
        " file, a Python file with a Job, or a network that `import` wrote",
        str,
        "seed",
        metavar="NAME|FILE",
    )
    iterations = Setting(
        "how often the job's step is run; default: what the job says", whole(0), metavar="N"
    )
    reveal = Setting(
        "who learns the results: alice, bob, both or none; default: what the job says",
        choice("alice", "bob", "both", "none"),
    )


class PeerSettings(Config):
    """What makes a party that meets the other one."""

    role = Setting(
        "which party this process is: alice (brings the model) or bob (brings the data)",
        choice("alice", "bob"),
    )
    session = Setting(
        "name of the session; sessions of different names share one dealer",
        session_name,
        "default",
    )
    peer = Setting(
        "where alice listens for bob, and bob finds alice", listen_address, PEER, metavar="ADDRESS"
    )
    key = Setting(
        "this party's secret key file, made by keygen; on loopback keys are made by themselves",
        file_path,
        metavar="FILE",
    )
    peer_key = Setting(
        "the other party's public key, the line that its keygen printed", str, metavar="KEY"
    )
    insecure_plaintext = Flag(
        "no keys and no encryption at all; refused on addresses other than loopback"
    )
    timeout = Setting(
        "silence after which the peer or the dealer is given up",
        positive(duration),
        "30s",
        metavar="TIME",
    )
    wait = Setting(
        "how long to wait for the others to be started", positive(duration), "5m", metavar="TIME"
    )
    link = Setting(
        "make the link to the peer slower: rtt=40ms,jitter=5ms,bandwidth=100mbit, or lan, metro,"
        " continent, ocean, mobile",
        str,
    )


class PartySettings(
    PeerSettings,
    WatchSettings,
    order="role session dealer peer material key peer_key dealer_key insecure_plaintext timeout"
    " wait state checkpoint_every rtt bandwidth dealer_bandwidth link dealer_link threads guard"
    " accept_out_of_range page metrics watch_token",
):
    """What makes a party, whatever it runs: the arguments of `api.Party` too."""

    dealer = Setting("where the dealer listens", address, DEALER, metavar="ADDRESS")
    material = Setting(
        "this party's file of material made ahead by `python -m dealer precompute`: then no dealer"
        " is needed",
        file_path,
        metavar="FILE",
    )
    dealer_key = Setting("the dealer's public key", str, metavar="KEY")
    state = Setting(
        "a folder for checkpoints: a run that was killed goes on from there",
        file_path,
        metavar="DIR",
    )
    checkpoint_every = Setting(
        "time between two checkpoints", positive(duration), "5s", metavar="TIME"
    )
    rtt = Setting(
        "round-trip time between the parties that is planned for; both say the same; default: a"
        " local network's",
        duration,
        metavar="TIME",
    )
    bandwidth = Setting(
        "the same of the bandwidth between them, bits per second, or none for no limit",
        rate,
        metavar="RATE",
    )
    dealer_bandwidth = Setting(
        "the same of the bandwidth from the dealer to bob; none where the material is there"
        " already",
        rate,
        metavar="RATE",
    )
    dealer_link = Setting("the same for the link to the dealer", str)
    threads = Setting(
        "threads that multiply large matrices; more than 1 pays where this party has the processors"
        " to itself",
        whole(1, 256),
        "1",
        metavar="N",
    )
    guard = Setting(
        "count, on shares, the values that have left the range assumed for them, and reveal the"
        " counts; both parties say the same",
        choice("on", "off"),
        "on",
    )
    accept_out_of_range = Flag("give the results although values have left their range")


class OutputSettings(Config):
    """What becomes of results."""

    out = Setting(
        "write what was revealed to this party: .npz all of it, .npy or .csv the first, .onnx the"
        " model",
        file_path,
        metavar="FILE",
    )
    json = Flag("print the report as one line of JSON")
    quiet = Flag("say nothing but the result")


class TakingPartSettings(PartySettings, InputSettings, OutputSettings):
    """What a command can be told that takes part in a session."""

    model = Setting(
        "begin with the model that --keep left: this party's share", file_path, metavar="FILE"
    )
    fresh = Flag("begin anew: state that --state has of this session is set aside (give it once)")
    log_format = LOG_FORMAT
