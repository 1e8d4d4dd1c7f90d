"""How a file stores a weight, as the record that the hub keeps of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.formats.float_field import read_floats
from mltoolkit.formats.weights import Encoding, encoding_of
from mltoolkit.graph.quantization_record import Float16Record, LinearRecord, QuantizationRecord, TableRecord


def record_of_weight(params: Any) -> QuantizationRecord | None:
    """The record of a ``WeightParams`` message; None where it holds float32 values, or none."""
    encoding = encoding_of(params)
    if encoding is Encoding.FLOAT16:
        return Float16Record()
    bits = int(params.quantization.numberOfBits)
    if encoding is Encoding.LOOKUP_TABLE:
        return TableRecord(bits, read_floats(params.quantization.lookupTableQuantization, "floatValue"))
    if encoding is Encoding.LINEAR:
        linear = params.quantization.linearQuantization
        scale, bias = read_floats(linear, "scale"), read_floats(linear, "bias")
        # Without a bias it is zero; one of the two may be single.
        shape = (max(scale.size, bias.size),)
        whole = bias if bias.size else np.zeros(1, dtype=np.float32)
        if all(array.size in (1, *shape) for array in (scale, whole)):
            return LinearRecord(bits, np.broadcast_to(scale, shape), np.broadcast_to(whole, shape))
    return None
