"""Seeded damage to whole packages: the manifest, the program, the weight file, and what lies where.

``damage_package(folder, …, seed)`` does the same for the same arguments everywhere.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mutations import INTEGERS, change_field, copy_of, damage_bytes, messages
from small_packages import manifest, manifest_text, write_parts

from mltoolkit.formats.protobuf import new_model

_ITEM = "Data/com.apple.CoreML"
# What a path can be besides the right one; {outside} is a folder beside the package, with files of the same names.
_PATHS = (
    "../../../outside",
    "../../outside/model.mlmodel",
    "com.apple.CoreML/../../../outside/weights",
    "{outside}/model.mlmodel",
    "{outside}/weights",
    "{outside}",
    "/etc/passwd",
    "/",
    "C:\\Windows",
    "\\\\server\\share",
    "..\\..\\outside",
    "~/model.mlmodel",
    "file:///etc/passwd",
    "",
    ".",
    "..",
    "com.apple.CoreML",
    "com.apple.CoreML/weights/weight.bin",
    "com.apple.CoreML/model.mlmodel/x",
    "com.apple.CoreML\0/model.mlmodel",
    "com.apple.CoreML/" + "x" * 5000,
    "com.apple.CoreML/\ud800",
    "com.apple.CoreML//model.mlmodel",
    "./com.apple.CoreML/model.mlmodel",
)
_REFERENCES = (
    "@model_path/weights/../model.mlmodel",
    "@model_path/weights/../../../../outside/weights/weight.bin",
    "@model_path/../../../outside/weights/weight.bin",
    "{outside}/weights/weight.bin",
    "@model_path/weights//{outside}/weights/weight.bin",
    "@model_path/weights/nothing.bin",
    "@model_path/weights/",
    "@model_path/weights/.",
    "weight.bin",
    "",
    "@model_path/weights/\0",
)
_VALUES: tuple[Any, ...] = (None, 1, -1.5, True, "", "x", [], {}, [1, "a"], {"a": {}}, "x" * 5000, 1e308)


def damage_package(folder: Path, model: bytes, weights: bytes, outside: Path, seed: int) -> str:
    """Write a package with some damage.

    Args:
        folder: where to; it must not exist.
        model: the model's file.
        weights: the weight file.
        outside: a folder outside the package that damaged paths lead to.
        seed: which damage.

    Returns:
        What was done.
    """
    rng = random.Random(seed)
    text, steps = manifest_text(manifest()), []
    links: list[Callable[[], None]] = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        part = rng.choice(("manifest", "model", "model", "program", "program", "weights", "weights", "links"))
        if part == "manifest":
            text, step = _damage_manifest(text, rng, outside)
        elif part == "model":
            damaged = damage_bytes(model, rng)
            model, step = damaged.data, damaged.description
        elif part == "program":
            model, step = _damage_program(model, rng, outside)
        elif part == "weights":
            weights, step = _damage_weights(weights, rng)
        else:
            number, step = rng.randrange(1 << 30), "what lies where"
            links.append(lambda number=number: _move_things(folder, outside, random.Random(number)))  # type: ignore[misc]
        steps.append(f"{part}: {step}")
    write_parts(folder, text, model, weights)
    for link in links:
        # The second may find nothing where the first has been.
        with contextlib.suppress(OSError):
            link()
    return "; ".join(steps)


# The manifest


def _damage_manifest(text: bytes, rng: random.Random, outside: Path) -> tuple[bytes, str]:
    if rng.random() < 0.2:
        damaged = damage_bytes(text, rng)
        return damaged.data, damaged.description
    if rng.random() < 0.05:
        return rng.choice(
            (b"[" * 100_000, b'{"a":' * 50_000, b"", b"null", b"\xff\xfe", b'"' + b"x" * (1 << 20))
        ), "text"
    content = manifest()
    action = rng.choice(("path", "path", "path", "key", "entry", "root", "name"))
    entry = content["itemInfoEntries"][rng.choice(("1A", "2B"))]
    if action == "path":
        entry["path"] = rng.choice(_PATHS).format(outside=outside)
    elif action == "key":
        holder = rng.choice((content, content["itemInfoEntries"], entry))
        key = rng.choice(sorted(holder))
        if rng.random() < 0.5:
            del holder[key]
        else:
            holder[key] = rng.choice(_VALUES)
    elif action == "entry":
        path = rng.choice(_PATHS).format(outside=outside)
        content["itemInfoEntries"]["0Z"] = {"name": rng.choice(("weights", "model.mlmodel")), "path": path}
        content["itemInfoEntries"] = dict(sorted(content["itemInfoEntries"].items()))
    elif action == "root":
        content["rootModelIdentifier"] = rng.choice(("2B", "3C", "", *_VALUES))
    else:
        entry["name"] = rng.choice(("weights", "model.mlmodel", "x", *_VALUES))
    return manifest_text(content), f"{action} {entry}"[:200]


# The program


def _damage_program(model: bytes, rng: random.Random, outside: Path) -> tuple[bytes, str]:
    spec = new_model()
    try:
        spec.ParseFromString(model)
    except Exception:  # an earlier step has damaged the bytes
        return model, "no program any more"
    kinds = (change_field, change_field, _change_blob, _change_blob, _change_sizes, _change_sizes, _change_operations)
    change = rng.choice(kinds)
    step = change(spec, rng) if change is not _change_blob else _change_blob(spec, rng, outside)  # type: ignore[operator]
    return spec.SerializePartialToString(), step


def _named(spec: Any, *names: str) -> list[Any]:
    return [message for message in messages(spec) if message.DESCRIPTOR.name in names]


def _change_blob(spec: Any, rng: random.Random, outside: Path) -> str:
    """Another offset or file for a weight."""
    blobs = _named(spec, "BlobFileValue")
    if not blobs:
        return "no weights"
    blob = rng.choice(blobs)
    if rng.random() < 0.3:
        blob.fileName = rng.choice(_REFERENCES).format(outside=outside)
        return f"file {blob.fileName!r}"
    near = [blob.offset + step for step in (1, 64, 128, -64) if blob.offset + step >= 0]
    blob.offset = rng.choice([value for value in (*INTEGERS, *near, rng.choice(blobs).offset) if 0 <= value < 1 << 64])
    return f"offset {blob.offset}"


def _change_sizes(spec: Any, rng: random.Random) -> str:
    """Other sizes, perhaps huge ones, in types that agree with each other, or do not."""
    if rng.random() < 0.3:
        arrays = [message for message in _named(spec, "ArrayFeatureType") if message.shape]
        if arrays:
            array = rng.choice(arrays)
            array.shape[rng.randrange(len(array.shape))] = rng.choice([value for value in INTEGERS if value < 1 << 63])
            return f"described shape {list(array.shape)}"
    found = _named(spec, "ConstantDimension")
    if not found:
        return "no sizes"
    old, new = rng.choice(found).size, rng.choice(INTEGERS)
    chosen = [message for message in found if message.size == old]
    if rng.random() < 0.5:
        chosen = [rng.choice(chosen)]
    for message in chosen:
        message.size = new
    return f"{len(chosen)} sizes of {old} are {new}"


def _change_operations(spec: Any, rng: random.Random) -> str:
    """Remove, repeat, exchange or retype an operation, or connect it to another value."""
    blocks = [block for block in _named(spec, "Block") if block.operations]
    if not blocks:
        return "no operations"
    operations = rng.choice(blocks).operations
    index = rng.randrange(len(operations))
    action = rng.choice(("remove", "repeat", "exchange", "retype", "connect", "parameter"))
    if action == "remove":
        del operations[index]
    elif action == "repeat":
        operations.append(copy_of(operations[index]))
    elif action == "exchange":
        other, first = rng.randrange(len(operations)), copy_of(operations[index])
        operations[index].CopyFrom(copy_of(operations[other]))
        operations[other].CopyFrom(first)
    elif action == "retype":
        kinds = [operation.type for operation in operations]
        operations[index].type = rng.choice((*kinds, "nothing", "while_loop", "constexpr_cast", "make_list"))
    elif action == "parameter":
        inputs = operations[index].inputs
        if inputs:
            del inputs[rng.choice(sorted(inputs))]
    else:
        names = [output.name for operation in operations for output in operation.outputs]
        bindings = _named(operations[index], "Binding")
        if bindings and names:
            rng.choice(bindings).name = rng.choice((*names, "nothing", ""))
    return f"{action} operation {index}"


# The weight file


def _damage_weights(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    if rng.random() < 0.3 or len(data) < 128:
        damaged = damage_bytes(data, rng)
        return damaged.data, damaged.description
    # A number of the header or of a record's metadata.
    records = [start for start in range(64, len(data) - 63, 64) if data[start : start + 4] == b"\xef\xbe\xad\xde"]
    place, kind = rng.choice(((0, "<I"), (4, "<I"), *((start, "<I") for start in records))), ""
    start, kind = place
    if start >= 64:
        field, kind = rng.choice(((0, "<I"), (4, "<I"), (8, "<Q"), (16, "<Q"), (24, "<Q")))
        start += field
    top = 1 << (32 if kind == "<I" else 64)
    (old,) = struct.unpack_from(kind, data, start)
    value = rng.choice(
        [value for value in (*INTEGERS, *range(20), old + 1, old + 64, 2 * old, top - 64) if value < top]
    )
    damaged_data = bytearray(data)
    struct.pack_into(kind, damaged_data, start, value)
    return bytes(damaged_data), f"{value} at {start}"


# Files and folders


def _move_things(folder: Path, outside: Path, rng: random.Random) -> None:
    """Remove a file or folder of the package, or put a link, a folder or a pipe in its place."""
    names = (
        "Manifest.json",
        "Data",
        _ITEM,
        f"{_ITEM}/model.mlmodel",
        f"{_ITEM}/weights",
        f"{_ITEM}/weights/weight.bin",
    )
    name = rng.choice(names)
    path = folder / name
    if rng.random() < 0.3:
        _link_inside(folder, path, rng)
        return
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    action = rng.choice(("nothing", "link", "link", "link", "folder", "pipe", "loop", "empty"))
    if action == "link":
        path.symlink_to(outside / rng.choice((name, Path(name).name, ".", "weights/weight.bin", "nothing")))
    elif action == "folder":
        path.mkdir()
    elif action == "pipe":
        os.mkfifo(path)
    elif action == "loop":
        path.symlink_to(path)
    elif action == "empty":
        path.touch()


def _link_inside(folder: Path, path: Path, rng: random.Random) -> None:
    """Move a part elsewhere within the package, or out of it, and leave a link."""
    target = rng.choice((folder / "elsewhere", folder / "Data" / "elsewhere", folder.parent / "elsewhere"))
    path.rename(target)
    path.symlink_to(target, target_is_directory=target.is_dir())
