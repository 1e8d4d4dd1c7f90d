"""Which layer of a model differs from its original, and which only passes on what came before."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.layer_report import LayerReport, make_layer_report
from mltoolkit.comparison.pair import ModelPair
from mltoolkit.comparison.progress import ProgressCallback, reporting
from mltoolkit.comparison.records import UnreadableInput
from mltoolkit.comparison.sources import Sample, SampleStream, open_samples
from mltoolkit.errors import ArgumentError, ComparisonError, InputError, UnreadablePictureError, did_you_mean
from mltoolkit.runtime.cores import available_cores
from mltoolkit.runtime.images import CROPS, Crop
from mltoolkit.runtime.inputs import check_names

if TYPE_CHECKING:
    from mltoolkit.model import Model

#: Below 20 dB an error is more than a tenth of the signal's magnitude.
THRESHOLD_DB = 20.0
# Each sample under way holds what later layers read of both models.
_MOST_WORKERS = 4


def compare_layers(
    full_precision_model: Any,
    other_model: Any,
    sample_data: Any,
    *,
    max_samples: int = 16,
    threshold_db: float = THRESHOLD_DB,
    crop: Crop = "whole",
    progress: bool | ProgressCallback | None = None,
) -> LayerReport:
    """Measure the error of every layer of the second model, accumulated and in isolation.

    The accumulated error is that of the layer's output when both models run freely: each layer reads what its own model
    computed, so that errors add up as they do in use. The isolated error is that of the same layer when it reads what
    the first model computed: only what the layer itself does wrong. (PyTorch's Numeric Suite calls such a layer a
    shadow module.)

    Layers are matched by the names of their outputs in the two files; so a model can be compared with its quantized
    self, and a network with the ML Program that was made of it, where names survive. What a layer without a twin does
    wrong is found at those behind it.

    Args:
        full_precision_model: the reference: a Model, or anything that ``mltoolkit.load`` takes.
        other_model: the model to measure, with inputs and outputs of the same names.
        sample_data: as for ``compare_models``.
        max_samples: how many samples are run: spread evenly over a folder or list, the first ones of an iterator.
        threshold_db: a layer below this signal-to-noise ratio counts as wrong.
        crop: how pictures are fitted: "whole" or "center".
        progress: as for ``compare_models``.

    Returns:
        The report: every layer's signal-to-noise ratios in dB, where the error starts, and which layer is worst in
        itself.

    Raises:
        ArgumentError: an argument is none of the above.
        ComparisonError: the models' interfaces differ, they have no layer in common, or there is nothing to compare on.
        InputError: a sample does not fit the models' inputs.
        UnsupportedModelError: a model cannot be run.
        PredictionError: a model failed.
    """
    from mltoolkit.comparison.layer_run import LayerRun
    from mltoolkit.model import load

    _check_arguments(crop, max_samples, threshold_db)
    a, b = load(full_precision_model), load(other_model)
    stream = open_samples(sample_data, a.inputs)
    pair = ModelPair(a, b, single_input=stream.single_input.name if stream.single_input else None, crop=crop)
    samples, unreadable = _readable(a, b, pair, _spread(stream, max_samples), stream)
    workers = min(available_cores(), len(samples), _MOST_WORKERS)
    with reporting(progress, len(samples), title="Layers") as show:
        found = LayerRun(pair, samples).measure(workers, show)
    if not any(stage.sums for stage in found):
        raise ComparisonError(
            "the two models have no layer output of the same name", fix="Compare a model with one that was made from it"
        )
    return make_layer_report(
        found,
        source=stream.source,
        samples=[sample.name for sample in samples],
        unreadable=unreadable,
        threshold_db=threshold_db,
    )


def _spread(stream: SampleStream, most: int) -> Iterator[Sample]:
    if stream.total is None or stream.total <= most:
        return itertools.islice(stream.samples, most)
    wanted = {index * stream.total // most for index in range(most)}
    return (sample for sample in stream.samples if sample.index in wanted)


def _readable(
    a: Model, b: Model, pair: ModelPair, samples: Iterator[Sample], stream: SampleStream
) -> tuple[list[Sample], list[UnreadableInput]]:
    readable: list[Sample] = []
    unreadable = list(stream.unreadable)
    for sample in samples:
        try:
            first, second = pair.prepare(sample)
            check_names(a.interface, first)
            check_names(b.interface, second)
        except UnreadablePictureError as error:
            unreadable.append(UnreadableInput(sample.name, error.what))
        except InputError as error:
            raise InputError(error.what, where=sample.name, fix=error.fix) from error
        else:
            readable.append(sample)
    if not readable:
        reason = f"; the first, {unreadable[0].name}: {unreadable[0].reason}" if unreadable else ""
        raise ComparisonError(
            f"there is no sample to compare on{reason}", where=stream.source, fix="Give at least one that can be read"
        )
    return readable, unreadable


def _check_arguments(crop: object, max_samples: object, threshold_db: object) -> None:
    if crop not in CROPS:
        raise ArgumentError(f"crop is {crop!r}", fix=did_you_mean(str(crop), CROPS))
    if not isinstance(max_samples, int) or isinstance(max_samples, bool) or max_samples < 1:
        raise ArgumentError(f"max_samples is {max_samples!r}", fix="Give a whole number from 1 up")
    if isinstance(threshold_db, bool) or not isinstance(threshold_db, int | float) or not math.isfinite(threshold_db):
        raise ArgumentError(f"threshold_db is {threshold_db!r}", fix="Give a number of decibels, such as 20")
