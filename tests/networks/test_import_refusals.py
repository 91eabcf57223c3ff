"""What cannot be imported is named: the operator, the node, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from networks.models import (
    graph_of,
    saved,
)
from onnx import helper

from party.__main__ import main


def test_what_cannot_be_computed_is_named_all_at_once(tmp_path, capsys):
    nodes = [
        helper.make_node("Sin", ["x"], ["a"], name="first"),
        helper.make_node("Det", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["x"], ["c"], name="third"),
        helper.make_node("Pow", ["c", "x"], ["d"], name="fourth"),
        helper.make_node("MaxPool", ["x"], ["e", "where"], kernel_shape=[2, 2], name="fifth"),
        helper.make_node("ReduceSum", ["where"], ["f"], name="sixth", keepdims=0),
    ]
    path = saved(graph_of(nodes, {"x": ["n", 1, 4, 4]}, {name: ["n"] for name in "bdef"}), tmp_path)
    assert main(["import", str(path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    for part in ("Sin 'first' ", "Det 'second'", "Pow", "fourth", "MaxPool", "its output"):
        assert part.strip() in said, part
    assert "third" not in said
    assert not path.with_suffix(".json").exists()


def wrong(folder: Path, kind: str) -> Path:
    """A file that is no model that can be imported."""
    path = folder / "model.onnx"
    relu = helper.make_node("Relu", ["x"], ["y"])
    match kind:
        case "garbage":
            path.write_bytes(b"\x00not a model")
        case "empty":
            path.write_bytes(b"")
        case "dynamic":
            saved(graph_of([relu], {"x": ["n", "width"]}, {"y": ["n", 2]}), folder)
        case "domain":
            node = helper.make_node("Fancy", ["x"], ["y"], domain="com.example", name="own")
            model = graph_of([node], {"x": ["n", 2]}, {"y": ["n", 2]})
            model.opset_import.append(helper.make_opsetid("com.example", 1))
            saved(model, folder)
        case "external":
            weights = np.ones((4, 4), np.float32)
            model = graph_of(
                [helper.make_node("MatMul", ["x", "w"], ["y"])],
                {"x": ["n", 4]},
                {"y": ["n", 4]},
                {"w": weights},
            )
            onnx.save(
                model,
                str(path),
                save_as_external_data=True,
                location="weights.bin",
                size_threshold=0,
            )
        case "nan":
            node = helper.make_node("MatMul", ["x", "w"], ["y"])
            saved(
                graph_of(
                    [node],
                    {"x": ["n", 4]},
                    {"y": ["n", 4]},
                    {"w": np.full((4, 4), np.nan, np.float32)},
                ),
                folder,
            )
        case "constant":
            nodes = [
                helper.make_node("Shape", ["x"], ["s"]),
                helper.make_node("Cast", ["s"], ["y"], to=1),
            ]
            saved(graph_of(nodes, {"x": ["n", 4]}, {"y": [2]}), folder)
        case "written":
            node = helper.make_node("Constant", [], ["y"], value_floats=[1.0, 2.0])
            saved(graph_of([node], {"x": ["n", 4]}, {"y": [2]}), folder)
        case "training":
            node = helper.make_node(
                "BatchNormalization", ["x", *"gbmv"], ["y", "p", "q"], training_mode=1, name="norm"
            )
            saved(
                graph_of(
                    [node],
                    {"x": ["n", 2]},
                    {"y": ["n", 2]},
                    {each: np.ones(2, np.float32) for each in "gbmv"},
                ),
                folder,
            )
        case "nameless":
            node = helper.make_node("LSTM", ["x", "w", "r"], ["", "y"], hidden_size=1)
            weights = {"w": np.ones((1, 4, 2), np.float32), "r": np.ones((1, 4, 1), np.float32)}
            saved(graph_of([node], {"x": ["n", 1, 2]}, {"y": [1, 1, 1]}, weights), folder)
        case "attribute":
            node = helper.make_node("Pad", ["x", "p"], ["y"], mode="odd")
            saved(
                graph_of([node], {"x": ["n", 2]}, {"y": ["n", 2]}, {"p": np.zeros(4, np.int64)}),
                folder,
            )
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "does not exist"),
        ("garbage", "no ONNX file"),
        ("empty", "no"),
        ("dynamic", "axis 1 (width) of its input x"),
        ("domain", "Fancy 'own': it is of the domain com.example"),
        ("external", "weights in other files"),
        ("nan", "the weights w of the model have NaN"),
        ("constant", "the output y depends on no input"),
        ("written", "the output y depends on no input"),
        ("training", "BatchNormalization 'norm': it is in training mode"),
        ("nameless", "LSTM 'y': there is no such operator here"),
        ("attribute", "Pad"),
    ],
)
def test_a_file_that_is_no_such_model_ends_in_a_sentence(kind, words, tmp_path, capsys):
    assert main(["import", str(wrong(tmp_path, kind))]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said and "\n" not in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not the file of a network"),
        ('{"inputs": {}}', "missing required field"),
        ('{"inputs":{},"weights":{},"constants":{},"nodes":[],"outputs":{}}', "lacks an input"),
        (
            '{"inputs":{"x":{"shape":["n"],"low":0,"high":1}},"weights":{},"constants":{},"outputs":{"y":"y"},'
            '"nodes":[{"operator":"Relu","inputs":["z"],"outputs":["y"]}]}',
            "Relu 'y' takes 'z', which nothing before it makes",
        ),
        (
            '{"inputs":{"x":{"shape":["n"],"low":0,"high":1}},"weights":{},"constants":{},"outputs":{"y":"y"},'
            '"nodes":[{"operator":"Exec","inputs":["x"],"outputs":["y"]}]}',
            "Exec 'y': there is no such operator",
        ),
    ],
)
def test_a_network_that_bob_was_given_is_checked(text, words, tmp_path, capsys):
    path = tmp_path / "network.json"
    path.write_text(text)
    assert main(["plan", "--job", str(path), "--shape", "x=3"]) == 2
    assert words in capsys.readouterr().err
