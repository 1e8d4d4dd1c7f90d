"""An onnxruntime session over nodes of a hub graph.

Weights are no part of the serialised model: they are neither copied into it nor bound by protobuf's 2 GB limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import PredictionError, UnsupportedModelError
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import CUSTOM_DOMAIN, OPSET
from mltoolkit.graph.captured import values_read
from mltoolkit.runtime.freed_memory import return_freed_memory
from mltoolkit.runtime.session_weights import placed_weights

# Making a session frees about as much as its weights take; the C library keeps that unless it is asked.
_MANY_BYTES = 16 << 20


class OrtSession:
    """Runs some nodes of a graph.

    Args:
        nodes: the nodes, in topological order.
        inputs: the values fed in.
        outputs: the values read out.
        threads: threads for one operation; 0 lets onnxruntime use all cores.
        name: what runs, for errors.
        files: weight files that constants may be views of.
        keep_memory: whether to keep what the largest run took, for the next run.
    """

    def __init__(
        self,
        nodes: Sequence[ir.Node],
        inputs: Sequence[ir.Value],
        outputs: Sequence[ir.Value],
        *,
        threads: int,
        name: str,
        files: WeightFolder | None = None,
        keep_memory: bool = True,
    ) -> None:
        import onnxruntime as ort

        self._name = name
        self.input_names = [value.name or "" for value in inputs]
        self.output_names = [value.name or "" for value in outputs]
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = keep_memory
        # Errors come back as exceptions; warnings about a user's model are not the library's to print.
        options.log_severity_level = 4
        # Products of decoded weights in float32; by default onnxruntime computes them in 8 bits (46 dB).
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
        with placed_weights(_constants(nodes, outputs), files) as weights:
            weights.hand_over(options)
            model = _serialize(nodes, inputs, outputs, weights.initializers)
            try:
                self._session = ort.InferenceSession(
                    model, options, providers=["CPUExecutionProvider"], disabled_optimizers=_wrong_here(nodes)
                )
            except Exception as error:  # onnxruntime's exceptions share no base class of their own
                raise UnsupportedModelError(
                    f"onnxruntime refuses the model: {_first_line(error)}", where=name
                ) from error
        if weights.bytes >= _MANY_BYTES:
            return_freed_memory()

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


def _wrong_here(nodes: Iterable[ir.Node]) -> list[str]:
    """Rewrites of onnxruntime's that would change results.

    Pad_Fusion gives the padding of a Pad to the MaxPool behind it, where padding never wins: zeros lose against
    negative numbers (onnxruntime 1.31).
    """
    for node in nodes:
        maker = node.inputs[0].producer() if node.op_type == "MaxPool" and node.inputs[0] is not None else None
        if maker is not None and maker.op_type == "Pad":
            return ["Pad_Fusion"]
    return []


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _constants(nodes: Iterable[ir.Node], outputs: Iterable[ir.Value]) -> dict[str, ir.TensorProtocol]:
    used = [value for node in nodes for value in values_read(node)]
    return {value.name or "": value.const_value for value in (*used, *outputs) if value.const_value is not None}


def _serialize(
    nodes: Sequence[ir.Node],
    inputs: Sequence[ir.Value],
    outputs: Sequence[ir.Value],
    initializers: Sequence[onnx.TensorProto],
) -> bytes:
    graph = onnx.helper.make_graph(
        [ir.serde.serialize_node(node) for node in nodes],
        "mltoolkit",
        [ir.serde.serialize_value(value) for value in inputs],
        [ir.serde.serialize_value(value) for value in outputs],
        initializers,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(CUSTOM_DOMAIN, 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return model.SerializeToString()
