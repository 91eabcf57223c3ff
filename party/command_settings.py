"""The settings of each command of `python -m party`."""

from __future__ import annotations

from protocol.config import Setting
from protocol.log import SETTING as LOG_FORMAT
from protocol.parsers import choice, duration, file_path, fraction, positive, whole

from .settings import (
    ACCEPT,
    FRESH,
    GUARD,
    JOB,
    KEEP,
    LINK,
    MEASURE,
    MODEL,
    NETWORK,
    OUTPUT,
    PARTY,
    PATIENCE,
    ROLE,
    SESSION,
    TRUST,
    magnitude,
    range_of,
    rate,
    ratio,
    several,
    shape_of,
)

PREDICT = (
    ROLE,
    MODEL,
    Setting(
        "job",
        "the job that trained the model; default: the file that it was trained from",
        metavar="NAME|FILE",
    ),
    *(setting for setting in JOB if setting.name not in ("job", "iterations", "reveal")),
    Setting(
        "reveal",
        "who learns what: classes=bob, probabilities=alice, scores=both, or bob alone for the"
        " predictions, which are classes or scores; both parties say the same; default: the"
        " predictions go to whoever brings the rows",
        many=True,
        metavar="[KIND=]WHO",
    ),
    *PARTY[1:],
    FRESH,
    *OUTPUT,
    LOG_FORMAT,
)
ROTATE = (
    ROLE,
    MODEL,
    SESSION[0],
    SESSION[2],
    *TRUST[:2],
    TRUST[3],
    *PATIENCE,
    LINK[0],
    OUTPUT[2],
    LOG_FORMAT,
    Setting(
        "new_keys",
        "bind the model to the keys that both have now, for one was replaced; both parties say so",
        flag=True,
    ),
)

ALONE = (
    Setting(
        "plain",
        "run the job in the clear, in float64, in this process alone: --data has the tensors of"
        " both",
        flag=True,
    ),
    Setting(
        "simulate",
        "run both parties and a dealer in this process alone: --data has the tensors of both",
        flag=True,
    ),
)
RUN = (ROLE, *JOB, KEEP, MODEL, *PARTY[1:], FRESH, MEASURE, *ALONE, *OUTPUT, LOG_FORMAT)
PLAN = (
    *JOB,
    KEEP,
    MODEL,
    Setting(
        "predict",
        "plan a prediction with the model: who learns what",
        many=True,
        metavar="[KIND=]WHO",
    ),
    GUARD,
    Setting(
        "shape",
        "the shape of a tensor that is not at hand",
        shape_of,
        many=True,
        metavar="NAME=ROWSxCOLUMNS",
    ),
    *NETWORK,
    Setting(
        "spare",
        "rows more than the steps need in material made ahead, for its size",
        fraction,
        "10%",
        metavar="PERCENT",
    ),
    Setting(
        "save",
        "write the dealing part of the plan, from which `python -m dealer precompute --plan` works",
        file_path,
        metavar="FILE",
    ),
    Setting(
        "html",
        "write the plan as a page with pictures, for a browser",
        file_path,
        metavar="FILE.html",
    ),
    LINK[0],
    LINK[1],
    OUTPUT[1],
)
DEMO = (
    *JOB,
    *NETWORK,
    GUARD,
    Setting(
        "timeout", "how long the whole demo may take", positive(duration), "10m", metavar="TIME"
    ),
    *LINK,
    *OUTPUT,
    ACCEPT,
)
BENCH = (
    Setting(
        "workloads",
        "which to measure, by name or the beginning of one; all of them if none is named",
        many=True,
        bare=True,
        metavar="NAME",
    ),
    Setting("scale", "sizes, as a multiple of the usual ones", ratio, "1", metavar="FACTOR"),
    Setting(
        "size", "the size itself: elements, rows of a matrix, or iterations", whole(1), metavar="N"
    ),
    Setting("json", "print one JSON object per workload, one to a line", flag=True),
)
OPERATIONS = (
    Setting(
        "operations",
        "which to show, by a part of the name; all of them if none is named",
        many=True,
        bare=True,
        metavar="NAME",
    ),
    Setting("markdown", "print the page deploy/docs/operations.md", flag=True),
    Setting("json", "print one JSON object per operation, one to a line", flag=True),
)
LAB = (
    *(setting for setting in JOB if setting.name != "reveal"),
    Setting("rtt", "round-trip times", several(duration), "0,10,40,100,200ms", metavar="TIME,…"),
    Setting(
        "bandwidth",
        "bandwidths; none: no limit",
        several(rate),
        "10mbit,100mbit,1gbit",
        metavar="RATE,…",
    ),
    Setting(
        "dealer_link",
        "the links to the dealer, in every cell; default: like the one between the parties",
    ),
    Setting(
        "seconds_per_cell",
        "how long the iterations of one cell should take",
        positive(duration),
        "5s",
        metavar="TIME",
    ),
    Setting("out", "the folder for tables and pictures", file_path, "lab", metavar="DIR"),
    Setting(
        "html",
        "write a report as a page with pictures, for a browser",
        file_path,
        metavar="FILE.html",
    ),
    *OUTPUT[1:],
)
INIT = (
    Setting("out", "the file that is written", file_path, "job.toml", metavar="FILE.toml"),
    Setting(
        "estimator",
        "what is to be learnt: logistic-regression, ridge, statistics and so on",
        metavar="NAME",
    ),
    Setting("alice", "columns of alice: names, or how many there are", metavar="NAME,…|N"),
    Setting("bob", "columns of bob", metavar="NAME,…|N"),
    Setting("both", "columns of which each has rows of her or his own", metavar="NAME,…|N"),
    Setting(
        "label", "the column of classes, with its owner, as in bob:default", metavar="WHO:NAME"
    ),
    Setting("classes", "its classes, in order, or how many", metavar="NAME,…|N"),
    Setting(
        "target", "the column that a regression is to predict, as in bob:price", metavar="WHO:NAME"
    ),
    Setting("groups", "the column of groups, as in bob:region", metavar="WHO:NAME"),
    Setting(
        "match",
        "the column of ids by which rows of both are matched; or order, where both have the same"
        " rows in the same order",
        metavar="NAME|order",
    ),
    Setting(
        "steps",
        "preparation of the columns, in order: fill, standardise, min-max, log1p; of one alone,"
        " one-hot:NAME, days:NAME, fill:NAME; or none",
        metavar="NAME,…",
    ),
    Setting("held_out", "the part of the rows that is held out", metavar="PART"),
    Setting("param", "a parameter of the estimator", many=True, metavar="NAME=VALUE"),
    Setting("reveal", "who learns the result: alice, bob, both or none"),
    Setting("yes", "ask nothing that has a default", flag=True),
    Setting("fresh", "write over a file that is there", flag=True),
)
IMPORT = (
    Setting("model", "the ONNX file", many=True, bare=True, metavar="MODEL.onnx"),
    Setting(
        "out",
        "NAME.json and NAME.npz are written; default: the model's name",
        file_path,
        metavar="NAME",
    ),
    Setting(
        "range",
        "the range of the numbers of an input",
        range_of,
        many=True,
        metavar="INPUT=LOW:HIGH",
    ),
    Setting(
        "calibrate",
        "rows of this party's that show how large numbers get",
        many=True,
        metavar="[INPUT=]FILE",
    ),
    Setting("peak", "what no number in a layer is said to exceed", magnitude, metavar="NUMBER"),
    Setting(
        "any_batch",
        "take any number of rows, though the model was exported for a fixed one",
        flag=True,
    ),
    Setting(
        "output", "an output of the model that is wanted; default: all", many=True, metavar="NAME"
    ),
    Setting(
        "reveal",
        "who learns the outputs: alice, bob, both or none",
        choice("alice", "bob", "both", "none"),
        "bob",
    ),
)
EXPORT = (
    *(setting for setting in JOB if setting.name in ("job", "param", "table", "header")),
    Setting("role", "whose rows --table has, where both have some", choice("alice", "bob")),
    Setting(
        "weights",
        "a .npz of weights, as a run wrote it; a later one beats an earlier",
        many=True,
        metavar="FILE.npz",
    ),
    Setting("out", "the ONNX file to write", file_path, metavar="MODEL.onnx"),
)
NOTEBOOKS = (
    Setting("out", "the folder that they are written to", file_path, "notebooks", metavar="DIR"),
    Setting("fresh", "write over notebooks that are there", flag=True),
)
KEYGEN = (
    ROLE,
    Setting(
        "out",
        "the secret key file; default: <role>.key in the user's configuration folder",
        file_path,
        metavar="FILE",
    ),
)
