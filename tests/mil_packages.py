"""Small .mlpackage folders with weights, made without coremltools: blob files written byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from mil_programs import Ref, add_operation, new_program, tensor_type

_BLOB_TYPES = {"float16": 1, "float32": 2, "uint8": 3, "int8": 4}


def write_weight_file(path: Path, arrays: list[np.ndarray]) -> list[int]:
    """A weight file in storage format 2.

    Returns:
        The offset of each array's record.
    """
    data, offsets = bytearray(struct.pack("<II", len(arrays), 2).ljust(64, b"\0")), []
    for array in arrays:
        offsets.append(len(data))
        start = len(data) + 64
        record = struct.pack("<IIQQQ", 0xDEADBEEF, _BLOB_TYPES[array.dtype.name], array.nbytes, start, 0)
        data += record.ljust(64, b"\0") + array.tobytes()
        data += b"\0" * (-len(data) % 64)
    path.write_bytes(data)
    return offsets


def add_weight(block: Any, name: str, array: np.ndarray, offset: int, file: str = "weight.bin") -> Ref:
    """A ``const`` whose elements lie in a weight file."""
    operation = add_operation(block, "const", {}, {name: (array.dtype.name, array.shape)}, {"name": name})
    value = operation.attributes["val"]
    value.type.CopyFrom(tensor_type(array.dtype.name, array.shape))
    value.blobFileValue.fileName = f"@model_path/weights/{file}"
    value.blobFileValue.offset = offset
    return Ref(name)


def adding_program(
    folder: Path, *, seed: int = 0, size: int = 40, file: str = "weight.bin", names: tuple[str, str] = ("x", "y")
) -> tuple[Any, np.ndarray]:
    """A program that adds a weight to its input, and the folder of its weight file.

    Args:
        folder: where the weight file is written.
        seed: of the weight's values.
        size: how many there are.
        file: name of the weight file.
        names: of the input and of the output.

    Returns:
        The spec and the weight.
    """
    weight = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    (offset,) = write_weight_file(folder / file, [weight])
    given, made = names
    spec, block = new_program({given: ("float32", (size,))}, {made: ("float32", (size,))})
    added = add_weight(block, "w", weight, offset, file)
    add_operation(block, "add", {"x": Ref(given), "y": added}, {made: ("float32", (size,))})
    return spec, weight


def two_functions(folder: Path) -> tuple[Any, np.ndarray]:
    """A program whose functions ``plus`` and ``double_plus`` (2 x + weight; its input is ``z``) share a weight.

    Returns:
        The spec, whose weight file is written into the folder, and the weight.
    """
    spec, weight = adding_program(folder)
    program, description = spec.mlProgram, spec.description
    program.functions["plus"].CopyFrom(program.functions["main"])
    program.functions["double_plus"].CopyFrom(program.functions.pop("main"))
    function = program.functions["double_plus"]
    function.inputs[0].name = "z"
    block = function.block_specializations["CoreML7"]
    last = block.operations.pop()
    size = ("float32", weight.shape)
    add_operation(block, "mul", {"x": Ref("z"), "y": np.float32(2)}, {"doubled": size})
    add_operation(block, "add", {"x": Ref("doubled"), "y": Ref("w")}, {last.outputs[0].name: size})
    for name, given in (("plus", "x"), ("double_plus", "z")):
        described = description.functions.add(name=name)
        described.input.extend(description.input)
        described.input[0].name = given
        described.output.extend(description.output)
    del description.input[:], description.output[:]
    description.defaultFunctionName = "plus"
    return spec, weight
