"""ONNX → hub."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir

from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.onnx_import.inputs import InputDeclaration, declare_inputs
from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.reading import read_source
from mltoolkit.converters.onnx_import.shape_hints import merge_hint, shape_hints
from mltoolkit.converters.onnx_import.simplify import simplified
from mltoolkit.converters.onnx_import.walk import Walker
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.graph.builder import Dimension, GraphBuilder, known_shape
from mltoolkit.graph.model_graph import GraphBlob, GraphLayer

logger = logging.getLogger(__name__)

_MANY_BYTES = 32 << 20

_Layers = list[tuple[SourceNode, tuple[ir.Value, ...]]]


def import_onnx(
    source: Path | str | bytes | onnx.ModelProto | ir.Model,
    *,
    hooks: HookSet | None = None,
    input_shapes: Mapping[str, Sequence[Dimension]] | None = None,
    simplify: bool = True,
    title: str = "",
) -> SourceModel:
    """Read an ONNX model of opset 7 or newer.

    Args:
        source: path of an .onnx file, its content, or a model in memory, which is left unchanged.
        hooks: custom conversion functions.
        input_shapes: shapes of inputs by name, in place of those in the file; names and None are sizes that stay
            unknown. A size given for a named one holds wherever that name stands.
        simplify: let onnxscript's optimizer work on the result.
        title: what messages call the model; its path or name when left out.

    Raises:
        ModelFileError: the file is missing, truncated or no ONNX model.
        InvalidModelError: the model contradicts itself.
        UnsupportedLayersError: operators without a form in the hub; all of them are named.
        UnsupportedModelError: an opset or a kind of input that is not known.
        ArgumentError: a name or shape in ``input_shapes`` does not fit the model.
    """
    model, where = read_source(source)
    where = title or where
    try:
        imported = _imported(model, where, hooks or HookSet(), input_shapes or {}, simplify)
    except (InvalidModelError, UnsupportedModelError) as error:
        error.add_note(f"while reading {where}")
        raise
    weights = sum(
        value.const_value.nbytes
        for value in imported.model.graph.initializers.values()
        if value.const_value is not None
    )
    del model
    if weights > _MANY_BYTES:
        # Nodes and values refer to each other: the source and what was simplified would keep their weights for long.
        gc.collect()
    return imported


def _imported(
    model: ir.Model,
    where: str,
    hooks: HookSet,
    input_shapes: Mapping[str, Sequence[Dimension]],
    simplify: bool,
) -> SourceModel:
    opsets = _checked_opsets(model, where)
    graph = model.graph
    builder = GraphBuilder(graph.name or "onnx", fold_constants=True)
    walker = Walker(builder, hooks, model.functions, model.ir_version or 0)
    inputs = declare_inputs(graph, input_shapes)
    for declared in inputs:
        walker.bind(declared.source, builder.input(declared.name, declared.dtype, declared.shape))
    names = _SourceNames(builder, graph, inputs)
    hints = shape_hints(model, inputs, overridden=bool(input_shapes))
    layers: _Layers = []
    with walker.within(opsets=opsets, attributes={}, scope=""):
        for node, outputs in walker.walk(graph):
            for output, value in zip(node.source.outputs, outputs, strict=False):
                names.give(value, output.name or "")
                merge_hint(value, hints.get(output.name or ""))
            layers.append((node, outputs))
    walker.unsupported.raise_if_any(where)
    finals = [_final(builder, walker, names, value) for value in graph.outputs]
    hub = builder.finish(finals)
    for key in ("producer_name", "producer_version", "doc_string"):
        if getattr(model, key, None):
            hub.metadata_props[f"source.{key}"] = str(getattr(model, key))
    _check_types(finals, graph.outputs)
    hub = simplified(hub) if simplify else hub
    return SourceModel(hub, "ONNX", _traced(layers, hub), dict(walker.custom_layers))


def _checked_opsets(model: ir.Model, where: str) -> dict[str, int]:
    opsets = {("" if domain == "ai.onnx" else domain): version for domain, version in model.opset_imports.items()}
    newest = onnx.defs.onnx_opset_version()
    version = opsets.setdefault("", 1)
    if version > newest or version < 1:
        raise UnsupportedModelError(
            f"the model is written in ONNX opset {version}; this onnx {onnx.__version__} knows 1 to {newest}",
            where=where,
            fix="Update the onnx package, or export the model in an older opset",
        )
    return opsets


class _SourceNames:
    """Gives values of the hub the names that they have in the source."""

    def __init__(self, builder: GraphBuilder, graph: ir.Graph, inputs: Sequence[InputDeclaration]) -> None:
        taken = {declared.name for declared in inputs}
        self._free = {value.name or "" for node in graph for value in node.outputs} - taken - {""}
        self._named: set[ir.Value] = set()
        builder.reserve(self._free)

    def give(self, value: ir.Value, name: str) -> None:
        """Name a value after what it is in the source, if it is made by a node and has no such name yet."""
        if name in self._free and value not in self._named and value.producer() is not None:
            value.name = name
            self._free.discard(name)
            self._named.add(value)


def _final(builder: GraphBuilder, walker: Walker, names: _SourceNames, source: ir.Value) -> ir.Value:
    """The value of an output, under its own name."""
    value = walker.value(source)
    if value is None or value in walker.sequences or not isinstance(value.type, ir.TensorType):
        raise UnsupportedModelError(f"the output {source.name!r} is a sequence or an optional value, not a tensor")
    if value.name == source.name:
        return value
    copy = builder.op("Identity", value)
    copy.name = source.name
    return copy


def _check_types(outputs: Sequence[ir.Value], declared: Sequence[ir.Value]) -> None:
    for value, source in zip(outputs, declared, strict=True):
        if source.dtype is not None and value.dtype is not None and source.dtype != value.dtype:
            raise InvalidModelError(
                f"the output {source.name!r} is declared as {source.dtype.name}, but it is {value.dtype.name}"
            )


def _traced(layers: _Layers, hub: ir.Model) -> tuple[GraphLayer, ...]:
    """The source's nodes with those of their outputs that the hub still has."""
    present = {value.name: value for node in hub.graph for value in node.outputs}
    traced = []
    for node, outputs in layers:
        blobs = []
        for source, value in zip(node.source.outputs, outputs, strict=False):
            found = present.get(value.name)
            if found is not None and source.name:
                blobs.append(GraphBlob(source.name, found.name or "", known_shape(found)))
        traced.append(GraphLayer(node.name, node.op_type, tuple(blobs)))
    return tuple(traced)
