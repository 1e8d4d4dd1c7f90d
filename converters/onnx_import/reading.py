"""An ONNX model from a file, from bytes or from memory, whole and consistent, or an error that says what is wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from mltoolkit.converters.onnx_import.external_data import check_external_data
from mltoolkit.converters.onnx_import.structure import check_names, sort_graphs
from mltoolkit.errors import ArgumentError, InvalidModelError, ModelFileError, did_you_mean
from mltoolkit.formats.foreign_files import recognise

logger = logging.getLogger(__name__)


def read_source(source: Path | str | bytes | onnx.ModelProto | ir.Model) -> tuple[ir.Model, str]:
    """The model and how to call it in messages.

    Args:
        source: a path, the content of a file, or a model in memory; that is left unchanged.

    Raises:
        ModelFileError: the file is missing, truncated or no ONNX model, or a file with its weights is.
        InvalidModelError: the model contradicts itself.
        ArgumentError: the source is none of these.
    """
    if isinstance(source, ir.Model):
        _check_whole(source, source.graph.name or "the model")
        return source, source.graph.name or "the ONNX model"
    folder: Path | None = None
    if isinstance(source, (str, Path)):
        folder, where = Path(source).resolve().parent, str(source)
        proto = _parse(_read_bytes(Path(source)), where, Path(source))
    elif isinstance(source, (bytes, bytearray, memoryview)):
        where = "the given bytes"
        proto = _parse(bytes(source), where, None)
    elif isinstance(source, onnx.ModelProto):
        proto, where = source, source.graph.name or "the ONNX model"
    else:
        raise ArgumentError(
            f"an ONNX model is a path, bytes, onnx.ModelProto or onnx_ir.Model, not {type(source).__name__}"
        )
    return _deserialize(proto, where, folder), where


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        names = sorted(entry.name for entry in path.parent.glob("*.onnx")) if path.parent.is_dir() else []
        advice = did_you_mean(path.name, names) if names else "That folder holds no .onnx file"
        raise ModelFileError(f"there is no file {str(path)!r}", fix=advice) from None
    except OSError as error:
        raise ModelFileError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error


def _parse(data: bytes, where: str, path: Path | None) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise _no_model(where, path, truncated=True) from error
    # Text and other files can be taken for messages of unknown fields.
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output or proto.graph.initializer):
        raise _no_model(where, path, truncated=False)
    return proto


def _no_model(where: str, path: Path | None, *, truncated: bool) -> ModelFileError:
    known = recognise(path) if path is not None else None
    if known is not None:
        return ModelFileError(f"the file is {known[0]}, not an ONNX model", where=where, fix=known[1] or None)
    what = "no ONNX model, or a damaged or truncated one" if truncated else "no ONNX model"
    return ModelFileError(f"this is {what}", where=where, fix="Copy, download or export it again")


def _deserialize(proto: onnx.ModelProto, where: str, folder: Path | None) -> ir.Model:
    check_names(proto, where)
    check_external_data(proto, folder, where)
    if len(proto.graph.sparse_initializer):
        names = [tensor.values.name for tensor in proto.graph.sparse_initializer]
        raise InvalidModelError(
            f"the weights {names} are stored as sparse tensors", where=where, fix="Store them as dense initializers"
        )
    try:
        model = ir.from_proto(proto)
    except Exception as error:  # onnx_ir raises what its parts raise
        raise InvalidModelError(f"the model is damaged: {_innermost(error)}", where=where) from error
    if folder is not None:
        ir.external_data.set_base_dir(model.graph, folder)
        for function in model.functions.values():
            ir.external_data.set_base_dir(function.graph, folder)
    sort_graphs(model, where)
    _check_whole(model, where)
    return model


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _check_whole(model: ir.Model, where: str) -> None:
    """Every input of every node is made somewhere, and there is something to compute."""
    if not model.graph.outputs:
        raise InvalidModelError("the graph has no outputs", where=where)
    _check_graph(model.graph, where, frozenset())
    for function in model.functions.values():
        _check_graph(function, f"{where}, function {function.name!r}", frozenset())


def _check_graph(graph: Any, where: str, outer: frozenset[ir.Value]) -> None:
    known = {*outer, *graph.inputs}
    if not isinstance(graph, ir.Function):
        known |= set(graph.initializers.values())
    for node in graph:
        for value in node.inputs:
            if value is not None and value not in known:
                raise InvalidModelError(
                    f"the node {node.name or node.op_type!r} reads {value.name!r}, which nothing makes before it",
                    where=where,
                )
        for attribute in node.attributes.values():
            if attribute.is_ref():
                continue
            if attribute.type == ir.AttributeType.GRAPH:
                _check_graph(attribute.as_graph(), where, frozenset(known))
        known |= set(node.outputs)
    for value in graph.outputs:
        if value not in known:
            raise InvalidModelError(f"nothing makes the output {value.name!r}", where=where)
