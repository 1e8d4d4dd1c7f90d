"""Packages of a few kilobytes for tests: ML Programs with weights in every form, and other models in packages."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mil_packages import add_weight, two_functions
from mil_programs import Ref, add_operation, new_program, tensor_type
from small_models import add_layer, describe_array, image_classifier

from mltoolkit.formats.protobuf import new_model

# StorageFormat.hpp, BlobDataType; MIL.proto, DataType.
BLOB_TYPES = {"float16": 1, "float32": 2, "uint8": 3, "int8": 4, "int4": 8, "uint1": 9, "uint4": 11, "uint3": 12}
_MIL_TYPES = {"int4": 25, "uint1": 37, "uint4": 35, "uint3": 39}


class Blobs:
    """A weight file that grows record by record."""

    def __init__(self) -> None:
        self._data, self._count = bytearray(64), 0

    def add(self, block: Any, name: str, array: np.ndarray, packed: str = "") -> Ref:
        """A constant whose elements lie in the file, those of a ``packed`` type in less than a byte each."""
        bits = int(packed.removeprefix("u").removeprefix("int")) if packed else 0
        content, unused = array.tobytes(), 0
        if packed:
            every = (array.reshape(-1, 1).astype(np.int64) >> np.arange(bits)) & 1
            content = np.packbits(every.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
            unused = 8 * len(content) - bits * array.size
        offset, kind = len(self._data), BLOB_TYPES[packed or array.dtype.name]
        record = struct.pack("<IIQQQ", 0xDEADBEEF, kind, len(content), offset + 64, unused)
        self._data += record.ljust(64, b"\0") + content
        self._data += bytes(-len(self._data) % 64)
        self._count += 1
        made = add_weight(block, name, array, offset)
        if packed:
            operation = block.operations[-1]
            for message in (operation.attributes["val"].type, operation.outputs[0].type):
                message.tensorType.dataType = _MIL_TYPES[packed]
        return made

    def content(self) -> bytes:
        """The file."""
        return struct.pack("<II", self._count, 2) + bytes(self._data[8:])


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(0, 0.5, shape).astype(np.float32)


def _codes(top: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(top).integers(0, top, shape).astype(np.uint8)


def convolutional() -> tuple[Any, bytes]:
    """Convolution, int8 and half-precision weights, a slice, a branch."""
    spec, block = new_program({"x": ("float32", (1, 2, 6))}, {"y": ("float32", (1, 5))})
    blobs = Blobs()
    weight, bias = blobs.add(block, "w", _floats(3, 2, 3)), blobs.add(block, "b", _floats(3).astype(np.float16))
    given = {"x": Ref("x"), "weight": weight, "bias": bias, "pad_type": "custom", "pad": np.array([1, 1])}
    add_operation(block, "conv", given, {"a": ("float32", (1, 3, 6))})
    add_operation(block, "reshape", {"x": Ref("a"), "shape": np.array([1, -1])}, {"c": ("float32", (1, 18))})
    codes = {"quantized_data": blobs.add(block, "q", _codes(128, 5, 18).astype(np.int8)), "axis": np.int32(0)}
    scales = {"scale": blobs.add(block, "s", np.abs(_floats(5))), "zero_point": np.int8(3)}
    add_operation(block, "constexpr_affine_dequantize", codes | scales, {"v": ("float32", (5, 18))})
    linear = {"x": Ref("c"), "weight": Ref("v"), "bias": np.zeros(5, np.float32)}
    add_operation(block, "linear", linear, {"d": ("float32", (1, 5))})
    add_operation(block, "reduce_sum", {"x": Ref("d")}, {"e": ("float32", ())})
    add_operation(block, "less", {"x": Ref("e"), "y": np.float32(0)}, {"f": ("bool", ())})
    branch = add_operation(block, "cond", {"pred": Ref("f")}, {"y": ("float32", (1, 5))})
    for kind in ("relu", "tanh"):
        inner = branch.blocks.add()
        add_operation(inner, kind, {"x": Ref("d")}, {"z": ("float32", (1, 5))})
        inner.outputs.append("z")
    branch.outputs[0].type.CopyFrom(tensor_type("float32", (1, 5)))
    return spec, blobs.content()


def compressed() -> tuple[Any, bytes]:
    """A sum of weights in every form of iOS 18, and a packed palette of iOS 16."""
    shape = (4, 8)
    spec, block = new_program({"x": ("float32", shape)}, {"y": ("float32", shape)})
    blobs, whole = Blobs(), ("float32", shape)
    blocks = {"data": blobs.add(block, "n", _codes(16, *shape), "int4"), "scale": blobs.add(block, "k", _floats(4, 2))}
    add_operation(block, "constexpr_blockwise_shift_scale", blocks, {"blocks": whole})
    indices = blobs.add(block, "i", _codes(8, *shape), "uint3")
    tables = {"indices": indices, "lut": blobs.add(block, "t", _floats(2, 1, 8, 1))}
    add_operation(block, "constexpr_lut_to_dense", tables, {"palette": whole})
    mask = np.arange(32).reshape(shape) % 3 == 0
    places = {"mask": blobs.add(block, "m", mask.astype(np.uint8), "uint1")}
    kept = {"nonzero_data": blobs.add(block, "v", _floats(int(mask.sum())).astype(np.float16))}
    add_operation(block, "constexpr_sparse_to_dense", places | kept, {"sparse": whole})
    old = {"indices": blobs.add(block, "o", _codes(256, 16)), "lut": blobs.add(block, "l", _floats(16))}
    constants = old | {"shape": np.array(shape)}
    add_operation(block, "constexpr_lut_to_dense", constants, {"old": whole})
    total = Ref("x")
    for index, name in enumerate(("blocks", "palette", "sparse", "old")):
        made = "y" if index == 3 else f"sum{index}"
        add_operation(block, "add", {"x": total, "y": Ref(name)}, {made: whole})
        total = Ref(made)
    return spec, blobs.content()


def recurrent() -> tuple[Any, bytes]:
    """An LSTM with its weights in the file, and a classifier of texts that the program holds."""
    spec, block = new_program({"x": ("float32", (3, 1, 2))}, {})
    blobs = Blobs()
    given = {
        "x": Ref("x"),
        "initial_h": np.zeros((1, 4), np.float32),
        "initial_c": np.zeros((1, 4), np.float32),
        "weight_ih": blobs.add(block, "wi", _floats(16, 2)),
        "weight_hh": blobs.add(block, "wh", _floats(16, 4)),
        "bias": blobs.add(block, "wb", _floats(16)),
        "direction": "forward",
        "output_sequence": np.bool_(False),
    }
    states = dict.fromkeys(("h", "c"), ("float32", (1, 4)))
    add_operation(block, "lstm", given, {"all": ("float32", (1, 1, 4))} | states)
    add_operation(block, "softmax", {"x": Ref("h"), "axis": np.int32(-1)}, {"p": ("float32", (1, 4))})
    labels = {"probabilities": Ref("p"), "classes": ["cat", "dog", "emu", "owl"]}
    classify = add_operation(block, "classify", labels, {"label": ("string", ())})
    scores = classify.outputs.add(name="scores").type.dictionaryType
    scores.keyType.CopyFrom(tensor_type("string", ()))
    scores.valueType.CopyFrom(tensor_type("float32", ()))
    block.outputs.extend(["label", "scores"])
    description = spec.description
    description.output.add(name="label").type.stringType.SetInParent()
    description.output.add(name="scores").type.dictionaryType.stringKeyType.SetInParent()
    description.predictedFeatureName, description.predictedProbabilitiesName = "label", "scores"
    return spec, blobs.content()


def functions() -> tuple[Any, bytes]:
    """Two functions that share a weight."""
    with tempfile.TemporaryDirectory() as folder:
        spec, _ = two_functions(Path(folder))
        return spec, (Path(folder) / "weight.bin").read_bytes()


def pipeline() -> tuple[Any, bytes]:
    """An ML Program and a neural network after it."""
    program, weights = convolutional()
    spec, after = new_model(), new_model()
    spec.specificationVersion = after.specificationVersion = 8
    after.description.input.add().CopyFrom(program.description.output[0])
    describe_array(after.description.output, "z", (1, 5))
    after.neuralNetwork.arrayInputShapeMapping = 1  # EXACT_ARRAY_MAPPING
    add_layer(after.neuralNetwork, "sigmoid", "y", "z").activation.sigmoid.SetInParent()
    spec.description.input.add().CopyFrom(program.description.input[0])
    spec.description.output.add().CopyFrom(after.description.output[0])
    for model in (program, after):
        spec.pipeline.models.add().CopyFrom(model)
    return spec, weights


def network() -> tuple[Any, bytes]:
    """A neural network, which keeps its weights itself, beside a weight file that it does not need."""
    return image_classifier(), Blobs().content()


SMALL_PACKAGES: dict[str, Callable[[], tuple[Any, bytes]]] = {
    "convolutional": convolutional,
    "compressed": compressed,
    "recurrent": recurrent,
    "functions": functions,
    "pipeline": pipeline,
    "network": network,
}


def manifest() -> dict[str, Any]:
    """A manifest as coremltools writes it."""
    entries = {
        identifier: {
            "author": "com.apple.CoreML",
            "description": name,
            "name": name,
            "path": f"com.apple.CoreML/{name}",
        }
        for identifier, name in (("1A", "model.mlmodel"), ("2B", "weights"))
    }
    return {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": "1A"}


def write_parts(folder: Path, manifest_text: bytes, model: bytes, weights: bytes) -> None:
    """Write a package of its three files."""
    inside = folder / "Data" / "com.apple.CoreML" / "weights"
    inside.mkdir(parents=True)
    (folder / "Manifest.json").write_bytes(manifest_text)
    (inside.parent / "model.mlmodel").write_bytes(model)
    (inside / "weight.bin").write_bytes(weights)


def manifest_text(content: Any) -> bytes:
    """A manifest as a file."""
    return json.dumps(content, indent=4).encode()
