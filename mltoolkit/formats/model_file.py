"""Core ML models from files and other sources; :mod:`mltoolkit.formats.model_writing` brings them back to files."""

from __future__ import annotations

import logging
import mmap
import os
import stat
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from mltoolkit.errors import ArgumentError, ModelFileError
from mltoolkit.formats.package import open_package
from mltoolkit.formats.protobuf import NEWEST_SPECIFICATION_VERSION, new_model
from mltoolkit.formats.read_faults import (
    damaged_file,
    file_without_model,
    foreign_file,
    missing_file,
)

# protobuf's own limit, in the parser and in the serialiser.
_MAX_BYTES = (1 << 31) - 1
_MODEL_MESSAGE = "CoreML.Specification.Model"

logger = logging.getLogger(__name__)


def to_spec(source: Any) -> Any:
    """The ``Model`` protobuf message of whatever a model may be given as.

    Args:
        source: a path (see :func:`read_spec`), a ``Model`` message, or an object whose ``get_spec()`` gives
            one: a coremltools ``MLModel`` or an mltoolkit ``Model``.

    Returns:
        The message: the given one itself, where one was given.

    Raises:
        ArgumentError: ``source`` is none of these.
        ModelFileError: the file cannot be read as a model.
    """
    if isinstance(source, (str, os.PathLike)):
        return read_spec(source)
    get_spec = getattr(source, "get_spec", None)
    if callable(get_spec) and not isinstance(source, type):
        message = get_spec()
        if _is_model_message(message):
            return _in_our_classes(message)
    elif _is_model_message(source):
        return _in_our_classes(source)
    kind = source.__name__ + " (the class itself)" if isinstance(source, type) else type(source).__name__
    raise ArgumentError(
        f"a model cannot be made from {kind}",
        fix="Give the path of a .mlmodel or .mlpackage, a coremltools MLModel, or a protobuf spec",
    )


def weights_folder(source: Any) -> Path | None:
    """The folder of weight files that belongs to what :func:`to_spec` takes, or None where there is none.

    Raises:
        ModelFileError: the package is damaged.
    """
    if isinstance(source, (str, os.PathLike)):
        path = path_of(source)
        return open_package(path).weights if path.is_dir() else None
    folder = getattr(source, "weights_dir", None)
    return Path(folder) if isinstance(folder, (str, os.PathLike)) and folder else None


def _is_model_message(value: Any) -> bool:
    return (
        not isinstance(value, type) and getattr(getattr(value, "DESCRIPTOR", None), "full_name", "") == _MODEL_MESSAGE
    )


def _in_our_classes(message: Any) -> Any:
    """The message itself, or a copy where it belongs to another set of generated classes."""
    ours = new_model()
    if isinstance(message, type(ours)):
        return message
    ours.ParseFromString(message.SerializePartialToString())
    return ours


def read_spec(path: str | os.PathLike[str]) -> Any:
    """Read a .mlmodel file, or the model inside a .mlpackage folder.

    The file is mapped, not read: the peak of memory is the message and the mapped pages, twice the file.

    Returns:
        The ``CoreML.Specification.Model`` message. The weights of an ML Program lie beside it: see
        :func:`mltoolkit.formats.package.open_package`.

    Raises:
        ArgumentError: ``path`` is not a path.
        ModelFileError: there is no such file, it cannot be read, or it is no Core ML model; the message says
            what it is instead where that can be told.
    """
    file = path_of(path)
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            file = open_package(file).model
        elif not stat.S_ISREG(mode):
            raise ModelFileError("the path is neither a file nor a folder", where=str(file))
        return _read_file(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing_file(file) from error
    except OSError as error:
        raise ModelFileError(f"the file cannot be read: {error.strerror or error}", where=str(file)) from error


def path_of(path: Any) -> Path:
    """A path as the user gave it, ``~`` replaced.

    Raises:
        ArgumentError: it is no path.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ArgumentError(f"{path!r} is not a path")
    # Unlike Path.expanduser, this leaves a user that does not exist as it is.
    return Path(os.path.expanduser(text))  # noqa: PTH111


def _read_file(file: Path) -> Any:
    size = file.stat().st_size
    if size == 0:
        raise ModelFileError("the file is empty", where=str(file))
    if size > _MAX_BYTES:
        raise foreign_file(file) or ModelFileError(
            f"the file has {size / 1e9:.1f} GB; a .mlmodel file ends at 2 GB, the limit of protobuf",
            where=str(file),
        )
    spec = new_model()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        try:
            with memoryview(mapped) as data:
                spec.ParseFromString(data)
        except (DecodeError, RecursionError) as error:
            raise foreign_file(file) or damaged_file(file, mapped, error) from error
    if spec.WhichOneof("Type") is None:
        raise foreign_file(file) or file_without_model(file, spec)
    if spec.specificationVersion > NEWEST_SPECIFICATION_VERSION:
        logger.warning(
            "%s has specification version %d; versions up to %d are known here, newer parts are not seen",
            file,
            spec.specificationVersion,
            NEWEST_SPECIFICATION_VERSION,
        )
    return spec
