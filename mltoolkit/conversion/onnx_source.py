"""ONNX models: read, and run by onnxruntime as they are."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.conversion.imported import Arrays, Imported, Reference
from mltoolkit.conversion.onnx_session import open_session, run_session
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.sources import Source
from mltoolkit.converters.onnx_export.interface import target_from_metadata
from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.converters.onnx_import.reading import read_source
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.graph.model_graph import GraphLayer


def open_onnx(source: Source, options: Options) -> Imported:
    """Import an ONNX model; see :func:`~mltoolkit.converters.onnx_import.importer.import_onnx` for what it raises."""
    model, _ = read_source(source.value)
    names = [value.name or "" for value in model.graph.inputs if value.name not in model.graph.initializers]
    metadata = dict(model.metadata_props)
    shapes = options.shapes_by_name(names)
    hub = import_onnx(model, hooks=options.hooks, input_shapes=shapes, title=source.title)
    # Nodes and values refer to each other, and with them the weights of the source would stay.
    del model
    gc.collect()
    reference: Reference | None = None
    reason = ""
    try:
        reference = OnnxReference(source.value, hub)
    except UnsupportedModelError as error:
        reason = error.what
    return Imported(
        kind="ONNX",
        title=source.title,
        way="ONNX → hub → Core ML",
        layers=len(hub.layers),
        hub=hub,
        target=target_from_metadata(
            metadata,
            [value.name or "" for value in hub.model.graph.inputs],
            [value.name or "" for value in hub.model.graph.outputs],
        ),
        reference=reference,
        without_reference=reason,
    )


_RANDOM = frozenset(
    ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
)


class OnnxReference:
    """Runs the original model in onnxruntime.

    Args:
        source: path, message or onnx_ir model.
        hub: what was imported from it; inputs and outputs stand in the same order.

    Raises:
        UnsupportedModelError: onnxruntime refuses it; an operator of a foreign domain, say.
    """

    def __init__(self, source: Path | onnx.ModelProto | ir.Model, hub: SourceModel) -> None:
        self._source = source
        # Opened to see that it can be, and again for each run: its weights shall not lie beside those of the session
        # that it is compared with. Random numbers would be the same in each new session, so there one is kept.
        session = open_session(source)
        self._names = [item.name for item in session.get_outputs()]
        self._kept = session if any(node.op_type in _RANDOM for node in hub.model.graph.all_nodes()) else None
        self._inputs = [value.name or "" for value in hub.model.graph.inputs]
        self._outputs = [value.name or "" for value in hub.model.graph.outputs]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs by name."""
        results = run_session(self._kept or open_session(self._source), feeds, self._inputs, self._names)
        return {own: results[name] for own, name in zip(self._outputs, self._names, strict=True)}

    def layer_outputs(self, feeds: Mapping[str, NDArray[Any]], layers: Sequence[GraphLayer]) -> Arrays:
        """Outputs of the graph's nodes by their ONNX names."""
        model = self._source
        if isinstance(model, ir.Model):
            proto = ir.to_proto(model)
        elif isinstance(model, onnx.ModelProto):
            proto = onnx.ModelProto()
            proto.CopyFrom(model)
        else:
            proto = onnx.load(model)
        known = {name for node in proto.graph.node for name in node.output if name}
        given = {item.name for item in proto.graph.output}
        wanted = [blob.name for layer in layers for blob in layer.outputs if blob.name in known]
        more = [name for name in dict.fromkeys(wanted) if name not in given]
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
        return run_session(open_session(proto), feeds, self._inputs, wanted) if wanted else {}
