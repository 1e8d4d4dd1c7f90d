"""How an ML Program stores a constant now: bits, bytes, and which of our forms that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.mil_types import TensorType
from mltoolkit.formats.mil_value_writing import array_bytes
from mltoolkit.formats.mil_values import read_value, stored_size
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.quantization.program_scan import Constant
from mltoolkit.quantization.slots import Form, FormKind


@dataclass(frozen=True)
class StoredForm:
    """How a constant is stored; ``form`` is None where it is none of ours."""

    bits: int
    bytes: int
    form: Form | None


def stored_form(constant: Constant, weights: WeightFolder, channel_axis: int | None) -> StoredForm:
    """How a constant is stored.

    Args:
        constant: a tensor.
        weights: the files that it reads.
        channel_axis: the axis of its output channels, where that is known.
    """
    try:
        return _stored_form(constant, weights, channel_axis)
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise InvalidModelError(
            f"the parts of a compressed weight do not fit together: {error}", where=f"operation {constant.name!r}"
        ) from error


def _stored_form(constant: Constant, weights: WeightFolder, channel_axis: int | None) -> StoredForm:
    size = _bytes(constant)
    kind = constant.operation.type
    described = constant.type
    assert described is not None
    if kind == "const":
        bits = described.element.bits
        float_kind: FormKind = "float16" if bits == 16 else "float32"
        return StoredForm(bits, size, Form(float_kind, bits))
    if kind == "constexpr_cast":
        return StoredForm(16, size, Form("float16", 16))
    if kind == "constexpr_lut_to_dense":
        return _table(constant, described, size, channel_axis)
    if kind in ("constexpr_affine_dequantize", "constexpr_blockwise_shift_scale"):
        return _linear(constant, size, weights, channel_axis)
    return StoredForm(described.element.bits, size, None)


def _type(constant: Constant, name: str) -> TensorType | None:
    given = constant.given.get(name)
    if given is None or isinstance(given, tuple):
        return None
    return stored_size(given)[0]


def _bytes(constant: Constant) -> int:
    total = 0
    # A mask and the kept values come from one operation.
    inner = {id(given[0]): given[0] for given in constant.given.values() if isinstance(given, tuple)}
    total += sum(map(_bytes, inner.values()))
    for name, given in constant.given.items():
        if isinstance(given, tuple):
            continue
        if name not in ("axis", "shape", "vector_axis", "output_dtype"):
            described, _ = stored_size(given)
            total += array_bytes(described.count or 0, described.element.bits)
    return total


def _sizes(described: TensorType | None) -> tuple[int, ...]:
    return tuple(size or 0 for size in (described.shape if described is not None else None) or ())


def _table(constant: Constant, described: TensorType, size: int, channel_axis: int | None) -> StoredForm:
    table = _sizes(_type(constant, "lut"))
    if not table:
        return StoredForm(described.element.bits, size, None)
    if "shape" in constant.given:
        bits = table[0].bit_length() - 1
        return StoredForm(bits, size, Form("table", bits))
    bits, groups = table[-2].bit_length() - 1, table[:-2]
    along = [axis for axis, count in enumerate(groups) if count > 1]
    if len(along) > 1:
        return StoredForm(bits, size, None)
    axis = along[0] if along else None
    group = _sizes(described)[axis] // groups[axis] if axis is not None else 0
    other = axis if axis != channel_axis else None
    return StoredForm(bits, size, Form("table", bits, group_size=group, cluster_dim=table[-1], channel_axis=other))


def _linear(constant: Constant, size: int, weights: WeightFolder, channel_axis: int | None) -> StoredForm:
    if isinstance(constant.given.get("data"), tuple):
        return _scaled_table(constant, size, weights, channel_axis)
    old = constant.operation.type == "constexpr_affine_dequantize"
    data = _type(constant, "quantized_data" if old else "data")
    if data is None or data.element.kind != "int":
        return StoredForm(0 if data is None else data.element.bits, size, None)
    bits, scales = data.element.bits, _sizes(_type(constant, "scale"))
    shape = _sizes(data)
    if old:
        along = [int(_read(constant, "axis", weights).reshape(-1)[0])] if scales and scales[0] > 1 else []
    else:
        along = [axis for axis, count in enumerate(scales) if count > 1]
        if any(scales[axis] != shape[axis] for axis in along) or len(along) > 1:
            blocks = tuple(length // count if count > 1 else 0 for length, count in zip(shape, scales, strict=True))
            return StoredForm(bits, size, Form("linear", bits, block_size=blocks, signed=data.element.signed))
    if along and along[0] != channel_axis:
        return StoredForm(bits, size, None)
    shift = "zero_point" if old else "offset"
    centre = 0 if data.element.signed else (1 << (bits - 1)) - 1
    symmetric = shift not in constant.given or bool((_read(constant, shift, weights) == centre).all())
    form = Form("linear", bits, per_channel=bool(along), symmetric=symmetric, signed=data.element.signed)
    return StoredForm(bits, size, form)


def _scaled_table(constant: Constant, size: int, weights: WeightFolder, channel_axis: int | None) -> StoredForm:
    """A scale for each channel of what a table gives."""
    inner = stored_form(constant.given["data"][0], weights, channel_axis)
    scales = _sizes(_type(constant, "scale"))
    along = [axis for axis, count in enumerate(scales) if count > 1]
    plain = inner.form is not None and inner.form.kind == "table" and along == [channel_axis]
    form = replace(inner.form, channel_scale=True) if plain and inner.form and "offset" not in constant.given else None
    return StoredForm(inner.bits, size, form)


def _read(constant: Constant, name: str, weights: WeightFolder) -> Any:
    given = constant.given[name]
    if isinstance(given, tuple):
        return np.asarray(given[0].read(weights))
    return read_value(given, weights)
