"""Pruning one weight of an opened model."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.errors import ArgumentError
from mltoolkit.formats.mil_value_writing import array_bytes
from mltoolkit.formats.program_weights import SparseCodes, SparseWeight, decode_stored
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.pruning_rules import STRUCTURED, PruningConfig
from mltoolkit.quantization.report import WeightRecord
from mltoolkit.quantization.selectors import selects
from mltoolkit.quantization.slots import Form, WeightSlot
from mltoolkit.quantization.sparse_codes import sparse_codes, sparse_codes_bytes
from mltoolkit.quantization.sqnr import sqnr_db
from mltoolkit.quantization.weight_access import ModelRewriter

_ROLES = {"bias": "biases stay", "normalization": "parameters of normalization stay"}


def prune_weight(
    rewriter: ModelRewriter,
    slot: WeightSlot,
    config: PruningConfig,
    codes: QuantizationConfig | None,
    selector: Any,
    only_if_smaller: bool,
) -> WeightRecord:
    """Prune a weight, or leave it alone; what was done to it.

    Args:
        rewriter: the opened model.
        slot: the weight.
        config: which values become zero.
        codes: how the others are stored; None for floats.
        selector: as :func:`mltoolkit.prune_weights` takes it.
        only_if_smaller: leave the weight as it is where it would not take fewer bytes.

    Raises:
        ArgumentError: the system that the program is made for has no such form.
        QuantizationError: the weight holds NaN or infinity.
    """
    bits = 16 if slot.half else 32
    form = Form("sparse", bits if codes is None else codes.nbits or bits)
    reason = "" if slot.role == "weight" else f"{_ROLES[slot.role]} as they are"
    lack = rewriter.lacking(slot, form)
    if not reason and lack is not None:
        raise ArgumentError(lack.reason, where=slot.where, fix=lack.fix)
    reason = reason or rewriter.obstacle(slot, form)
    if not reason and config.structured and (slot.layer_type not in STRUCTURED or slot.name != "weight"):
        reason = "blocks and n:m are for the weights of conv and linear"
    if not reason and not selects(selector, rewriter.message(slot), slot):
        reason = "not selected"
    if reason:
        return WeightRecord.of(slot, reason)
    values = rewriter.values(slot)
    kept = config.keep(values)
    if isinstance(kept, str):
        return WeightRecord.of(slot, kept)
    count = int(np.count_nonzero(kept))
    sparsity = 1 - count / slot.count
    if sparsity < config.minimum_sparsity:
        return WeightRecord.of(slot, f"only {sparsity:.1%} would be zero")
    stored: SparseWeight | SparseCodes = SparseWeight(kept, values[kept])
    size = array_bytes(count, bits) + array_bytes(slot.count, 1)
    if codes is not None and count:
        stored = sparse_codes(values, kept, slot, codes)
        size = sparse_codes_bytes(stored, bits)
    if only_if_smaller and size >= slot.bytes:
        return WeightRecord.of(slot, f"would not get smaller with {sparsity:.1%} of zeros")
    written = rewriter.write(slot, stored)
    sqnr = sqnr_db(values, decode_stored(stored, slot.where))
    name = "sparse" if isinstance(stored, SparseWeight) or codes is None else f"sparse {codes.mode.name}"
    return WeightRecord.of(slot, f"{sparsity:.1%} zeros", name, written, form.nbits, sqnr)
