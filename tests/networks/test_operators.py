"""Every operator of the table against ONNX's own test cases (onnx.backend.test), and a sample of
them on shares.

A case is a model of one node with inputs and outputs; all inputs but the first of real numbers are
made constants, as in a model that somebody exports: real numbers become weights. What a case asks
for that is not offered is refused in a sentence, and listed here.
"""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from networks.models import imported, inputs_of, job_of, saved, twin
from onnx import numpy_helper

from protocol.errors import MpcError
from protocol.networks import NEWEST, OPERATORS, TARGET
from protocol.simulate import simulate

CLASSICAL = {
    "Scaler",
    "Normalizer",
    "LinearClassifier",
    "LinearRegressor",
    "ArrayFeatureExtractor",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
    "ZipMap",
}
OWN = {"Affine", "Trees"}
FOLDED = {"BatchNormalization", "Constant"}  # which the import itself computes
WITHOUT = {
    "Constant",
    "Equal",
    "Cast",
    "ConstantOfShape",
    "Range",
    "Shape",
    "ReduceProd",
    "And",
    "Not",
} | OWN  # no case is of secret reals
MOST = 400  # entries of a case that is computed on shares
# at most; 2e-4 else
OFF = {"Sigmoid": 1e-3, "Tanh": 1e-3, "Gelu": 6e-4, "Softplus": 5e-4, "Swish": 3e-3, "Cast": 8e-3}
REFUSED = "|".join(
    (
        r"slides over 3 axes",
        r"is not rounded to whole numbers",
        r"is in training mode",
        r"BatchNormalization 'y': there is no such operator",  # in training
        r"its output '\w+' is not offered",
        r"exponent|whole public powers|one number is needed",
        r"has no length; only the batch",
        r"must be a constant of the model",
        r"depends on no input|it is a constant of the network",
        r"does not become \(3, 4, 0\)",
        r"parts of \[0, 0, 0\]",
        r"holds no numbers",
        r"tensor with no entries|no values",
    )
)


@cache
def cases() -> dict[str, list[Any]]:
    """ONNX's cases by operator, of one node each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        found = load_model_tests(kind="node")
    table: dict[str, list[Any]] = {name: [] for name in sorted(set(OPERATORS) | CLASSICAL | FOLDED)}
    for case in found:
        nodes = [] if case.model is None else case.model.graph.node
        if (
            len(nodes) == 1
            and nodes[0].op_type in table
            and case.data_sets
            and not case.name.endswith("_expanded")
        ):
            table[nodes[0].op_type].append(case)
    return table


def prepared(case: Any) -> tuple[Any, str, np.ndarray, dict[str, np.ndarray]] | None:
    """A model whose only input is the case's first of real numbers, that input, and what is to come
    out; None where there is none."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.ir_version = 10
    inputs, outputs = case.data_sets[0]
    values = dict(zip([each.name for each in model.graph.input], map(_array, inputs), strict=False))
    name = next(
        (
            name
            for name, value in values.items()
            if value is not None and value.dtype in (np.float32, np.float64)
        ),
        None,
    )
    if (
        name is None
        or any(value is None for value in values.values())
        or not np.isfinite(values[name]).all()
    ):
        return None
    model.graph.initializer.extend(
        numpy_helper.from_array(value, each) for each, value in values.items() if each != name
    )
    kept = [each for each in model.graph.input if each.name == name]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    wanted = dict(
        zip([each.name for each in model.graph.output], map(_array, outputs), strict=True)
    )
    # what else they make is for training
    if model.graph.node[0].op_type in ("Dropout", "LayerNormalization"):
        del model.graph.node[0].output[1:], model.graph.output[1:]
        wanted = dict(list(wanted.items())[:1])
    return model, name, values[name].astype(np.float64), wanted


def _array(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else None


def attempt(
    case: Any, folder: Any
) -> tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray]] | str | None:
    """The job, its inputs and what is to come out; or the sentence that refuses it; None where
    nothing in it is a secret real number."""
    found = prepared(case)
    if found is None:
        return None
    model, name, x, wanted = found
    peak = 2.0 ** float(np.ceil(np.log2(max(1.0, np.abs(x).max(initial=0.0)))))
    try:
        made = imported(
            saved(model, folder),
            ranges={name: (0.0 if x.min(initial=0.0) >= 0.0 else -peak, peak)},
            reveal="both",
        )
    except MpcError as error:
        return str(error)
    (own,) = made.network.inputs
    return job_of(made, folder), inputs_of(made, **{own: x}), wanted


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) | CLASSICAL | FOLDED))
def test_an_operator_computes_what_onnx_says(operator, tmp_path):
    """All its cases in float64; the smallest that are not refused on shares too."""
    done: list[tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray]]] = []
    for case in cases()[operator]:
        found = attempt(case, tmp_path)
        if isinstance(found, str):
            assert re.search(REFUSED, found), (case.name, found)
        elif found is not None:
            agree(case.name, twin(*found[:2]), found[2], OFF.get(operator, 2e-4))
            done.append(found)
    assert bool(done) or operator in WITHOUT | CLASSICAL, "ONNX has no case of it that is computed"
    small = [each for each in done if sum(array.size for array in each[1].values()) <= MOST]
    for job, inputs, wanted in sorted(
        small, key=lambda each: sum(array.size for array in each[1].values())
    )[-1:]:
        agree(operator, simulate(job, inputs).results[1], wanted, OFF.get(operator, 2e-4) + 1e-3)


def agree(
    name: str, found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], bound: float
) -> None:
    assert len(found) == len(wanted), name
    for value, (label, each) in zip(found.values(), wanted.items(), strict=True):
        assert value.shape == each.shape, (name, label)
        scale = np.maximum(1.0, np.abs(each.astype(np.float64)))
        assert np.abs((value - each) / scale).max(initial=0.0) <= bound, (name, label)


def test_operators_of_the_table_are_known_in_the_versions_that_it_says():
    for name, each in OPERATORS.items():
        if name in OWN | CLASSICAL:
            continue
        versions = {
            schema.since_version
            for schema in onnx.defs.get_all_schemas_with_history()
            if schema.name == name and not schema.domain
        }
        assert each.since in versions, name
        assert min(versions) <= TARGET or each.since > TARGET
        assert max(version for version in versions if version <= NEWEST) >= each.since
