"""Running two models on the same inputs and measuring how far they differ."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor, Executor
from typing import Any

from mltoolkit.comparison.compatibility import ComparableModel
from mltoolkit.comparison.pair import ModelPair
from mltoolkit.comparison.progress import ProgressCallback, reporting
from mltoolkit.comparison.records import InputComparison, UnreadableInput
from mltoolkit.comparison.report import ComparisonReport, make_report
from mltoolkit.comparison.scheduling import (
    check_executor,
    default_executor,
    in_tasks,
    run_tasks,
    task_size,
    worker_count,
)
from mltoolkit.comparison.sources import SampleStream, open_samples
from mltoolkit.errors import ArgumentError, ComparisonError, did_you_mean
from mltoolkit.runtime.images import CROPS, Crop

_log = logging.getLogger(__name__)


def compare_models(
    full_precision_model: Any,
    quantized_model: Any,
    sample_data: Any,
    *,
    crop: Crop = "whole",
    executor: Executor | None = None,
    progress: bool | ProgressCallback | None = None,
    top_k: int = 5,
    max_worst: int = 10,
) -> ComparisonReport:
    """Measure how often, and how far, a quantized model differs from its original.

    Classifiers are compared by their first class (top-1 agreement, with its 95 % interval), by the k best,
    and by the divergence of their probabilities; all other outputs by SNR and PSNR, pictures also by SSIM
    where scikit-image is installed. Each picture is decoded and resized once for both models.

    Classes are matched by index where both models carry the same list of labels, else by label string. Of
    equal scores the lower index comes first, in both models.

    Args:
        full_precision_model: the reference: a Model, or anything that ``mltoolkit.load`` takes.
        quantized_model: the model to measure, with inputs and outputs of the same names.
        sample_data: a folder of pictures (any depth, any case of extension) or one picture; likewise of
            ``.npz`` files with an array for each input, or ``.npy`` files where the model has one input, with
            one sample or many along a further first axis; or a list or iterator of dictionaries by input name,
            or of single values (paths, PIL images, arrays) where the model has one input. An iterator is read
            as the work proceeds, and must yield a new array each time.
        crop: "whole" resizes the whole picture with LANCZOS, as coremltools does; "center" first cuts it to
            the aspect ratio of the model's input.
        executor: where to run; a pool of threads, one a core, where it is None. Processes and clusters
            receive both models once a task and build them once a worker.
        progress: True for a bar on stderr, False for none, None for one where stderr is a terminal; or a
            function of (done, total).
        top_k: the k of the top-k agreement.
        max_worst: how many of the worst inputs the report names.

    Returns:
        The report. Files that cannot be read are listed in it.

    Raises:
        ArgumentError: crop, executor, progress, top_k or max_worst is none of the above.
        ComparisonError: the models' interfaces differ, there is nothing to compare on, nothing of it can be
            read, the sample data does not suit the models' inputs, or a classifier answers NaN.
        InputError: a given dictionary does not fit the models' inputs.
        PredictionError: a model failed.
    """
    _check_arguments(crop, executor, top_k, max_worst)
    reference, other = _as_model(full_precision_model), _as_model(quantized_model)
    stream = open_samples(sample_data, reference.inputs)
    single = stream.single_input.name if stream.single_input else None
    pair = ModelPair(reference, other, single_input=single, crop=crop, top_k=top_k)
    if executor is not None:
        results = _run(pair, stream, executor, progress)
    else:
        with default_executor() as threads:
            results = _run(pair, stream, threads, progress)
    inputs = sorted((row for row in results if isinstance(row, InputComparison)), key=lambda row: row.index)
    unreadable = [*stream.unreadable, *sorted(_unreadable(results), key=lambda item: item.name)]
    if not inputs:
        raise _nothing_compared(stream, unreadable)
    if unreadable:
        _log.warning("%d of the inputs from %s could not be read", len(unreadable), stream.source)
    return make_report(
        inputs,
        unreadable,
        source=stream.source,
        top_k=top_k,
        max_worst=max_worst,
        class_count=len(pair.classes.reference) if pair.classes else None,
        compared_by=("index" if pair.classes.by_index else "label") if pair.classes else None,
    )


def _run(
    pair: ModelPair, stream: SampleStream, executor: Executor, progress: bool | ProgressCallback | None
) -> list[InputComparison | UnreadableInput]:
    workers = worker_count(executor)
    tasks = in_tasks(stream.samples, task_size(workers, stream.total))
    results: list[InputComparison | UnreadableInput] = []
    try:
        with reporting(progress, stream.total) as show:
            for found in run_tasks(executor, pair.compare_all, tasks, in_flight=2 * workers):
                results += found
                show(len(results), stream.total)
    except (BrokenExecutor, pickle.PicklingError) as error:
        raise ComparisonError(
            f"the executor could not do the work: {error}",
            where=type(executor).__name__,
            fix="Start a script that uses processes under if __name__ == '__main__', or leave executor out",
        ) from error
    return results


def _check_arguments(crop: object, executor: object, top_k: object, max_worst: object) -> None:
    if crop not in CROPS:
        raise ArgumentError(f"crop is {crop!r}", fix=did_you_mean(str(crop), CROPS))
    if executor is not None:
        check_executor(executor)
    for name, value, least in (("top_k", top_k, 1), ("max_worst", max_worst, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ArgumentError(f"{name} is {value!r}", fix=f"Give a whole number from {least} up")


def _as_model(model: Any) -> ComparableModel:
    if hasattr(model, "predict_raw") and hasattr(model, "prepare_image"):
        found: ComparableModel = model
        return found
    from mltoolkit.model import load

    return load(model)


def _unreadable(results: Iterable[InputComparison | UnreadableInput]) -> list[UnreadableInput]:
    return [row for row in results if isinstance(row, UnreadableInput)]


def _nothing_compared(stream: SampleStream, unreadable: list[UnreadableInput]) -> ComparisonError:
    if not unreadable:
        return ComparisonError("the sample data is empty", where=stream.source, fix="Give at least one input")
    first = unreadable[0]
    return ComparisonError(
        f"none of the {len(unreadable)} pictures could be read; the first, {first.name}: {first.reason}",
        where=stream.source,
        fix="Give pictures of a type that Pillow reads, such as JPEG or PNG",
    )
