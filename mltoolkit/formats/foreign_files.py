"""What a file that is no Core ML model is instead, judged by its content and not by its name."""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path

from mltoolkit.formats.wire_scan import scan_wire

_HEAD_BYTES = 1 << 16
_CONVERT = "mltoolkit.convert() makes a Core ML model of it"
_CONVERT_KERAS = "mltoolkit.convert() makes a Core ML model of a .keras, .h5 or .hdf5 file"

# First bytes → (what it is, what to do).
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (a Keras model?)", _CONVERT_KERAS),
    (b"\x89PNG", "a PNG picture", ""),
    (b"\xff\xd8\xff", "a JPEG picture", ""),
    (b"GIF8", "a GIF picture", ""),
    (b"BM", "a BMP picture", ""),
    (b"II*\x00", "a TIFF picture", ""),
    (b"MM\x00*", "a TIFF picture", ""),
    (b"%PDF", "a PDF document", ""),
    (b"GGUF", "a GGUF model", ""),
    (b"\x93NUMPY", "a NumPy array", ""),
    (b"\x80\x02", "a Python pickle (an old PyTorch checkpoint?)", ""),
    (b"\x1f\x8b", "a gzip archive", "Unpack it and give the model inside"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it and give the model inside"),
    (b"bplist00", "a property list", ""),
    (b"\x7fELF", "a program", ""),
    (
        b"version https://git-lfs.github.com/spec",
        "a Git LFS pointer in place of the file",
        "Fetch the file itself with: git lfs pull",
    ),
    (b"<!DOCTYPE", "a web page (a failed download?)", "Download the file itself, not the page that shows it"),
    (b"<!doctype", "a web page (a failed download?)", "Download the file itself, not the page that shows it"),
    (b"<html", "a web page (a failed download?)", "Download the file itself, not the page that shows it"),
    (b"<?xml", "an XML document", ""),
)
# ModelProto of onnx.proto: graph and opset_import, which every ONNX model has and no Core ML model.
_ONNX_FIELDS = {7, 8}


def recognise(path: Path) -> tuple[str, str] | None:
    """What the file is and what to do about it ("" for nothing in particular); None if it is not known.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return _recognise_zip(path)
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", ""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP picture", ""
    if head[4:8] == b"ftyp":
        return "a HEIC picture or a video", ""
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return "a safetensors file", ""
    for magic, what, fix in _MAGIC:
        if head.startswith(magic):
            return what, fix
    if _is_onnx(path, head):
        return "an ONNX model", _CONVERT
    if head.lstrip()[:1] in (b"{", b"["):
        return "a JSON document", ""
    if _is_text(head):
        return "a text", ""
    return None


def _is_onnx(path: Path, head: bytes) -> bool:
    if head[:1] != b"\x08":  # ir_version
        return False
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        scan = scan_wire(data)
    return scan.well_formed and _ONNX_FIELDS.issubset(scan.fields)


def _is_text(head: bytes) -> bool:
    try:
        # The last character may be cut.
        text = head.decode("utf-8", errors="strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _recognise_zip(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        return "a damaged zip archive", ""
    folders = {part for name in names for part in name.split("/")[:-1]}
    files = {name.rsplit("/", 1)[-1] for name in names}
    if "model.weights.h5" in files:
        return "a Keras model", _CONVERT_KERAS
    if "data.pkl" in files:
        kind = "TorchScript model" if "constants.pkl" in files or "code" in folders else "checkpoint"
        return f"a PyTorch {kind}", _CONVERT if kind == "TorchScript model" else ""
    if any(folder.endswith(".mlmodelc") for folder in folders):
        return "a zip archive with a compiled model", "Give the .mlmodel or .mlpackage it was compiled from"
    if any(folder.endswith(".mlpackage") for folder in folders) or {"Manifest.json", "model.mlmodel"} <= files:
        return "a zip archive of a model package", "Unpack it and give the .mlpackage folder"
    if any(name.endswith(".mlmodel") for name in files):
        return "a zip archive with a model inside", "Unpack it and give the .mlmodel file"
    if any(name.endswith(".npy") for name in files):
        return "a NumPy archive (.npz)", ""
    return "a zip archive", ""
