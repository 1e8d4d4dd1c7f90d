"""Pruning from model to model: ML Programs that store which weights are zero, and the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.errors import ArgumentError, UnsupportedModelError
from mltoolkit.formats.deployment import target_version
from mltoolkit.formats.mil_value_writing import array_bytes
from mltoolkit.formats.program_weights import SparseCodes, SparseWeight, decode_stored
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.pruning import STRUCTURED, PruningConfig
from mltoolkit.quantization.quantize_spec import Progress
from mltoolkit.quantization.report import QuantizationReport, WeightRecord
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.selectors import Predicate, check_selector, selects
from mltoolkit.quantization.slots import Form, WeightSlot
from mltoolkit.quantization.sparse_codes import sparse_codes, sparse_codes_bytes, sparse_config
from mltoolkit.quantization.sqnr import sqnr_db
from mltoolkit.quantization.weight_access import ModelRewriter

if TYPE_CHECKING:
    from mltoolkit.model import Model

_ROLES = {"bias": "biases stay", "normalization": "parameters of normalization stay"}
METADATA_KEY = "com.mltoolkit.pruning"


def prune_weights(
    model: Any,
    *,
    threshold: float | None = None,
    target_sparsity: float | None = None,
    n_m_ratio: Sequence[int] | None = None,
    block_size: int | None = None,
    dim: int | None = None,
    minimum_sparsity: float = 0.0,
    nbits: int | None = None,
    quantization_mode: str = "kmeans",
    selector: Predicate | None = None,
    only_if_smaller: bool = True,
    minimum_deployment_target: str | None = None,
    progress: Progress | None = None,
) -> Model:
    """An ML Program whose smallest weights are zero, stored as a bit for each weight and the values that are not.

    Biases and normalization stay. One of the first three arguments says which weights become zero.

    Args:
        model: whatever :func:`mltoolkit.load` takes; it is not changed.
        threshold: weights of at most this magnitude.
        target_sparsity: this share of each weight array, the values of least magnitude; 0 to 1.
        n_m_ratio: (n, m): of every m values along the input channels, the n of least magnitude.
        block_size: with ``target_sparsity``: so many neighbouring output channels together, for ``conv`` and
            ``linear``.
        dim: 0 for output channels, 1 for input channels, where that is not what is meant.
        minimum_sparsity: leave a weight array alone where a smaller share would be zero.
        nbits: store the weights that stay in so many bits (iOS 18); by default as floats.
        quantization_mode: how: ``kmeans``, ``linear_lut``, ``linear`` or ``linear_symmetric``.
        selector: the weights to prune: a predicate ``(operation name, input name) -> bool``. Default: all.
        only_if_smaller: leave a weight array as it is where it would not take fewer bytes.
        minimum_deployment_target: as for :func:`quantize_weights`; sparse weights need iOS 16.
        progress: called after each weight array with how many are done, how many there are, and its operation's name.

    Returns:
        The new model; its ``quantization_report`` tells what was done to each weight.

    Raises:
        ArgumentError: an argument is wrong.
        QuantizationError: a weight holds NaN or infinity.
        UnsupportedModelError: the model holds no ML Program; neural networks store every weight.
    """
    from mltoolkit.model import load

    config = PruningConfig(threshold, target_sparsity, n_m_ratio, block_size, dim, minimum_sparsity)
    codes = None if nbits is None else sparse_config(nbits, quantization_mode)
    check_selector(selector)
    if minimum_deployment_target is not None:
        target_version(minimum_deployment_target)
    rewriter = open_rewriter(load(model), minimum_deployment_target=minimum_deployment_target)
    if not any(slot.in_program for slot in rewriter.slots):
        raise UnsupportedModelError(
            "neural networks store every weight, zeros too", fix="Convert the model to an ML Program: mlt.convert"
        )
    records = []
    for done, slot in enumerate(rewriter.slots, start=1):
        records.append(_prune(rewriter, slot, config, codes, selector, only_if_smaller))
        if progress is not None:
            progress(done, len(rewriter.slots), slot.layer)
    if any(record.mode for record in records):
        given = {rule.name: getattr(config, rule.name) for rule in fields(config)}
        rules = {rule.name: given[rule.name] for rule in fields(config) if given[rule.name] != rule.default}
        if codes is not None:
            rules |= {"nbits": nbits, "quantization_mode": codes.mode.name}
        # NumPy's numbers as Python's.
        rewriter.set_metadata(METADATA_KEY, json.dumps(rules, default=lambda number: number.item()))
    pruned = rewriter.finish()
    mode = "sparse" if codes is None else f"sparse {codes.mode.name}"
    pruned.quantization_report = QuantizationReport(
        mode, nbits or 0, tuple(records), rewriter.bytes_before, rewriter.bytes_after
    )
    return pruned


def _prune(
    rewriter: ModelRewriter,
    slot: WeightSlot,
    config: PruningConfig,
    codes: QuantizationConfig | None,
    selector: Any,
    only_if_smaller: bool,
) -> WeightRecord:
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
        return _record(slot, reason)
    values = rewriter.values(slot)
    kept = config.keep(values)
    if isinstance(kept, str):
        return _record(slot, kept)
    count = int(np.count_nonzero(kept))
    sparsity = 1 - count / slot.count
    if sparsity < config.minimum_sparsity:
        return _record(slot, f"only {sparsity:.1%} would be zero")
    stored: SparseWeight | SparseCodes = SparseWeight(kept, values[kept])
    size = array_bytes(count, bits) + array_bytes(slot.count, 1)
    if codes is not None and count:
        stored = sparse_codes(values, kept, slot, codes)
        size = sparse_codes_bytes(stored, bits)
    if only_if_smaller and size >= slot.bytes:
        return _record(slot, f"would not get smaller with {sparsity:.1%} of zeros")
    written = rewriter.write(slot, stored)
    sqnr = sqnr_db(values, decode_stored(stored, slot.where))
    name = "sparse" if isinstance(stored, SparseWeight) or codes is None else f"sparse {codes.mode.name}"
    return _record(slot, f"{sparsity:.1%} zeros", name, written, form.nbits, sqnr)


def _record(
    slot: WeightSlot,
    reason: str,
    mode: str = "",
    size: int | None = None,
    bits: int | None = None,
    sqnr: float | None = None,
) -> WeightRecord:
    return WeightRecord(
        stage=slot.stage,
        layer=slot.layer,
        layer_type=slot.layer_type,
        weight=slot.name,
        shape=slot.shape,
        mode=mode,
        bits_before=slot.bits,
        bits_after=slot.bits if bits is None else bits,
        bytes_before=slot.bytes,
        bytes_after=slot.bytes if size is None else size,
        sqnr_db=sqnr,
        reason=reason,
    )
