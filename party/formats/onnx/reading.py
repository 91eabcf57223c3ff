"""An ONNX file as a draft: checked, brought up to one operator set, with the shapes that it lets
infer.

Models of an older operator set are converted upwards. Where onnx has no converter for one of their
operators, the model is taken as it is, and each of its operators is looked up with the version that
it has there.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import (
    TensorProto,
    checker,
    defs,
    helper,
    inliner,
    numpy_helper,
    shape_inference,
    version_converter,
)

from protocol.errors import DataError, JobError
from protocol.networks import NEWEST, OPERATORS, TARGET

from .draft import Draft, DraftNode

CLASSICAL = "ai.onnx.ml"
KINDS = {
    "f": "float",
    "i": "int",
    "u": "int",
    "b": "bool",
    "O": "string",
    "U": "string",
    "S": "string",
}


def read_model(path: Path) -> Draft:
    """DataError for what is no model; JobError, with all operators that are not offered, for one
    that cannot be computed."""
    model = _load(path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    foreign = [node for node in model.graph.node if node.domain not in ("", "ai.onnx", CLASSICAL)]
    if foreign:
        refuse(
            path,
            [
                f"{each.op_type} {each.name!r}: it is of the domain {each.domain}, which is not"
                " ONNX's own"
                for each in foreign
            ],
        )
    model = _converted(model)
    opset = _opset(model)
    problems = [text for node in model.graph.node if (text := _version_fault(node, opset))]
    if problems:
        refuse(path, problems)
    return _draft(path, _inferred(model), opset)


def refuse(path: Path, problems: list[str]) -> None:
    """JobError with the problems found, the first twenty of them."""
    shown = "; ".join(problems[:20]) + (
        f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
    )
    raise JobError(f"the model {path} cannot be computed here: {shown}")


def _load(path: Path) -> Any:
    try:
        if not path.is_file():
            raise DataError(f"the model {path} does not exist or is no file; check the path")
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise DataError(
            f"the model {path} cannot be read ({error.strerror}); see to its permissions"
        ) from None
    except DataError:
        raise
    except Exception:  # the seam: protobuf raises what it likes
        raise DataError(f"the model {path} is damaged, or no ONNX file: export it again") from None
    if any(each.data_location == TensorProto.EXTERNAL for each in model.graph.initializer):
        raise DataError(
            f"the model {path} keeps its weights in other files; save it as one, as "
            "onnx.save(onnx.load(path), path, save_as_external_data=False) does"
        )
    if not model.graph.node:
        raise DataError(f"the model {path} has no nodes; export it again")
    bare = _describe_outputs(model)
    try:
        checker.check_model(model)
    except Exception as error:  # the seam: ValidationError, and others of onnx's own
        raise DataError(
            f"the model {path} is not valid ONNX: {' '.join(str(error).split())[:300]}"
        ) from None
    for each in bare:
        each.ClearField("type")
    return model


def _describe_outputs(model: Any) -> list[Any]:
    """Give outputs that have no type or no shape, as runtimes take them, those that follow from
    the graph. Of outputs where none does, which are returned, a type that only the checker is to
    see."""

    def lacks(value: Any) -> bool:
        kind = value.type.tensor_type
        return not value.type.WhichOneof("value") or (
            value.type.HasField("tensor_type") and not (kind.elem_type and kind.HasField("shape"))
        )

    bare = [each for each in model.graph.output if lacks(each)]
    if not bare:
        return []
    known = {each.name: each.type for each in (*model.graph.input, *_inferred(model).graph.output)}
    for each in bare:
        if each.name in known:
            each.type.CopyFrom(known[each.name])
    bare = [each for each in bare if lacks(each)]
    for each in bare:
        each.type.tensor_type.elem_type = each.type.tensor_type.elem_type or TensorProto.FLOAT
        each.type.tensor_type.shape.SetInParent()
    return bare


def _opset(model: Any) -> int:
    return max(
        (each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=1
    )


def _converted(model: Any) -> Any:
    if _opset(model) >= TARGET or not any(
        each.domain in ("", "ai.onnx") for each in model.opset_import
    ):
        return model
    try:
        return version_converter.convert_version(model, TARGET)
    except Exception:  # the seam: there is no converter for an operator; it is looked up as it is
        return model


def _version_fault(node: Any, opset: int) -> str:
    """Why an operator, as that operator set has it, is not the one of the table; "" where it is."""
    known = OPERATORS.get(node.op_type)
    if known is None or node.domain == CLASSICAL:
        return ""
    try:
        version = defs.get_schema(
            node.op_type, min(opset, defs.onnx_opset_version()), ""
        ).since_version
    except Exception:  # the seam: SchemaError
        return f"{node.op_type} {node.name!r}: there is none in the operator set {opset} of ONNX"
    if known.since <= version <= NEWEST:
        return ""
    wanted = (
        f"from version {known.since} on" if version < known.since else f"up to version {NEWEST}"
    )
    return (
        f"{node.op_type} {node.name!r}: it is version {version} of this operator, and offered is it"
        f" {wanted}"
    )


def _inferred(model: Any) -> Any:
    try:
        return shape_inference.infer_shapes(model)
    except Exception:  # the seam: shapes are a help, and no more
        return model


def _draft(path: Path, model: Any, opset: int) -> Draft:
    graph = model.graph
    constants = {each.name: array_of(each) for each in graph.initializer}
    for sparse in graph.sparse_initializer:
        raise DataError(
            f"the model {path} has sparse weights ({sparse.values.name}); export it with dense ones"
        )
    literals = {name for name, value in constants.items() if value.ndim == 0}
    inputs: dict[str, tuple[int | str, ...]] = {}
    draft = Draft(
        path,
        opset,
        [],
        constants,
        inputs,
        {each.name: each.name for each in graph.output},
        literals=literals,
    )
    for each in (*graph.input, *graph.value_info, *graph.output):
        _describe(draft, each)
    for each in graph.input:
        if each.name not in constants:
            inputs[each.name] = _input_shape(path, each)
    for node in graph.node:
        attributes = {
            each.name: _attribute(helper.get_attribute_value(each)) for each in node.attribute
        }
        domain = CLASSICAL if node.domain == CLASSICAL else ""
        operands = list(node.input)
        while operands and not operands[-1]:  # the last ones, left out
            operands.pop()
        draft.nodes.append(
            DraftNode(node.op_type, operands, list(node.output), attributes, node.name, domain)
        )
    return draft


def array_of(tensor: Any) -> Any:
    """A tensor of the file as an array; of types that NumPy has not (bfloat16, float8), as
    float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = numpy_helper.to_array(tensor)
    return array if array.dtype.kind in KINDS else array.astype(np.float32)  # bfloat16, float8


def _describe(draft: Draft, value: Any) -> None:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return
    if kind.elem_type:
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        draft.kinds[value.name] = KINDS.get(np.dtype(dtype).kind, "float")
    if kind.HasField("shape"):
        draft.shapes[value.name] = tuple(
            each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim
        )


def _input_shape(path: Path, value: Any) -> tuple[int | str, ...]:
    """The first axis is the batch, whose length is the data's to say; others must be known."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        raise DataError(
            f"the model {path}: its input {value.name} has no shape; export it with one"
        )
    shape: list[int | str] = []
    for axis, each in enumerate(kind.shape.dim):
        if each.dim_value > 0:
            shape.append(each.dim_value)
        elif axis == 0:
            shape.append("n")
        else:
            name = f" ({each.dim_param})" if each.dim_param else ""
            raise DataError(
                f"the model {path}: axis {axis}{name} of its input {value.name} has no length; only"
                " the batch, axis 0, may be open: export the model for rows of one shape"
            )
    return tuple(shape)


def _attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, TensorProto):
        return array_of(value)
    if isinstance(value, (int, float, str)):
        return value
    if isinstance(value, (list, tuple)) or hasattr(value, "__len__"):
        return [_attribute(each) for each in value]
    return value  # a graph, or what else no operator here takes
