"""`python -m party import`: an ONNX model as a network for both parties, and weights that stay with
their owner."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from protocol.errors import ConfigError, DataError
from protocol.graph import Array
from protocol.jobs import Input
from protocol.networks import write
from protocol.wording import counted

from ..command_settings import ImportSettings
from ..data import save_results
from ..inputs import load_tensor

WIDEST = 2.0**60  # of a number in rows of calibration
DIVIDING = ("Div", "Normalizer", "Reciprocal")
WIDE = 2.0**24  # of a number in a layer, for which a plan has bits to spare


def run(settings: ImportSettings) -> int:
    """Write NAME.json, the architecture, and NAME.npz, the weights if there are any; print who
    learns what, and the ranges that hold inside. Exit code 0; MpcError, with nothing written, for a
    model that cannot be computed."""
    from ..formats.onnx.importing import import_model
    from ..formats.onnx.reading import read_model

    if len(settings.model) != 1:
        raise ConfigError("name one model: python -m party import MODEL.onnx --out NAME")
    path = Path(settings.model[0])
    out = settings.out or path.with_suffix("")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: the directory {out.parent} does not exist; make it first")
    text, arrays = out.with_name(out.name + ".json"), out.with_name(out.name + ".npz")
    draft = read_model(path)
    rows = _rows(draft.inputs, settings.calibrate)
    model = import_model(
        draft,
        ranges=dict(settings.range),
        rows=rows,
        outputs=settings.output,
        reveal=settings.reveal,
        peak=settings.peak or math.inf,
        any_batch=settings.any_batch,
    )
    network = model.network
    if model.weights:
        save_results(arrays, {f"model.{name}": each for name, each in model.weights.items()})
    try:
        write(text, network)
    except OSError as error:
        if model.weights:
            arrays.unlink(missing_ok=True)
        raise DataError(
            f"the network cannot be written to {text} ({error.strerror}); mend that and import"
            " again"
        ) from None
    count = sum(value.size for value in model.weights.values())
    print(
        f"{path}: {counted(len(network.nodes), 'operator')},"
        f" {counted(len(model.weights), 'weight')} of {counted(count, 'number')}"
    )
    print(
        f"{text}: the architecture. Give it to bob: he learns the operators, all sizes and what"
        " follows."
    )
    for name, entry in network.inputs.items():
        shape = "x".join(map(str, entry.shape))
        print(
            f"  {entry.owner} brings {name} ({shape}), numbers from {entry.low:g} to {entry.high:g}"
        )
    for name in network.outputs:
        classes = ", ".join(network.classes.get(name, ()))
        print(f"  {network.reveal} learns {name}" + (f" ({classes})" if classes else ""))
    if model.told:
        print(f"  numbers that the graph or an operator needs in public: {', '.join(model.told)}")
    ranges = [limit for node in network.nodes for limit in node.within.values()]
    how = (
        "from your rows and weights"
        if model.calibrated
        else "from your weights; rows of yours (--calibrate) make them narrower"
    )
    print(
        f"  powers of two that bound the weights, their mean size and"
        f" {counted(len(ranges), 'layer')}, {how}"
    )
    print(
        "The error that a plan states is that of rows that fill these bounds; on others it is"
        " smaller, often by ten or a hundred times: compare with --simulate on rows of yours."
    )
    for node in network.nodes:
        if node.operator in DIVIDING and node.inputs[-1] not in {
            *network.weights,
            *network.constants,
        }:
            print(
                f"Note: {node.label} divides by what may be near 0, as far as is known, so the"
                " error that a plan states says nothing of rows where it is not."
            )
    print(
        f"{arrays}: the weights, for you alone."
        if model.weights
        else f"{arrays} is not written: the model has no weights to keep secret."
    )
    for note in model.notes:
        print(f"Note: {note}.")
    name, peak = model.widest
    if peak > WIDE:
        print(
            f"Note: numbers of {name} may be as large as {peak:.1e}, as far as is known, and many"
            " bits are kept for them: show with --calibrate how large they get, or say it with"
            " --peak."
        )
    print(
        f"Next: python -m party plan --job {text} --shape …, then at both python -m party --job"
        f" {text}{f', and here --data {arrays}' if model.weights else ''}"
    )
    return 0


def _rows(inputs: Mapping[str, tuple[int | str, ...]], given: Sequence[str]) -> dict[str, Array]:
    """Rows of calibration by input: FILE where the model has one input, NAME=FILE."""
    found = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals:
            name, file = next(iter(inputs)), text
        if name not in inputs or (not equals and len(inputs) > 1):
            raise ConfigError(
                f"--calibrate {text}: write INPUT=FILE, of the model's inputs {', '.join(inputs)}"
            )
        found[name] = load_tensor(
            name, Path(file), Input("alice", ("rows", *inputs[name][1:]), -WIDEST, WIDEST)
        )
    return found
