"""The settings of each command of `python -m party`."""

from __future__ import annotations

from protocol.log import LOG_FORMAT
from protocol.parsers import choice, duration, file_path, fraction, positive, whole
from protocol.settings import Config, Flag, Many, Setting

from .parsers import magnitude, range_of, rate, ratio, several, shape_of
from .settings import (
    InputSettings,
    JobAndInputSettings,
    OutputSettings,
    PartySettings,
    PeerSettings,
    TakingPartSettings,
)


class RunSettings(
    JobAndInputSettings,
    TakingPartSettings,
    order="role job iterations param reveal data table header keep model ... measure plain simulate"
    " out json quiet log_format",
):
    """Of `python -m party run`, and of `doctor`, which looks at what a run would do."""

    keep = Setting(
        "keep the trained model shared: this party's share goes to this file, and nobody learns it;"
        " both parties say so",
        file_path,
        metavar="FILE",
    )
    measure = Setting(
        "measure every N steps as one: the first third of them in free run, the rest with their"
        " material at hand; both parties say the same",
        whole(1),
        metavar="N",
    )
    plain = Flag(
        "run the job in the clear, in float64, in this process alone: --data has the tensors of"
        " both"
    )
    simulate = Flag(
        "run both parties and a dealer in this process alone: --data has the tensors of both"
    )


class PredictSettings(
    TakingPartSettings,
    order="role model job param data table header reveal ... out json quiet log_format",
):
    """Of `python -m party predict`."""

    job = Setting(
        "the job that trained the model; default: the file that it was trained from",
        str,
        metavar="NAME|FILE",
    )
    reveal = Many(
        "who learns what: classes=bob, probabilities=alice, scores=both, or bob alone for the"
        " predictions, which are classes or scores; both parties say the same; default: the"
        " predictions go to whoever brings the rows",
        str,
        metavar="[KIND=]WHO",
    )


class RotateSettings(PeerSettings, order="role model ..."):
    """Of `python -m party rotate`."""

    model = TakingPartSettings.model
    quiet = OutputSettings.quiet
    log_format = LOG_FORMAT
    new_keys = Flag(
        "bind the model to the keys that both have now, for one was replaced; both parties say so"
    )


class PlanSettings(JobAndInputSettings):
    """Of `python -m party plan`."""

    keep = RunSettings.keep
    model = TakingPartSettings.model
    predict = Many("plan a prediction with the model: who learns what", str, metavar="[KIND=]WHO")
    guard = PartySettings.guard
    shape = Many("the shape of a tensor that is not at hand", shape_of, metavar="NAME=ROWSxCOLUMNS")
    rtt = PartySettings.rtt
    bandwidth = PartySettings.bandwidth
    dealer_bandwidth = PartySettings.dealer_bandwidth
    spare = Setting(
        "rows more than the steps need in material made ahead, for its size",
        fraction,
        "10%",
        metavar="PERCENT",
    )
    save = Setting(
        "write the dealing part of the plan, from which `python -m dealer precompute --plan` works",
        file_path,
        metavar="FILE",
    )
    html = Setting(
        "write the plan as a page with pictures, for a browser", file_path, metavar="FILE.html"
    )
    link = PartySettings.link
    dealer_link = PartySettings.dealer_link
    json = OutputSettings.json


class DemoSettings(JobAndInputSettings):
    """Of `python -m party demo`."""

    rtt = PartySettings.rtt
    bandwidth = PartySettings.bandwidth
    dealer_bandwidth = PartySettings.dealer_bandwidth
    guard = PartySettings.guard
    timeout = Setting("how long the whole demo may take", positive(duration), "10m", metavar="TIME")
    link = PartySettings.link
    dealer_link = PartySettings.dealer_link
    out = OutputSettings.out
    json = OutputSettings.json
    quiet = OutputSettings.quiet
    accept_out_of_range = PartySettings.accept_out_of_range


class BenchSettings(Config):
    """Of `python -m party bench`."""

    workloads = Many(
        "which to measure, by name or the beginning of one; all of them if none is named",
        str,
        bare=True,
        metavar="NAME",
    )
    scale = Setting("sizes, as a multiple of the usual ones", ratio, "1", metavar="FACTOR")
    size = Setting(
        "the size itself: elements, rows of a matrix, or iterations", whole(1), metavar="N"
    )
    json = Flag("print one JSON object per workload, one to a line")


class OperationsSettings(Config):
    """Of `python -m party operations`."""

    operations = Many(
        "which to show, by a part of the name; all of them if none is named",
        str,
        bare=True,
        metavar="NAME",
    )
    markdown = Flag("print the page deploy/docs/operations.md")
    json = Flag("print one JSON object per operation, one to a line")


class LabSettings(InputSettings, order="job iterations ..."):
    """Of `python -m party lab`."""

    job = JobAndInputSettings.job
    iterations = JobAndInputSettings.iterations
    rtt = Setting("round-trip times", several(duration), "0,10,40,100,200ms", metavar="TIME,…")
    bandwidth = Setting(
        "bandwidths; none: no limit", several(rate), "10mbit,100mbit,1gbit", metavar="RATE,…"
    )
    dealer_link = Setting(
        "the links to the dealer, in every cell; default: like the one between the parties", str
    )
    seconds_per_cell = Setting(
        "how long the iterations of one cell should take", positive(duration), "5s", metavar="TIME"
    )
    out = Setting("the folder for tables and pictures", file_path, "lab", metavar="DIR")
    html = Setting(
        "write a report as a page with pictures, for a browser", file_path, metavar="FILE.html"
    )
    json = OutputSettings.json
    quiet = OutputSettings.quiet


class InitSettings(Config):
    """Of `python -m party init`."""

    out = Setting("the file that is written", file_path, "job.toml", metavar="FILE.toml")
    estimator = Setting(
        "what is to be learnt: logistic-regression, ridge, statistics and so on",
        str,
        metavar="NAME",
    )
    alice = Setting(
        'columns of alice: names, one with a comma in quotes as in a CSV file, age,"income, net";'
        " or how many there are",
        str,
        metavar="NAME,…|N",
    )
    bob = Setting("columns of bob", str, metavar="NAME,…|N")
    both = Setting("columns of which each has rows of her or his own", str, metavar="NAME,…|N")
    label = Setting(
        "the column of classes, with its owner, as in bob:default", str, metavar="WHO:NAME"
    )
    classes = Setting("its classes, in order, or how many", str, metavar="NAME,…|N")
    target = Setting(
        "the column that a regression is to predict, as in bob:price", str, metavar="WHO:NAME"
    )
    groups = Setting("the column of groups, as in bob:region", str, metavar="WHO:NAME")
    match = Setting(
        "the column of ids by which rows of both are matched; or order, where both have the same"
        " rows in the same order",
        str,
        metavar="NAME|order",
    )
    steps = Setting(
        "preparation of the columns, in order: fill, standardise, min-max, log1p; of one alone,"
        " one-hot:NAME, days:NAME, fill:NAME; or none",
        str,
        metavar="NAME,…",
    )
    held_out = Setting("the part of the rows that is held out", str, metavar="PART")
    param = Many("a parameter of the estimator", str, metavar="NAME=VALUE")
    reveal = Setting("who learns the result: alice, bob, both or none", str)
    yes = Flag("ask nothing that has a default")
    fresh = Flag("write over a file that is there")


class ImportSettings(Config):
    """Of `python -m party import`."""

    model = Many("the ONNX file", str, bare=True, metavar="MODEL.onnx")
    out = Setting(
        "NAME.json and NAME.npz are written; default: the model's name", file_path, metavar="NAME"
    )
    range = Many("the range of the numbers of an input", range_of, metavar="INPUT=LOW:HIGH")
    calibrate = Many(
        "rows of this party's that show how large numbers get", str, metavar="[INPUT=]FILE"
    )
    peak = Setting("what no number in a layer is said to exceed", magnitude, metavar="NUMBER")
    any_batch = Flag("take any number of rows, though the model was exported for a fixed one")
    output = Many("an output of the model that is wanted; default: all", str, metavar="NAME")
    reveal = Setting(
        "who learns the outputs: alice, bob, both or none",
        choice("alice", "bob", "both", "none"),
        "bob",
    )


class ExportSettings(Config):
    """Of `python -m party export`."""

    job = JobAndInputSettings.job
    param = InputSettings.param
    table = InputSettings.table
    header = InputSettings.header
    role = Setting("whose rows --table has, where both have some", choice("alice", "bob"))
    weights = Many(
        "a .npz of weights, as a run wrote it; a later one beats an earlier",
        str,
        metavar="FILE.npz",
    )
    out = Setting("the ONNX file to write", file_path, metavar="MODEL.onnx")


class NotebooksSettings(Config):
    """Of `python -m party notebooks`."""

    out = Setting("the folder that they are written to", file_path, "notebooks", metavar="DIR")
    fresh = Flag("write over notebooks that are there")


class KeygenSettings(Config):
    """Of `python -m party keygen`."""

    role = PeerSettings.role
    out = Setting(
        "the secret key file; default: <role>.key in the user's configuration folder",
        file_path,
        metavar="FILE",
    )
