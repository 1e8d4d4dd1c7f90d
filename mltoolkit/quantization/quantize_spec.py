"""Quantization of every weight of a model from its values alone: a report, and a model with other weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import FLOAT16, Job, read_back
from mltoolkit.quantization.plan import Decision, keep, plan_layers
from mltoolkit.quantization.report import QuantizationReport, WeightRecord
from mltoolkit.quantization.rewriting import SpecRewriter, WeightAccess
from mltoolkit.quantization.slots import WeightSlot
from mltoolkit.quantization.sqnr import sqnr_db

logger = logging.getLogger(__name__)

# Called after each layer that has weights: layers done, layers in all, the layer's name.
Progress = Callable[[int, int, str], None]

_LARGEST_FLOAT16 = 65504.0
# The smallest float16 of full precision; below it bits are lost, and 6e-8 is the smallest of all.
_SMALLEST_NORMAL_FLOAT16 = 2.0**-14


def quantize_spec(
    spec: Any, config: QuantizationConfig, *, progress: Progress | None = None
) -> tuple[Any, QuantizationReport]:
    """Quantize a ``Model`` message; see :func:`mltoolkit.quantize_weights`.

    Args:
        spec: the message; not changed.
        config: what to do.
        progress: called after each layer.

    Returns:
        A new message and the report.

    Raises:
        QuantizationError, InvalidModelError, UnsupportedModelError: as for ``quantize_weights``.
    """
    rewriter = SpecRewriter(spec)
    records = rewrite_weights(rewriter, config, progress=progress)
    result = rewriter.finish_spec()
    return result, make_report(records, config, rewriter.bytes_before, rewriter.bytes_after)


def rewrite_weights(
    rewriter: WeightAccess, config: QuantizationConfig, *, progress: Progress | None = None
) -> list[WeightRecord]:
    """Quantize the weights of an opened model; a record for each weight."""
    slots = rewriter.slots
    layers = slots[-1].layer_index + 1 if slots else 0
    records: list[WeightRecord] = []
    for done, decisions in enumerate(plan_layers(rewriter, config), start=1):
        if config.mode is FLOAT16:
            decisions = _keep_beyond_float16(rewriter, decisions)
        records += [_apply(rewriter, decision, config) for decision in decisions]
        first = decisions[0].slot
        logger.debug("layer %r of type %s: %d of %d", first.layer, first.layer_type, done, layers)
        if progress is not None:
            progress(done, layers, first.layer)
    return records


def make_report(
    records: list[WeightRecord], config: QuantizationConfig, bytes_before: int, bytes_after: int
) -> QuantizationReport:
    """The report about a finished model."""
    report = QuantizationReport(
        mode=config.mode.name,
        nbits=config.nbits or 32,
        records=tuple(records),
        model_bytes_before=bytes_before,
        model_bytes_after=bytes_after,
    )
    if not report.changed:
        logger.warning("no weight was changed: %s", report.reasons_text)
    return report


def _keep_beyond_float16(rewriter: WeightAccess, decisions: list[Decision]) -> list[Decision]:
    """The decisions without those for weights that float16 cannot hold."""
    reasons = [_beyond_float16(rewriter, decision) for decision in decisions]
    if not any(reasons):
        return decisions
    if decisions[0].slot.alike:
        return keep(decisions, next(filter(None, reasons)))
    pairs = zip(decisions, reasons, strict=True)
    return [keep([decision], reason)[0] if reason else decision for decision, reason in pairs]


def _beyond_float16(rewriter: WeightAccess, decision: Decision) -> str:
    """Why float16 cannot hold the values of a weight that is to become float16, or ""."""
    slot = decision.slot
    if decision.form is None:
        return ""
    values = rewriter.values(slot)
    largest = max(abs(float(values.min())), abs(float(values.max())))
    if largest > _LARGEST_FLOAT16:
        return f"{slot.name} reaches {largest:g}, beyond float16 (65504)"
    if slot.role == "weight" and 0 < largest < _SMALLEST_NORMAL_FLOAT16:
        return f"{slot.name} is nowhere above {largest:g}, too small for float16's precision"
    return ""


def _apply(rewriter: WeightAccess, decision: Decision, config: QuantizationConfig) -> WeightRecord:
    """Write a weight, or leave it."""
    slot, form = decision.slot, decision.form
    sqnr, size = None, slot.bytes
    if form is not None:
        job = Job(
            values=rewriter.values(slot),
            nbits=form.nbits,
            channel_axis=slot.channel_axis,
            per_channel=form.per_channel,
            lut_function=config.lut_function,
            where=slot.where,
        )
        stored = config.mode.quantize(job)
        size = rewriter.write(slot, stored)
        sqnr = sqnr_db(job.values, read_back(stored, job))
    return _record(slot, decision, config, size, sqnr)


def _record(
    slot: WeightSlot, decision: Decision, config: QuantizationConfig, size: int, sqnr: float | None
) -> WeightRecord:
    return WeightRecord(
        stage=slot.stage,
        layer=slot.layer,
        layer_type=slot.layer_type,
        weight=slot.name,
        shape=slot.shape,
        mode=config.mode.name if decision.form else "",
        bits_before=slot.bits,
        bits_after=decision.form.nbits if decision.form else slot.bits,
        bytes_before=slot.bytes,
        bytes_after=size,
        sqnr_db=sqnr,
        reason=decision.reason,
    )
