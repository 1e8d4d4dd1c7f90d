"""Pruning from model to model: ML Programs that store which weights are zero, and the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.deployment import target_version
from mltoolkit.quantization.prune_weight import prune_weight
from mltoolkit.quantization.pruning_rules import PruningConfig
from mltoolkit.quantization.quantize_spec import Progress, check_progress
from mltoolkit.quantization.report import QuantizationReport
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.selectors import Predicate, check_selector
from mltoolkit.quantization.sparse_codes import sparse_config

if TYPE_CHECKING:
    from mltoolkit.model import Model

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
    check_progress(progress)
    if minimum_deployment_target is not None:
        target_version(minimum_deployment_target)
    rewriter = open_rewriter(load(model), minimum_deployment_target=minimum_deployment_target)
    if not any(slot.in_program for slot in rewriter.slots):
        raise UnsupportedModelError(
            "neural networks store every weight, zeros too", fix="Convert the model to an ML Program: mlt.convert"
        )
    records = []
    for done, slot in enumerate(rewriter.slots, start=1):
        records.append(prune_weight(rewriter, slot, config, codes, selector, only_if_smaller))
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
