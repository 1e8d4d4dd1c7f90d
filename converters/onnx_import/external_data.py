"""Weights that lie in files beside the model: only inside its folder, and whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx.external_data_helper import ExternalDataInfo

from mltoolkit.errors import InvalidModelError, ModelFileError


def check_external_data(proto: onnx.ModelProto, folder: Path | None, where: str) -> None:
    """Every file of weights lies in the model's folder and holds what the model says.

    Args:
        proto: the model.
        folder: the model's folder; None for a model that comes from no file.
        where: the model, for messages.

    Raises:
        ModelFileError: a file is missing or too short, or the model comes from no file.
        InvalidModelError: a path leads out of the folder.
    """
    for tensor in _external(proto):
        if folder is None:
            raise ModelFileError(
                f"the weight {tensor.name!r} lies in another file, and a model in memory has no folder",
                where=where,
                fix="Give the path of the .onnx file",
            )
        _check(tensor, folder, where)


def _check(tensor: onnx.TensorProto, folder: Path, where: str) -> None:
    try:
        info = ExternalDataInfo(tensor)
        offset, length = info.offset or 0, info.length
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidModelError(f"the place of the weight {tensor.name!r} is damaged: {error}", where=where) from error
    path = Path(str(info.location))
    if not str(info.location) or path.is_absolute() or "\\" in str(info.location) or "\0" in str(info.location):
        raise InvalidModelError(
            f"the weight {tensor.name!r} is said to lie in {info.location!r}",
            where=where,
            fix="Weights must lie in the model's folder, named by a relative path",
        )
    file = (folder / path).resolve()
    # A link may lead elsewhere too; resolve() has followed it.
    if not file.is_relative_to(folder.resolve()):
        raise InvalidModelError(
            f"the weight {tensor.name!r} is said to lie in {info.location!r}, outside the model's folder",
            where=where,
            fix="Weights must lie in the model's folder",
        )
    if not file.is_file():
        raise ModelFileError(
            f"the file {info.location!r} with the weight {tensor.name!r} is missing",
            where=where,
            fix="Keep it beside the .onnx file",
        )
    size = file.stat().st_size
    if offset < 0 or (length or 0) < 0 or offset + (length or 0) > size:
        raise ModelFileError(
            f"the file {info.location!r} has {size} bytes, but the weight {tensor.name!r} is said to be "
            f"{length} bytes from byte {offset} on",
            where=where,
            fix="Copy or download it again",
        )


def _external(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from _of_graph(proto.graph)
    for function in proto.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from (tensor for tensor in graph.initializer if _is_external(tensor))
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: object) -> Iterator[onnx.TensorProto]:
    for node in nodes:  # type: ignore[attr-defined]
        for attribute in node.attribute:
            tensors = [attribute.t] if attribute.HasField("t") else []
            yield from (tensor for tensor in (*tensors, *attribute.tensors) if _is_external(tensor))
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _of_graph(graph)


def _is_external(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)
