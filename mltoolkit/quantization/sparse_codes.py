"""Codes for the weights that pruning keeps: zeros take a bit of the mask, the others a code (iOS 18)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError
from mltoolkit.formats.deployment import IOS18
from mltoolkit.formats.mil_value_writing import array_bytes
from mltoolkit.formats.program_weights import AffineCodes, GroupedCodes, SparseCodes
from mltoolkit.formats.weights import TableCodes
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import Job, quantize
from mltoolkit.quantization.program_forms import lacking
from mltoolkit.quantization.slots import Form, WeightSlot

_MODES = ("kmeans", "linear_lut", "linear", "linear_symmetric")


def sparse_config(nbits: int, mode: str) -> QuantizationConfig:
    """How the kept weights are stored.

    Raises:
        ArgumentError: the mode, or the number of bits, is not one that Core ML has between zeros.
    """
    config = QuantizationConfig(nbits, mode)
    if config.mode.name not in _MODES:
        raise ArgumentError(f"pruned weights cannot have the mode {mode!r}", fix=f"Choose {' or '.join(_MODES)}")
    lack = lacking(Form(config.mode.kind, nbits), IOS18)
    if lack is not None:
        raise ArgumentError(lack.reason, fix=lack.fix)
    return config


def sparse_codes(
    values: NDArray[np.float32], kept: NDArray[np.bool_], slot: WeightSlot, config: QuantizationConfig
) -> SparseCodes:
    """Codes of the kept values: a table made of them alone, or the linear codes of the pruned weight.

    Args:
        values: float32, the weight.
        kept: bool of its shape, true for at least one value.
        slot: the weight.
        config: what :func:`sparse_config` gave.
    """
    form = config.form(slot)
    if config.mode.kind == "linear":
        stored = quantize(config.mode, Job(np.where(kept, values, np.float32(0)), form, slot))
        assert isinstance(stored, AffineCodes)
        return SparseCodes(kept, stored)
    stored = quantize(config.mode, Job(values[kept], form, slot))
    assert isinstance(stored, TableCodes)
    codes = np.zeros(values.shape, dtype=np.uint8)
    codes[kept] = stored.codes
    tables = stored.table.reshape(*[1] * values.ndim, -1, 1)
    return SparseCodes(kept, GroupedCodes(codes, stored.nbits, tables))


def sparse_codes_bytes(stored: SparseCodes, float_bits: int) -> int:
    """What such a weight takes, in the weight file and the program."""
    coded, count = stored.codes, int(np.count_nonzero(stored.mask))
    size = array_bytes(stored.mask.size, 1) + array_bytes(count, coded.nbits)
    if isinstance(coded, GroupedCodes):
        return size + array_bytes(coded.tables.size, float_bits)
    shifts = 0 if coded.zero_point is None else array_bytes(coded.zero_point.size, coded.nbits)
    return size + array_bytes(coded.scale.size, float_bits) + shifts
