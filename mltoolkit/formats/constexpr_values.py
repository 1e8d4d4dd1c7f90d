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
from mltoolkit.formats.compressed_weights import gather_places, look_up, shift_and_scale, spread
from mltoolkit.formats.mil_bits import packed_bytes, unpack_elements

PREFIX = "constexpr_"

Arrays = Mapping[str, NDArray[Any]]


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
            raise InvalidModelError(f"the input {name!r} is not bound to one thing", where=f"{operation.type}")
        binding = argument.arguments[0]
        given[name] = binding.name if binding.WhichOneof("binding") == "name" else binding.value
    return given


def evaluate(kind: str, given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    """The outputs of an operation.

    Args:
        kind: its type.
        given: its inputs and attributes.
        where: its name, for errors.

    Returns:
        One array, or the mask and the kept elements; floats are float32.

    Raises:
        InvalidModelError: something is missing, or does not fit together.
    """
    try:
        return _EVALUATORS[kind](given, where)
    except KeyError as error:
        raise InvalidModelError(f"the operation {kind} is unknown or lacks {error}", where=where) from error
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise InvalidModelError(f"what {kind} is given does not fit together: {error}", where=where) from error


def _affine(given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    codes, scale, zero_point = given["quantized_data"], given["scale"], given["zero_point"]
    shape = [1] * codes.ndim
    count = max(scale.size, zero_point.size)
    if count > 1:
        shape[int(given["axis"])] = count
    scales, zeros = (np.broadcast_to(array.reshape(-1), count).reshape(shape) for array in (scale, zero_point))
    return (shift_and_scale(codes, scales, zeros, where),)


def _blockwise(given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    return (shift_and_scale(given["data"], given["scale"], given.get("offset"), where),)


def _table(given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    tables = given["lut"]
    if "shape" not in given:
        return (look_up(given["indices"], tables, _vector_axis(given), where),)
    bits = tables.size.bit_length() - 1
    indices = _unpacked(given["indices"], given["shape"], bits, where)
    return (look_up(indices, tables.reshape(*[1] * indices.ndim, -1, 1), None, where),)


def _sparse(given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    mask = given["mask"]
    if "shape" in given:
        mask = _unpacked(mask, given["shape"], 1, where)
    return (spread(given["nonzero_data"], mask, where),)


def _table_to_sparse(given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    mask, tables, axis = given["indices_mask"], given["lut"], _vector_axis(given)
    dense = look_up(spread(given["indices_nonzero_data"], mask, where), tables, axis, where)
    if dense.shape != mask.shape:
        mask = np.repeat(mask, tables.shape[-1], axis=axis)
    return mask, gather_places(dense, mask)


def _sparse_blockwise(given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    mask = given["data_mask"]
    codes = spread(given["nonzero_data"], mask, where)
    return mask, gather_places(shift_and_scale(codes, given["scale"], given.get("offset"), where), mask)


def _cast(given: Arrays, where: str) -> tuple[NDArray[Any], ...]:
    return (given["source_val"].astype(np.float32),)


_EVALUATORS: dict[str, Callable[[Arrays, str], tuple[NDArray[Any], ...]]] = {
    "constexpr_affine_dequantize": _affine,
    "constexpr_blockwise_shift_scale": _blockwise,
    "constexpr_lut_to_dense": _table,
    "constexpr_sparse_to_dense": _sparse,
    "constexpr_lut_to_sparse": _table_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": _sparse_blockwise,
    "constexpr_cast": _cast,
}


def _vector_axis(given: Arrays) -> int | None:
    return int(given["vector_axis"]) if "vector_axis" in given else None


def _unpacked(packed: NDArray[Any], shape: NDArray[Any], bits: int, where: str) -> NDArray[Any]:
    sizes = tuple(int(size) for size in shape)
    count = math.prod(sizes)
    if packed.dtype != np.uint8 or not 1 <= bits <= 8 or packed.size != packed_bytes(count, bits):
        raise InvalidModelError(f"{packed.size} bytes do not hold {bits} bits for each element of {sizes}", where=where)
    codes = packed.reshape(-1) if bits == 8 else unpack_elements(packed.reshape(-1), bits, count)
    return codes.reshape(sizes)
