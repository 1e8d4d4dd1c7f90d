"""The one checker of everything that writes Core ML: hub graph → file in both formats → read back → same numbers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import WrittenModel, write_core_ml
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.graph.opset import OPSET
from mltoolkit.model import Model

FORMATS = ("mlpackage", "mlmodel")
# float32 sums taken in another order: seven digits give about 120 dB, cancellation costs some of it.
MINIMUM_SQNR = 80.0


@dataclass
class Checked:
    """What was written in one format."""

    written: WrittenModel
    model: Model
    outputs: dict[str, NDArray[Any]]


def sqnr(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """Signal to noise in dB; infinite where the arrays agree, -inf where one has NaN or infinity alone."""
    expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    special = ~np.isfinite(expected) | ~np.isfinite(actual)
    if not np.array_equal(expected[special], actual[special], equal_nan=True):
        return -np.inf
    expected, actual = expected[~special], actual[~special]
    noise = float(np.sum((expected - actual) ** 2))
    return np.inf if noise == 0 else 10 * float(np.log10(max(np.sum(expected**2), 1e-300) / noise))


def one_node(
    op_type: str,
    feeds: Mapping[str, NDArray[Any]],
    constants: Mapping[str, NDArray[Any]] | None = None,
    inputs: Sequence[str] | None = None,
    outputs: int = 1,
    shapes: Mapping[str, Sequence[Any]] | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """An ONNX model of one node.

    Args:
        op_type: its operator.
        feeds: the graph's inputs, for their types and shapes.
        constants: further inputs that are initializers.
        inputs: the order of the node's inputs ("" for one left out); feeds, then constants when left out.
        outputs: how many outputs it has.
        shapes: declared shapes of inputs other than those of the feeds, such as symbolic ones.
        attributes: its attributes.
    """
    constants = constants or {}
    names = list(inputs) if inputs is not None else [*feeds, *constants]
    results = [f"y{index}" if index else "y" for index in range(outputs)]
    node = helper.make_node(op_type, names, results, **attributes)
    graph = helper.make_graph(
        [node],
        op_type.lower(),
        [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                (shapes or {}).get(name, array.shape),
            )
            for name, array in feeds.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in results],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = finished(graph)
    for output in model.graph.output:
        if not output.type.tensor_type.elem_type:
            # ONNX infers nothing through some of its functions; their results have the type of their first input.
            output.type.CopyFrom(model.graph.input[0].type)
    return model


def finished(graph: onnx.GraphProto) -> onnx.ModelProto:
    """A model of the hub's opset around a graph, its types and shapes inferred."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    types = {item.name: item for item in inferred.graph.value_info}
    for output in inferred.graph.output:
        if not output.type.tensor_type.elem_type and output.name in types:
            output.CopyFrom(types[output.name])
    return inferred


def source_of(model: onnx.ModelProto) -> SourceModel:
    """An ONNX model as an importer gives it."""
    return SourceModel(ir.from_proto(model), "ONNX")


def reference(model: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What onnxruntime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(feeds)), strict=True))


def run_written(written: WrittenModel, feeds: Mapping[str, NDArray[Any]]) -> tuple[Model, dict[str, NDArray[Any]]]:
    """Read a written model back and run it."""
    model = Model(written.spec, weights_dir=written.weights_dir)
    data = {written.renamed.get(name, name): _core_ml_form(array) for name, array in feeds.items()}
    back = {new: old for old, new in written.renamed.items()}
    return model, {back.get(name, name): array for name, array in model.predict_raw(data).items()}


def _core_ml_form(array: NDArray[Any]) -> NDArray[Any]:
    array = array.reshape(1) if array.ndim == 0 else array
    if array.dtype.kind in "biu":
        return array.astype(np.int32)
    return array.astype(np.float32)


def check_onnx(
    model: onnx.ModelProto,
    feeds: Mapping[str, NDArray[Any]],
    *,
    expected: Mapping[str, NDArray[Any]] | None = None,
    formats: Sequence[str] = FORMATS,
    minimum: float = MINIMUM_SQNR,
    **target: Any,
) -> dict[str, Checked]:
    """Write a model in both formats, read each back, run it and compare it with onnxruntime.

    Args:
        model: an ONNX model of the hub's opset.
        feeds: inputs by name.
        expected: outputs by name; onnxruntime's when left out.
        formats: which formats.
        minimum: the least SQNR in dB of floating outputs; integers and bools must be equal.
        target: further arguments of CoreMLTarget.
    """
    expected = expected if expected is not None else reference(model, feeds)
    checked = {}
    for format in formats:
        written = write_core_ml(source_of(model), CoreMLTarget(format=format, **target))
        try:
            read, outputs = run_written(written, feeds)
        finally:
            if written.weights_dir is not None:
                shutil.rmtree(written.weights_dir, ignore_errors=True)
        for name, array in expected.items():
            compare(array, outputs[name], f"{format}, output {name!r}", minimum)
        checked[format] = Checked(written, read, outputs)
    return checked


def compare(expected: Any, actual: NDArray[Any], where: str, minimum: float = MINIMUM_SQNR) -> None:
    """Compare an output; a scalar is an array of one element in Core ML."""
    expected = np.asarray(expected)
    shape = expected.shape or (1,)
    assert actual.shape == shape, f"{where}: shape {actual.shape}, not {shape}"
    if expected.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected.reshape(shape).astype(np.int64), err_msg=where)
    else:
        ratio = sqnr(expected.reshape(shape), actual)
        assert ratio >= minimum, f"{where}: {ratio:.1f} dB"


def check_refused(model: onnx.ModelProto, words: str, formats: Sequence[str] = FORMATS, **target: Any) -> None:
    """Check that a model is refused in the given formats, with words in the message."""
    for format in formats:
        try:
            write_core_ml(source_of(model), CoreMLTarget(format=format, **target))
        except UnsupportedModelError as error:
            assert words in str(error), f"{format}: {error}"
        else:
            raise AssertionError(f"{format}: it was written")
