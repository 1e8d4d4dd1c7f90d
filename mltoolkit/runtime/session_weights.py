"""Where onnxruntime finds the large constants of a session.

What it is given in memory it copies (``OrtApi::AddExternalInitializers``) before it copies it once more, into the
layout of its kernels; what lies in a file it only maps. Constants that are views of a model's weight file are
therefore referred to there. Those whose numbers are made when they are asked for go through a temporary file where
they are many: one is in memory at a time, and the file is gone as soon as the session is made. All others are in
memory anyway, and handed over there: writing them takes longer than copying them.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.formats.weight_blob import FileSlice, WeightFolder

# Smaller constants are part of the serialised graph: shapes, axes and scalars must be seen by the optimiser.
_IN_GRAPH_BYTES = 1024
# Below this, writing a file saves too little memory to be worth it.
_FILE_BYTES = 32 << 20
_ALIGNMENT = 64
# A file that is mapped cannot be deleted on Windows, and has no path that starts at one root.
_FILES_ARE_MAPPED = os.name == "posix"
_FOLDER_OPTION = "session.model_external_initializers_file_folder_path"

logger = logging.getLogger(__name__)


@dataclass
class PlacedWeights:
    """Constants, and where they are.

    Attributes:
        initializers: every constant: its content, or what it is called and where it lies.
        in_memory: what is handed over in memory, by name.
        bytes: the size of all that is not part of the graph.
    """

    initializers: list[onnx.TensorProto] = field(default_factory=list)
    in_memory: dict[str, NDArray[Any]] = field(default_factory=dict)
    bytes: int = 0

    def hand_over(self, options: Any) -> None:
        """Tell the ``SessionOptions`` of the session that is made next."""
        import onnxruntime as ort

        if _FILES_ARE_MAPPED:
            options.add_session_config_entry(_FOLDER_OPTION, "/")
        if self.in_memory:
            values = [ort.OrtValue.ortvalue_from_numpy(array) for array in self.in_memory.values()]
            options.add_external_initializers(list(self.in_memory), values)


@contextmanager
def placed_weights(tensors: Mapping[str, ir.TensorProtocol], files: WeightFolder | None) -> Iterator[PlacedWeights]:
    """Find or make a place for constants; good until the session is made.

    Args:
        tensors: the constants by name.
        files: weight files that some of them may be views of.
    """
    placed = PlacedWeights()
    held: dict[str, ir.TensorProtocol] = {}
    made: dict[str, ir.TensorProtocol] = {}
    for name, tensor in tensors.items():
        # onnxruntime's Python takes no arrays of 4-bit integers, bfloat16 and 8-bit floats, which NumPy lacks.
        if tensor.nbytes < _IN_GRAPH_BYTES or tensor.dtype.numpy().kind == "V":
            proto = ir.serde.serialize_tensor(tensor)
            proto.name = name  # the value's; the tensor may have another
            placed.initializers.append(proto)
            continue
        placed.bytes += tensor.nbytes
        found = _in_file(tensor, files)
        if found is not None:
            placed.initializers.append(_reference(name, tensor, found))
        else:
            (made if isinstance(tensor, ir.LazyTensor) else held)[name] = tensor
    with _temporary_file(sum(tensor.nbytes for tensor in made.values())) as file:
        written = _write(file, made.values()) if file is not None else None
        if file is None or written is None:
            held |= made
        else:
            for (name, tensor), start in zip(made.items(), written, strict=True):
                placed.initializers.append(_reference(name, tensor, FileSlice(Path(file.name), start)))
        for name, tensor in held.items():
            placed.in_memory[name] = np.ascontiguousarray(tensor.numpy())
            placed.initializers.append(_reference(name, tensor, FileSlice(Path("memory"), 0)))
        if files is not None and placed.bytes >= _FILE_BYTES:
            files.release_pages()
        yield placed


def _in_file(tensor: ir.TensorProtocol, files: WeightFolder | None) -> FileSlice | None:
    """Where a tensor lies; only a plain one is a view, the numbers of others are made when they are asked for."""
    if files is None or not _FILES_ARE_MAPPED or not isinstance(tensor, ir.Tensor):
        return None
    return files.slice_of(tensor.numpy())


@contextmanager
def _temporary_file(size: int) -> Iterator[IO[bytes] | None]:
    """A file for so many bytes, or None where there is no need or no place for it."""
    file = None
    if _FILES_ARE_MAPPED and size >= _FILE_BYTES:
        with suppress(OSError):
            file = tempfile.NamedTemporaryFile(prefix="mltoolkit-", suffix=".weights")  # noqa: SIM115  # closed below
    try:
        yield file
    finally:
        if file is not None:
            file.close()


def _write(file: IO[bytes], tensors: Iterable[ir.TensorProtocol]) -> list[int] | None:
    """Write tensors one after the other; where each starts, or None if the disk does not take them."""
    offsets = []
    try:
        for tensor in tensors:
            file.write(bytes(-file.tell() % _ALIGNMENT))
            offsets.append(file.tell())
            file.write(np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8).data)
        file.flush()
    except OSError as error:
        logger.info("weights are handed over in memory: they cannot be written to %s: %s", file.name, error)
        return None
    return offsets


def _reference(name: str, tensor: ir.TensorProtocol, place: FileSlice) -> onnx.TensorProto:
    proto = onnx.TensorProto(
        name=name,
        dims=list(tensor.shape.numpy()),
        data_type=int(tensor.dtype),
        data_location=onnx.TensorProto.EXTERNAL,
    )
    # onnxruntime takes no absolute paths, but ones that are relative to a folder: here the root of all.
    location = place.path.relative_to("/") if place.path.is_absolute() else place.path
    for key, text in (("location", str(location)), ("offset", str(place.offset)), ("length", str(tensor.nbytes))):
        proto.external_data.add(key=key, value=text)
    return proto
