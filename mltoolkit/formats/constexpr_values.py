"""What the operations of compressed weights stand for: ``constexpr_*`` of iOS 16 and iOS 18, read from an ML Program.

iOS 16 states the shape of packed codes or of a packed mask; iOS 18 has elements of less than 8 bits under the same
names, which the reader of values unpacks. Source: coremltools, ``mil/ops/defs/iOS16`` and ``iOS18``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.compressed_weights import along_axis, gather_places, look_up, shift_and_scale, spread
from mltoolkit.formats.mil_bits import packed_bytes, unpack_elements
from mltoolkit.formats.ml_program import operation_name

PREFIX = "constexpr_"

Given = Mapping[str, Any]
_NUMBERS = "iufV"  # V: bfloat16 and the 8-bit floats


def is_constexpr(kind: str) -> bool:
    """Whether operations of that type stand for compressed weights."""
    return kind.startswith(PREFIX)


def parameters_of(operation: Any) -> dict[str, Any]:
    """What a constant operation is given: ``Value`` messages, and texts where it names another constant.

    Raises:
        InvalidModelError: an input is bound to nothing, or to several things.
    """
    given: dict[str, Any] = {name: value for name, value in operation.attributes.items() if name != "name"}
    for name, argument in operation.inputs.items():
        if len(argument.arguments) != 1 or argument.arguments[0].WhichOneof("binding") is None:
            raise InvalidModelError(
                f"the input {name!r} is not bound to one thing",
                where=f"operation {operation_name(operation)!r} ({operation.type})",
            )
        binding = argument.arguments[0]
        given[name] = binding.name if binding.WhichOneof("binding") == "name" else binding.value
    return given


def evaluate(kind: str, given: Given, where: str) -> tuple[NDArray[Any], ...]:
    """The outputs of an operation.

    Args:
        kind: its type.
        given: its inputs and attributes as they are stored: arrays, and texts.
        where: its name, for errors.

    Returns:
        One array, or the mask and the kept elements; floats are float32, integers of tables keep their type.

    Raises:
        InvalidModelError: something is missing, or does not fit together.
    """
    try:
        return _EVALUATORS[kind](given, where)
    except KeyError as error:
        raise InvalidModelError(f"the operation {kind} is unknown or lacks {error}", where=where) from error
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise InvalidModelError(f"what {kind} is given does not fit together: {error}", where=where) from error


def affine_scales(given: Given, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Scale and zero point of ``constexpr_affine_dequantize``, as :func:`along_axis` gives them."""
    codes, scale = _numbers(given, "quantized_data", where), _numbers(given, "scale", where)
    zero_point = _optional_numbers(given, "zero_point", where)
    return along_axis(codes.shape, _axis(given, "axis", where), scale, zero_point, where)


def _affine(given: Given, where: str) -> tuple[NDArray[Any], ...]:
    scale, zero_point = affine_scales(given, where)
    return (shift_and_scale(given["quantized_data"], scale, zero_point, where),)


def _blockwise(given: Given, where: str) -> tuple[NDArray[Any], ...]:
    return (_shifted_and_scaled(_numbers(given, "data", where), given, where),)


def _table(given: Given, where: str) -> tuple[NDArray[Any], ...]:
    tables = _numbers(given, "lut", where)
    if "shape" not in given:
        return (look_up(_numbers(given, "indices", where, "u"), tables, _axis(given, "vector_axis", where), where),)
    bits = tables.size.bit_length() - 1
    if tables.ndim != 1 or not 1 <= bits <= 8 or tables.size != 1 << bits:
        raise InvalidModelError(f"a lookup table of shape {tables.shape} goes with no number of bits", where=where)
    indices = _unpacked(given, "indices", bits, where)
    return (look_up(indices, tables.reshape(*[1] * indices.ndim, -1, 1), None, where),)


def _sparse(given: Given, where: str) -> tuple[NDArray[Any], ...]:
    mask = _unpacked(given, "mask", 1, where) if "shape" in given else _numbers(given, "mask", where, "u")
    return (spread(_numbers(given, "nonzero_data", where), mask, where),)


def _table_to_sparse(given: Given, where: str) -> tuple[NDArray[Any], ...]:
    mask, tables = _numbers(given, "indices_mask", where, "u"), _numbers(given, "lut", where)
    axis = _axis(given, "vector_axis", where)
    indices = spread(_numbers(given, "indices_nonzero_data", where, "u"), mask, where)
    dense = look_up(indices, tables, axis, where)
    if dense.shape != mask.shape:
        mask = np.repeat(mask, tables.shape[-1], axis=axis)
    return mask, gather_places(dense, mask)


def _sparse_blockwise(given: Given, where: str) -> tuple[NDArray[Any], ...]:
    mask = _numbers(given, "data_mask", where, "u")
    codes = spread(_numbers(given, "nonzero_data", where), mask, where)
    return mask, gather_places(_shifted_and_scaled(codes, given, where), mask)


def _cast(given: Given, where: str) -> tuple[NDArray[Any], ...]:
    if str(given["output_dtype"]).lower() != "fp32":
        raise InvalidModelError(f"there is no output_dtype {given['output_dtype']!r}", where=where, fix="It is fp32")
    return (_numbers(given, "source_val", where).astype(np.float32),)


_EVALUATORS: dict[str, Callable[[Given, str], tuple[NDArray[Any], ...]]] = {
    "constexpr_affine_dequantize": _affine,
    "constexpr_blockwise_shift_scale": _blockwise,
    "constexpr_lut_to_dense": _table,
    "constexpr_sparse_to_dense": _sparse,
    "constexpr_lut_to_sparse": _table_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": _sparse_blockwise,
    "constexpr_cast": _cast,
}


def _shifted_and_scaled(codes: NDArray[Any], given: Given, where: str) -> NDArray[Any]:
    return shift_and_scale(codes, _numbers(given, "scale", where), _optional_numbers(given, "offset", where), where)


def _numbers(given: Given, name: str, where: str, kinds: str = _NUMBERS) -> NDArray[Any]:
    stored = given[name]
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in kinds:
        raise InvalidModelError(f"the input {name!r} does not have the numbers it needs", where=where)
    return stored


def _optional_numbers(given: Given, name: str, where: str) -> NDArray[Any] | None:
    return _numbers(given, name, where) if name in given else None


def _axis(given: Given, name: str, where: str) -> int | None:
    if name not in given:
        return None
    axis = _numbers(given, name, where, "iu")
    if axis.size != 1:
        raise InvalidModelError(f"{name} is {axis.tolist()!r} where a whole number is needed", where=where)
    return int(axis.reshape(()))


def _unpacked(given: Given, name: str, bits: int, where: str) -> NDArray[Any]:
    """The packed elements of an input, in the shape that the operation states."""
    shape = tuple(int(size) for size in _numbers(given, "shape", where, "iu").reshape(-1))
    packed, count = _numbers(given, name, where, "u"), math.prod(shape)
    if packed.dtype != np.uint8 or min(shape, default=0) < 1 or packed.shape != (packed_bytes(count, bits),):
        raise InvalidModelError(
            f"{name!r} of shape {packed.shape} cannot hold {bits} bits for each element of {shape}", where=where
        )
    codes = packed if bits == 8 else unpack_elements(packed, bits, count)
    return codes.reshape(shape)
