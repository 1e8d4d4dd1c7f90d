"""An onnxruntime session over nodes of a hub graph.

Weights are handed over in memory (``add_external_initializers``): they are neither copied into a serialised
model nor bound by protobuf's 2 GB limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import PredictionError, UnsupportedModelError
from mltoolkit.graph.builder import CUSTOM_DOMAIN, OPSET
from mltoolkit.graph.captured import values_read

# Smaller constants are part of the serialised graph: shapes, axes and scalars must be seen by the optimiser.
_IN_MEMORY_BYTES = 1024


class OrtSession:
    """Runs some nodes of a graph.

    Args:
        nodes: the nodes, in topological order.
        inputs: the values fed in.
        outputs: the values read out.
        threads: threads for one operation; 0 lets onnxruntime use all cores.
        name: what runs, for errors.
    """

    def __init__(
        self,
        nodes: Sequence[ir.Node],
        inputs: Sequence[ir.Value],
        outputs: Sequence[ir.Value],
        *,
        threads: int,
        name: str,
    ) -> None:
        import onnxruntime as ort

        self._name = name
        self.input_names = [value.name or "" for value in inputs]
        self.output_names = [value.name or "" for value in outputs]
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Errors come back as exceptions; warnings about a user's model are not the library's to print.
        options.log_severity_level = 4
        model, weights = _serialize(nodes, inputs, outputs)
        if weights:
            # OrtApi::AddExternalInitializers: "The data will be copied into the graph"; nothing need be kept.
            values = [ort.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
            options.add_external_initializers(list(weights), values)
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise UnsupportedModelError(f"onnxruntime refuses the model: {_first_line(error)}", where=name) from error

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs, by value name.

        Raises:
            PredictionError: onnxruntime failed.
        """
        try:
            results = self._session.run(self.output_names, {name: feeds[name] for name in self.input_names})
        except Exception as error:  # see above
            raise PredictionError(f"the model failed while it ran: {_first_line(error)}", where=self._name) from error
        return dict(zip(self.output_names, results, strict=True))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _constants(nodes: Iterable[ir.Node], outputs: Iterable[ir.Value]) -> dict[str, ir.Value]:
    used = [value for node in nodes for value in values_read(node)]
    return {value.name or "": value for value in (*used, *outputs) if value.const_value is not None}


def _serialize(
    nodes: Sequence[ir.Node], inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]
) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """The nodes as a serialised ModelProto, and the large constants that it refers to by name."""
    weights: dict[str, NDArray[Any]] = {}
    initializers: list[onnx.TensorProto] = []
    for name, value in _constants(nodes, outputs).items():
        tensor = value.const_value
        assert tensor is not None
        if tensor.nbytes < _IN_MEMORY_BYTES:
            initializers.append(ir.serde.serialize_tensor(tensor))
            continue
        weights[name] = np.ascontiguousarray(tensor.numpy())
        initializers.append(_reference(name, tensor))
    graph = onnx.helper.make_graph(
        [ir.serde.serialize_node(node) for node in nodes],
        "mltoolkit",
        [ir.serde.serialize_value(value) for value in inputs],
        [ir.serde.serialize_value(value) for value in outputs],
        initializers,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(CUSTOM_DOMAIN, 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return model.SerializeToString(), weights


def _reference(name: str, tensor: ir.TensorProtocol) -> onnx.TensorProto:
    proto = onnx.TensorProto(
        name=name,
        dims=list(tensor.shape.numpy()),
        data_type=int(tensor.dtype),
        data_location=onnx.TensorProto.EXTERNAL,
    )
    for key, text in (("location", "memory"), ("offset", "0"), ("length", str(tensor.nbytes))):
        proto.external_data.add(key=key, value=text)
    return proto
