"""The operations of an ML Program as layers, with the weights that each of them reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.mil_types import TensorType, read_type
from mltoolkit.formats.mil_values import stored_size
from mltoolkit.formats.ml_program import block_of, function_name, iter_operations, operation_name

_LINEAR = ("constexpr_affine_dequantize", "constexpr_blockwise_shift_scale")
_LOOKUP = ("constexpr_lut_to_dense", "constexpr_lut_to_sparse")


@dataclass(frozen=True)
class ProgramWeight:
    """A weight: how it is stored, its values once decoded, and its bytes in the file."""

    storage: str
    count: int
    bytes: int


@dataclass(frozen=True)
class ProgramLayer:
    """An operation that is no constant, with the weights that it is the first to read; they are no inputs."""

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[ProgramWeight, ...]


def program_layers(spec: Any, function: str = "") -> Iterator[ProgramLayer]:
    """The operations of a function in order, those of branches and loops after them, without constants.

    A tensor counts as weight if it lies in a weight file or is a floating vector, matrix and so on;
    decompressing operations (``constexpr_…``) count as the weight that they give.

    Raises:
        InvalidModelError: a constant's type cannot be read.
    """
    name = function_name(spec, function)
    weights: dict[str, ProgramWeight] = {}
    constants: set[str] = set()
    for operation in iter_operations(block_of(spec.mlProgram.functions[name], name)):
        if operation.type == "const":
            weight = constant_weight(operation.attributes["val"])
        elif operation.type.startswith("constexpr_"):
            weight = decompressed_weight(operation, weights)
        else:
            yield _layer(operation, weights, constants)
            continue
        constants.update(output.name for output in operation.outputs)
        if weight is not None and operation.outputs:
            weights[operation.outputs[0].name] = weight


def _layer(operation: Any, weights: dict[str, ProgramWeight], constants: set[str]) -> ProgramLayer:
    names = [
        binding.name
        for argument in operation.inputs.values()
        for binding in argument.arguments
        if binding.WhichOneof("binding") == "name"
    ]
    return ProgramLayer(
        name=operation_name(operation),
        type=operation.type,
        inputs=tuple(name for name in names if name not in constants),
        outputs=tuple(output.name for output in operation.outputs),
        weights=tuple(weights.pop(name) for name in dict.fromkeys(names) if name in weights),
    )


def constant_weight(value: Any) -> ProgramWeight | None:
    """How a ``const`` operation's value is stored; None if it counts as no weight."""
    if not isinstance(read_type(value.type), TensorType):
        return None
    described, size = stored_size(value)
    in_file = value.WhichOneof("value") == "blobFileValue"
    if not in_file and (described.element.kind != "float" or not described.shape):
        return None
    return ProgramWeight(described.element.name, described.count or 0, size)


def decompressed_weight(operation: Any, weights: dict[str, ProgramWeight]) -> ProgramWeight | None:
    """How what a ``constexpr_…`` operation gives is stored.

    Args:
        operation: the operation.
        weights: by name, those before it; the ones that it is made of are taken out.

    Raises:
        InvalidModelError: its type cannot be read.
    """
    if not operation.outputs:
        return None
    given = read_type(operation.outputs[0].type)
    if not isinstance(given, TensorType) or given.count is None:
        raise InvalidModelError(
            "a decompressed weight has no known size", where=f"operation {operation_name(operation)!r}"
        )
    values = dict(operation.attributes.items())
    values.pop("name", None)
    parts = []
    for name, argument in operation.inputs.items():
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "value":
                values[name] = binding.value
            elif binding.name in weights:
                parts.append(weights.pop(binding.name))
    stored = {
        name: stored_size(value) for name, value in values.items() if isinstance(read_type(value.type), TensorType)
    }
    bytes_in_file = sum(size for described, size in stored.values() if described.element.kind != "string")
    return ProgramWeight(
        _storage(operation.type, {name: described for name, (described, _) in stored.items()}, parts),
        given.count,
        bytes_in_file + sum(part.bytes for part in parts),
    )


def _storage(kind: str, types: dict[str, TensorType], parts: list[ProgramWeight]) -> str:
    """How a weight is stored, in the words used for NeuralNetworks; behind a mask it is ``sparse``."""
    inner = parts[-1].storage if parts else ""
    if kind == "constexpr_sparse_to_dense":
        data = types.get("nonzero_data")
        return f"sparse {inner or (data.element.name if data else '')}"
    if kind == "constexpr_cast":
        source = types.get("source_val")
        return source.element.name if source else inner
    codes = types.get("quantized_data") or types.get("data") or types.get("nonzero_data")
    if kind in _LOOKUP or kind.startswith("constexpr_lut"):
        indices = types.get("indices") or types.get("indices_nonzero_data")
        table = types.get("lut")
        if indices is not None and indices.element.packed:
            return _bits("lookup table", indices.element.bits)
        # Before iOS 18 the indices are bytes; the length of the table tells their bits.
        entries = table.count if table is not None and len(table.shape or ()) == 1 else None
        return _bits("lookup table", math.ceil(math.log2(entries)) if entries and entries > 1 else 8)
    if kind in _LINEAR or codes is not None:
        return _bits("linear", codes.element.bits if codes is not None else 8)
    return inner or kind


def _bits(words: str, bits: int) -> str:
    return f"{words} {bits} bit{'s' * (bits != 1)}"
