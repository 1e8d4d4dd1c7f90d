"""The hub's graph as an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx_ir as ir

from mltoolkit.converters.onnx_export.custom import describe_custom_nodes
from mltoolkit.converters.onnx_export.interface import describe_interface
from mltoolkit.converters.onnx_export.quantized_weights import store_codes
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import ArgumentError, ModelFileError, UnsupportedModelError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.formats.features import ImageFeature
from mltoolkit.graph.builder import CUSTOM_DOMAIN
from mltoolkit.graph.image_outputs import add_batch_axis
from mltoolkit.graph.model_graph import ModelGraph

# protobuf holds at most 2 GiB; the graph itself needs a part of it.
MAX_BYTES_IN_FILE = 1_900_000_000
# Weights from this size on go into the file beside the model, if there is one.
_EXTERNAL_BYTES = 1024


def to_onnx(
    source: ModelGraph | SourceModel,
    *,
    quantize_dequantize: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> ir.Model:
    """The model that :func:`export_graph` writes; what is given stays as it is."""
    model = source.model.clone()
    properties: dict[str, str] = {}
    if isinstance(source, ModelGraph):
        for feature in source.interface.outputs:
            if isinstance(feature, ImageFeature):
                add_batch_axis(model.graph, feature.name)
        properties = describe_interface(source)
    descriptions = source.custom_descriptions if isinstance(source, ModelGraph) else source.custom_layers
    if not describe_custom_nodes(model.graph, descriptions):
        model.graph.opset_imports.pop(CUSTOM_DOMAIN, None)
    if quantize_dequantize:
        store_codes(model.graph)
    for name, value in list(model.graph.initializers.items()):
        value.meta.clear()
        # Values that only shape inference used; onnxruntime warns of them.
        if not value.uses() and not value.is_graph_output():
            model.graph.initializers.pop(name)
    model.metadata_props.update({**(metadata or {}), **properties})
    model.producer_name = "mltoolkit"
    return model


def export_graph(
    source: ModelGraph | SourceModel,
    path: str | os.PathLike[str],
    *,
    quantize_dequantize: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a graph as .onnx file, checked by ONNX's own checker.

    Pictures are pixel values 0 to 255, float32 (1, C, H, W) with the channels in the order of their colour space; what
    a Core ML file does to pixels first is part of the graph. Picture outputs have the same form, neither rounded nor
    clipped. A classifier gives its probabilities (classes,); its labels stand in the file's metadata (see
    :mod:`~mltoolkit.converters.onnx_export.interface`). States are inputs, and outputs named ``…/written``. Custom
    layers are nodes of the domain ``mltoolkit.custom`` (see :mod:`~mltoolkit.converters.onnx_export.custom`).

    Args:
        source: what is written.
        path: the file; an existing one is replaced. A model of more than 1.9 GB gets its weights in a file of the same
            name with ``.data`` at the end, beside it.
        quantize_dequantize: store compressed weights as codes with the operations that decode them, see
            :mod:`~mltoolkit.converters.onnx_export.quantized_weights`.
        metadata: further texts for the file's ``metadata_props``.

    Returns:
        The path.

    Raises:
        ArgumentError: the path's suffix is not .onnx.
        ModelFileError: the file cannot be written.
        UnsupportedModelError: ONNX's checker refuses the graph.
    """
    target = Path(path)
    if target.suffix.lower() != ".onnx":
        raise ArgumentError(f"{str(target)!r} is no name of an ONNX file", fix=f"Use {target.stem + '.onnx'!r}")
    model = to_onnx(source, quantize_dequantize=quantize_dequantize, metadata=metadata)
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    try:
        if size > MAX_BYTES_IN_FILE:
            _write_with_data(model, target)
        else:
            proto = ir.to_proto(model)
            _check(proto, target)
            write_atomically(target, proto.SerializeToString(deterministic=True))
    except OSError as error:
        reason = "there is no such folder" if not target.parent.is_dir() else error.strerror or str(error)
        raise ModelFileError(f"the model cannot be written: {reason}", where=str(target)) from error
    return target


def _write_with_data(model: ir.Model, target: Path) -> None:
    """The model and, in a file beside it, its weights; the checker reads them from there."""
    data = target.name + ".data"
    ir.save(model, target, external_data=data, size_threshold_bytes=_EXTERNAL_BYTES)
    try:
        _check(target, target)
    except BaseException:
        target.unlink(missing_ok=True)
        (target.parent / data).unlink(missing_ok=True)
        raise


def _check(model: onnx.ModelProto | Path, target: Path) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        raise UnsupportedModelError(
            f"ONNX's checker refuses the model: {lines[0] if lines else error}", where=target.name
        ) from error
