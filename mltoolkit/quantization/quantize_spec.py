"""Quantization of every weight of a model from its values alone: a report, and a model with other weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import MODES, Job, quantize
from mltoolkit.quantization.plan import Decision, keep, plan_layers
from mltoolkit.quantization.program_forms import group_axis
from mltoolkit.quantization.program_tables import distinct_entries
from mltoolkit.quantization.reading_back import stored_sqnr_db
from mltoolkit.quantization.report import QuantizationReport, WeightRecord
from mltoolkit.quantization.rewriting_spec import SpecRewriter
from mltoolkit.quantization.weight_access import WeightAccess

logger = logging.getLogger(__name__)

# Called after each layer that has weights: layers done, layers in all, the layer's name.
Progress = Callable[[int, int, str], None]

_LARGEST_FLOAT16 = 65504.0
# The smallest float16 of full precision; below it bits are lost, and 6e-8 is the smallest of all.
_SMALLEST_NORMAL_FLOAT16 = 2.0**-14


def check_progress(progress: Any) -> None:
    """Check that progress can be told, before the work.

    Raises:
        ArgumentError: it is no function.
    """
    if progress is not None and not callable(progress):
        raise ArgumentError(
            f"progress is {progress!r}", fix="Give a function of how many are done, how many there are, and a name"
        )


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
    records, _ = rewrite_weights(rewriter, config, progress=progress)
    result = rewriter.finish_spec()
    return result, make_report(records, config, rewriter.bytes_before, rewriter.bytes_after)


def rewrite_weights(
    rewriter: WeightAccess, config: QuantizationConfig, *, progress: Progress | None = None
) -> tuple[list[WeightRecord], list[Decision]]:
    """Quantize the weights of an opened model; a record and a decision for each weight."""
    slots = rewriter.slots
    layers = slots[-1].layer_index + 1 if slots else 0
    records: list[WeightRecord] = []
    done: list[Decision] = []
    for number, planned in enumerate(decided_layers(rewriter, config), start=1):
        for decision in planned:
            record, decision = apply_decision(rewriter, decision)
            records.append(record)
            done.append(decision)
        first = planned[0].slot
        logger.debug("layer %r of type %s: %d of %d", first.layer, first.layer_type, number, layers)
        if progress is not None:
            progress(number, layers, first.layer)
    return records, done


def decided_layers(rewriter: WeightAccess, config: QuantizationConfig) -> Iterator[list[Decision]]:
    """What is done to each weight, layer by layer; what float16 cannot hold stays.

    Raises:
        ArgumentError: the settings name no weight of the model, or the selector failed.
    """
    if config.settings is not None:
        config.settings.check_names(rewriter.slots)
    for planned in plan_layers(rewriter, config):
        yield _keep_beyond_float16(rewriter, planned)


def make_report(
    records: list[WeightRecord], config: QuantizationConfig, bytes_before: int, bytes_after: int
) -> QuantizationReport:
    """The report about a finished model."""
    mode, nbits = config.mode.name, config.nbits or 0
    if config.settings is not None:
        changed = [record for record in records if record.mode]
        modes, bits = {record.mode for record in changed}, {record.bits_after for record in changed}
        mode = modes.pop() if len(modes) == 1 else "mixed"
        nbits = bits.pop() if len(bits) == 1 else 0
    report = QuantizationReport(
        mode=mode,
        nbits=nbits,
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
    if not decisions[0].slot.in_program:
        return keep(decisions, next(filter(None, reasons)))
    pairs = zip(decisions, reasons, strict=True)
    return [keep([decision], reason)[0] if reason else decision for decision, reason in pairs]


def _beyond_float16(rewriter: WeightAccess, decision: Decision) -> str:
    """Why float16 cannot hold the values of a weight that is to become float16, or ""."""
    slot = decision.slot
    if decision.form is None or decision.form.kind != "float16":
        return ""
    values = rewriter.values(slot)
    largest = max(abs(float(values.min())), abs(float(values.max())))
    if largest > _LARGEST_FLOAT16:
        return f"{slot.name} reaches {largest:g}, beyond float16 (65504)"
    if slot.role == "weight" and 0 < largest < _SMALLEST_NORMAL_FLOAT16:
        return f"{slot.name} is nowhere above {largest:g}, too small for float16's precision"
    return ""


def apply_decision(rewriter: WeightAccess, decision: Decision) -> tuple[WeightRecord, Decision]:
    """Write a weight as its values alone say, or leave it; the decision as it came out."""
    slot = decision.slot
    if decision.form is not None and decision.config.mode is MODES["unique"]:
        decision = _with_needed_bits(rewriter, decision, rewriter.values(slot))
    form = decision.form
    if form is None:
        return WeightRecord.of(slot, decision.reason), decision
    values = rewriter.values(slot)
    job = Job(values, form, slot, decision.config.lut_function)
    stored = quantize(decision.config.mode, job)
    size = rewriter.write(slot, stored)
    return make_record(decision, size, stored_sqnr_db(stored, job)), decision


def _with_needed_bits(rewriter: WeightAccess, decision: Decision, values: NDArray[np.float32]) -> Decision:
    """The decision with the least number of bits whose table holds all different values of the weight."""
    assert decision.form is not None
    slot, most = decision.slot, decision.form.nbits
    count = distinct_entries(values, decision.form, group_axis(slot, decision.form))
    for nbits in range(1, most + 1):
        form = replace(decision.form, nbits=nbits)
        if count <= 1 << nbits and not rewriter.obstacle(slot, form):
            smaller = not decision.config.only_if_smaller or rewriter.size(slot, form) < slot.bytes
            return replace(decision, form=form) if smaller else keep([decision], "would not get smaller")[0]
    return keep([decision], f"it has {count} different values, more than tables of {most} bits hold")[0]


def make_record(decision: Decision, size: int, sqnr: float) -> WeightRecord:
    """The record of a weight that was stored in the decided form, in ``size`` bytes."""
    assert decision.form is not None
    mode = decision.config.mode.name
    return WeightRecord.of(decision.slot, decision.reason, mode, size, decision.form.nbits, sqnr)
