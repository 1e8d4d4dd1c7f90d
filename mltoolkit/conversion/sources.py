"""What is to be converted: a framework's object or a file, told apart without importing any framework."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mltoolkit.errors import ArgumentError, ModelFileError
from mltoolkit.formats.foreign_files import recognise
from mltoolkit.formats.read_faults import missing_file

SourceKind = Literal["keras", "onnx", "coreml", "torch", "tensorflow"]

FORMS = (
    "Give a Keras 3 model (object, .keras, .h5, .hdf5), an ONNX model (.onnx, ModelProto, onnx_ir.Model), a Core ML "
    "model (mltoolkit Model, coremltools MLModel, .mlmodel, .mlpackage), a PyTorch model (nn.Module, ExportedProgram, "
    ".pt2, TorchScript .pt) or a TensorFlow SavedModel folder"
)

_SUFFIXES: dict[str, SourceKind] = {
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".onnx": "onnx",
    ".mlmodel": "coreml",
    ".mlpackage": "coreml",
    ".pt": "torch",
    ".pt2": "torch",
    ".pth": "torch",
    ".ts": "torch",
    ".torchscript": "torch",
    ".pb": "tensorflow",
}
# Class of an object's type, anywhere among its bases → kind. Only modules that are imported already can have
# made the object, so that looking at names suffices and nothing is imported for the user.
_CLASSES: tuple[tuple[str, str, SourceKind], ...] = (
    ("keras", "Model", "keras"),
    ("onnx_ir", "Model", "onnx"),
    ("torch.nn", "Module", "torch"),
    ("torch.export", "ExportedProgram", "torch"),
    ("tensorflow", "Module", "tensorflow"),
    ("tensorflow", "Graph", "tensorflow"),
)
_MESSAGES: dict[str, SourceKind] = {"onnx.ModelProto": "onnx", "CoreML.Specification.Model": "coreml"}


@dataclass(frozen=True)
class Source:
    """A model to be converted.

    Attributes:
        kind: the framework or format.
        value: the object, or the path of the file.
        title: what messages and the report call it.
    """

    kind: SourceKind
    value: Any
    title: str


def recognise_source(source: Any) -> Source:
    """Which converter takes a source.

    Raises:
        ArgumentError: it is nothing that can be converted; the message lists what can.
        ModelFileError: there is no such file, or it has a name that says something else than its content.
    """
    if isinstance(source, (str, os.PathLike)):
        return _recognise_path(source)
    if isinstance(source, type):
        raise ArgumentError(f"{source.__name__} is a class, not a model", fix=f"Make an instance of it. {FORMS}")
    kind = _kind_of_object(source)
    if kind is None:
        raise ArgumentError(f"a {type(source).__name__} cannot be converted", fix=FORMS)
    return Source(kind, source, _title(source))


def _kind_of_object(source: Any) -> SourceKind | None:
    message = getattr(getattr(source, "DESCRIPTOR", None), "full_name", "")
    if message in _MESSAGES:
        return _MESSAGES[message]
    for module_name, class_name, kind in _CLASSES:
        known = getattr(sys.modules.get(module_name), class_name, None)
        if isinstance(known, type) and isinstance(source, known):
            return kind
    if callable(getattr(source, "get_spec", None)):
        return "coreml"
    if type(source).__module__.startswith("tensorflow."):
        return "tensorflow"
    return None


def _title(source: Any) -> str:
    name = getattr(source, "name", None)
    kind = type(source).__name__
    return f"{kind} {name!r}" if isinstance(name, str) and name else kind


def _recognise_path(source: str | os.PathLike[str]) -> Source:
    text = os.fspath(source)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ArgumentError(f"{source!r} is not a path", fix=FORMS)
    path = Path(os.path.expanduser(text))  # noqa: PTH111  # leaves a user that does not exist as it is
    if not path.exists():
        raise missing_file(path, _SUFFIXES)
    if path.is_dir() and path.suffix.lower() != ".mlpackage":
        if (path / "saved_model.pb").is_file():
            return Source("tensorflow", path, path.name)
        raise ModelFileError("the folder holds no model that can be converted", where=str(path), fix=FORMS)
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        what = f"; its content is that of {found[0]}" if (found := _content(path)) else ""
        suffix = f"the suffix {path.suffix!r} says nothing" if path.suffix else "a name without a suffix says nothing"
        raise ModelFileError(f"{suffix} about the kind of model{what}", where=str(path), fix=FORMS)
    return Source(kind, path, path.name)


def _content(path: Path) -> tuple[str, str] | None:
    try:
        return recognise(path)
    except OSError:
        return None
