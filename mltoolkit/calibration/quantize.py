"""Quantization against calibration data, from model to model."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mltoolkit.calibration.arguments import check_rest, goal_of
from mltoolkit.calibration.feeds import stage_feeds
from mltoolkit.calibration.goals import Reached, reach
from mltoolkit.calibration.model import Calibration, Progress
from mltoolkit.calibration.network import Effort
from mltoolkit.calibration.report import CalibratedQuantizationReport, CurvePoint
from mltoolkit.calibration.samples import FEW_SAMPLES, sample_warnings, split_samples
from mltoolkit.calibration.trial import METHOD, Agreement, Bench
from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import LutFunction
from mltoolkit.quantization.quantize_spec import check_progress, make_report
from mltoolkit.quantization.report import QuantizationReport
from mltoolkit.quantization.selectors import LayerSelector, Predicate
from mltoolkit.quantization.settings import QuantizationSettings

if TYPE_CHECKING:
    from mltoolkit.model import Model
    from mltoolkit.runtime.images import Crop

# Positions of all samples together, at least, where the layers have so many: with six pictures at 512 each, a style
# network of 2 bits lost quality against eight times as many.
_POSITIONS = FEW_SAMPLES * Effort.rows
_HELD_OUT = 0.25


def quantize_calibrated(
    full_precision_model: Any,
    sample_data: Any,
    *,
    nbits: int | None = None,
    max_bytes: int | None = None,
    max_bits_per_weight: float | None = None,
    min_agreement: float | None = None,
    quantization_mode: str = "kmeans",
    settings: Any = None,
    lut_function: LutFunction | None = None,
    selector: Predicate | LayerSelector | None = None,
    per_channel: bool = True,
    granularity: str | None = None,
    block_size: int = 32,
    group_size: int = 32,
    signed: bool = True,
    minimum_deployment_target: str | None = None,
    only_if_smaller: bool = True,
    agreement: Agreement | None = None,
    held_out: float | None = None,
    crop: Crop = "whole",
    limit: int | None = None,
    curve: bool = True,
    rows: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Model:
    """A model whose weights take few bits and whose outputs change little, as far as sample data can tell.

    The samples need no labels. Layer by layer, in the order in which they run, the codes are chosen that change the
    layer's outputs least, given what the layers before have changed: GPTQ upon an asymmetric target, coordinate
    descent, tables and scales refitted, biases corrected (docs/calibration.md has the formulas). Weights whose inputs
    cannot be seen, such as those in branches and loops, are quantized from their values alone; the report says which,
    and why. The same call gives the same bytes on the same machine.

    Exactly one of ``nbits``, ``max_bytes``, ``max_bits_per_weight``, ``min_agreement`` and ``settings`` says how far to
    go; with the three in the middle each weight gets bits of its own, by how much the network's outputs depend on it,
    unless the same bits for all do better. (``settings`` may go along with them: bits that they give are kept.)

    Args:
        full_precision_model: a :class:`mltoolkit.Model`, a path, a coremltools ``MLModel`` or a ``Model`` message. It
            is not changed.
        sample_data: as for ``compare_models``: a folder of pictures, or a list or iterator of input dictionaries or
            single inputs. Some hundred are good, 64 the least that is advised.
        nbits: bits of every weight, 1 to 8.
        max_bytes: the size of the model's file, at most.
        max_bits_per_weight: bits of the quantized weights with their scales and tables by their number, at most.
        min_agreement: the smallest file is looked for that agrees with the float model in this share of held-out
            samples, 0 to 1.
        quantization_mode: ``kmeans`` (lookup tables), ``linear``, ``linear_symmetric``, ``linear_lut`` or
            ``custom_lut``.
        settings: exceptions by layer and weight, as for ``quantize_weights``; those of a calibrated model
            (``quantization_settings(model)``) do with the same samples the same again.
        lut_function: for ``custom_lut``; called with the values that are to be approximated. Its table is kept, its
            codes are not used.
        selector: the weights to quantize, as for ``quantize_weights``.
        per_channel: for the linear modes, one scale per output channel (True) or one per weight.
        granularity: of an ML Program's scales or tables, with ``block_size``, ``group_size`` and ``signed`` as for
            ``quantize_weights``.
        block_size: likewise.
        group_size: likewise.
        signed: likewise.
        minimum_deployment_target: the oldest system that the model shall run on, such as ``iOS18``: an ML Program for
            an older one is raised. By default it stays what it is, and forms that it lacks are errors.
        only_if_smaller: leave a weight as it is where its new form would not take fewer bytes.
        agreement: called with the outputs of both models for one sample (name → array), returns 0 to 1; by default
            whether a classifier's first class is the same.
        held_out: share of the samples kept apart to measure the agreement; by default a quarter for
            ``min_agreement``, none otherwise.
        crop: how pictures are fitted, as for ``compare_models``.
        limit: use so many samples at most, spread evenly over all where their number is known.
        curve: for ``max_bytes`` and ``max_bits_per_weight``, try some other sizes as well for the report's curve.
        rows: positions of a sample that the statistics of a layer take, at most; by default 512, and more of fewer
            than 64 samples.
        seed: of the choice of positions and of held-out samples.
        progress: called after each weight with weights done, weights in all and the layer's name; a search makes
            several rounds.

    Returns:
        The new model; its attribute ``quantization_report`` holds a :class:`CalibratedQuantizationReport`.

    Raises:
        ArgumentError: an argument is wrong.
        QuantizationError: the budget cannot be met (the error tells the smallest reachable), no weight can be
            quantized, or a weight holds NaN.
        InputError: a sample does not fit the model's inputs, or holds NaN.
        ComparisonError: there are no samples, or they do not suit the model.
        UnsupportedModelError: the model cannot be run, or has no weights.

    >>> from mltoolkit.digits import digit_images_path, digit_model_path
    >>> small = quantize_calibrated(digit_model_path(), digit_images_path(), nbits=4)
    >>> small.quantization_report.nbits
    4
    """
    from mltoolkit.model import load

    started = time.monotonic()
    goals = {
        "nbits": nbits,
        "max_bytes": max_bytes,
        "max_bits_per_weight": max_bits_per_weight,
        "min_agreement": min_agreement,
    }
    goal = goal_of(goals, settings)
    check_rest(held_out, limit, rows, seed, agreement)
    check_progress(progress)
    seed, rows = int(seed), None if rows is None else int(rows)  # the model's metadata take no NumPy numbers
    config = QuantizationConfig(
        nbits=nbits if goal in ("nbits", "settings") else 8,
        quantization_mode=quantization_mode,
        per_channel=per_channel,
        granularity=granularity,
        block_size=block_size,
        group_size=group_size,
        signed=signed,
        lut_function=lut_function,
        selector=selector,
        only_if_smaller=only_if_smaller,
        settings=None if settings is None else QuantizationSettings.of(settings),
    )
    model = load(full_precision_model)
    feeds = stage_feeds(model, sample_data, crop=crop, limit=limit)
    own, apart = split_samples(
        feeds, _HELD_OUT if held_out is None and goal == "min_agreement" else held_out or 0.0, seed
    )
    warnings = sample_warnings(own, apart)
    rows = max(Effort.rows, -(-_POSITIONS // len(own))) if rows is None else rows
    bench = Bench(model, own, apart, agreement, {"samples": len(own), "rows": rows, "seed": seed})
    target = minimum_deployment_target
    if target is None and config.settings is not None:
        target = config.settings.minimum_deployment_target
    calibration = Calibration(model, own, Effort(rows=rows, seed=seed), target)
    if goal == "min_agreement" and not bench.knows_agreement:
        raise ArgumentError(
            "the model is no classifier, so there is no first class to agree on",
            fix="Give agreement=function, or max_bytes",
        )
    amount = goals.get(goal) or 0
    reached = reach(goal, amount, bench, calibration, config, curve=curve, progress=progress)
    plain, points = _plain_report(reached), _points(reached)
    reached.model.quantization_report = CalibratedQuantizationReport(
        **{**plain.__dict__, "mode": f"{METHOD} {plain.mode}"},
        samples=len(own),
        curve=points,
        warnings=warnings,
        seconds=time.monotonic() - started,
    )
    return reached.model


def _plain_report(reached: Reached) -> QuantizationReport:
    """What was done to each weight; of those left alone, why the search may have done so."""
    chosen, reasons = reached.chosen, reached.reasons
    records = [
        record if record.mode else replace(record, reason=reasons.get(decision.slot.index, record.reason))
        for decision, record in zip(chosen.decisions, chosen.records, strict=True)
    ]
    return make_report(records, chosen.config, chosen.bytes_before, chosen.point.model_bytes)


def _points(reached: Reached) -> tuple[CurvePoint, ...]:
    """What was tried, by rising size."""
    points = (replace(trial.point, chosen=trial is reached.chosen) for trial in reached.trials)
    return tuple(sorted(points, key=lambda point: point.model_bytes))
