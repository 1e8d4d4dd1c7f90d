"""Small ONNX models, and running a model and its import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mltoolkit.converters.source_model import SourceModel

Shape = Sequence[int | str | None]
FLOAT = TensorProto.FLOAT


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Shape | None]],
    outputs: Mapping[str, tuple[int, Shape | None]] | Sequence[str],
    weights: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
    domains: Sequence[tuple[str, int]] = (),
    **extra: Any,
) -> onnx.ModelProto:
    """A model; outputs may be given by name alone."""
    made = outputs if isinstance(outputs, Mapping) else dict.fromkeys(outputs, (FLOAT, None))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, *spec) for name, spec in inputs.items()],
        [helper.make_tensor_value_info(name, *spec) for name, spec in made.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*pair) for pair in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **extra)


def run(model: onnx.ModelProto | SourceModel | str, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The outputs of a model, or of what was imported, in onnxruntime without its optimizer."""
    if isinstance(model, SourceModel):
        model = ir.to_proto(model.model)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = model if isinstance(model, str) else model.SerializeToString()
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    results = session.run(None, {value.name: feeds[value.name] for value in session.get_inputs()})
    return [np.asarray(result) for result in results]


def decibels(reference: NDArray[Any], other: NDArray[Any]) -> float:
    """Signal to noise ratio; 400 where there is no difference."""
    assert reference.shape == other.shape, f"shape {other.shape} instead of {reference.shape}"
    one, two = reference.astype(np.float64), other.astype(np.float64)
    noise = float(((one - two) ** 2).sum())
    return 400.0 if noise == 0 else 10 * float(np.log10(max(float((one**2).sum()), 1e-300) / noise))


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Seeded normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def operators(source: SourceModel) -> list[str]:
    """The operators of the hub's main graph in order."""
    return [node.op_type for node in source.model.graph]
