"""Trying many ways of quantizing a model."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.plotting import require_plots
from mltoolkit.comparison.progress import ProgressCallback, reporting
from mltoolkit.comparison.sources import Sample, open_samples, read_again
from mltoolkit.errors import ArgumentError, ComparisonError, ModelFileError, did_you_mean
from mltoolkit.formats.deployment import target_version
from mltoolkit.formats.model_file import path_of
from mltoolkit.runtime.cores import available_cores
from mltoolkit.runtime.images import CROPS, Crop
from mltoolkit.sweeps.fingerprint import model_digest, row_key, samples_digest
from mltoolkit.sweeps.measure import Job, measure, model_path
from mltoolkit.sweeps.recipes import Recipe, recipes_of
from mltoolkit.sweeps.remembered import RememberedModel
from mltoolkit.sweeps.report import SweepReport
from mltoolkit.sweeps.rows import RowFolder, SweepRow
from mltoolkit.sweeps.said_once import remarks_once
from mltoolkit.sweeps.sheets import write_sheets
from mltoolkit.sweeps.splitting import split
from mltoolkit.sweeps.tiles import picture_output

if TYPE_CHECKING:
    from mltoolkit.model import Model

_log = logging.getLogger(__name__)

MODES = ("linear", "kmeans")
CALIBRATED_MODES = ("calibrated_linear", "calibrated_kmeans")
BITS = (8, 6, 4, 3, 2, 1)
#: Of models that make pictures: what the eye can tell apart.
PICTURE_BITS = (8, 4, 3, 2)
# Inputs in a contact sheet.
_SHOWN = 4


def sweep(
    model: Any,
    sample_data: Any,
    folder: str | os.PathLike[str],
    *,
    modes: Sequence[str] | None = None,
    bits: Sequence[int] | None = None,
    recipes: Sequence[Recipe] | None = None,
    calibration_data: Any = None,
    minimum_deployment_target: str | None = None,
    crop: Crop = "whole",
    keep_models: bool = False,
    plots: bool = True,
    workers: int | None = None,
    progress: bool | ProgressCallback | None = None,
) -> SweepReport:
    """Quantize a model in many ways, and measure for each what it costs and keeps.

    Rows are measured side by side, one a core, and kept in ``folder/rows`` as soon as they are finished: what was
    interrupted goes on where it stopped. A finished row counts as long as the model, the sample data, the options and
    mltoolkit's own code are those that made it. The Python code of custom layers is not looked at: after changing
    it, use another folder.

    The folder gets ``sweep.csv``, ``sweep.json``, the plot of bytes against agreement (against decibels for models
    that are no classifiers) as ``sweep.svg`` and ``sweep.png``, and for models that make pictures a contact sheet a
    mode: the picture given, the original's, and those of fewer and fewer bits, with PSNR and SSIM.

    Args:
        model: the reference: a Model, or anything that ``mltoolkit.load`` takes.
        sample_data: as for ``compare_models``; an iterator is read into memory.
        folder: where results are kept; made if it is not there.
        modes: names of methods, see ``mltoolkit.sweeps.METHODS``; linear and kmeans by default, and with
            calibration data also calibrated_linear and calibrated_kmeans.
        bits: numbers of bits; 8, 6, 4, 3, 2 and 1 by default, and 8, 4, 3 and 2 for models that make pictures. Each
            mode takes those that it knows.
        recipes: recipes of your own in place of modes and bits.
        calibration_data: what calibrated methods see: samples other than those compared on, or, as a number between 0
            and 1, the share of the sample data that is kept apart for it.
        minimum_deployment_target: the oldest system that the smaller models shall run on, such as ``iOS18``: an ML
            Program for older ones is raised to it, as by ``quantize_weights``. Not for recipes of your own.
        crop: how pictures are fitted: "whole" or "center".
        keep_models: keep the smaller models in ``folder/models``.
        plots: whether to draw; False where matplotlib is not installed.
        workers: rows measured at once; as many as there are cores by default.
        progress: as for ``compare_models``.

    Returns:
        The report. A recipe that cannot be applied has a row with its ``error``.

    Raises:
        ArgumentError: an argument is none of the above.
        ComparisonError: there is nothing to compare on, or not one recipe could be applied.
        MissingExtraError: plots are wanted and matplotlib is not installed.
        ModelFileError: the model cannot be read, or the folder cannot be written.
    """
    from mltoolkit.model import load

    if plots:
        require_plots("the plot of a sweep")
    path_of(folder)  # before the model is read
    if crop not in CROPS:
        raise ArgumentError(f"crop is {crop!r}", fix=did_you_mean(str(crop), CROPS))
    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        raise ArgumentError(f"workers is {workers!r}", fix="Give a whole number from 1 up")
    if minimum_deployment_target is not None:
        target_version(minimum_deployment_target)
    reference = load(model)
    makes_pictures = picture_output(reference.outputs) is not None
    if recipes is None:
        if modes is None:
            modes = MODES if calibration_data is None else MODES + CALIBRATED_MODES
        bits = bits if bits is not None else PICTURE_BITS if makes_pictures else BITS
        recipes = recipes_of(modes, bits, crop, minimum_deployment_target)
    _check_recipes(recipes, calibration_data)
    sample_data, calibration_data = read_again(sample_data), read_again(calibration_data)
    stream = open_samples(sample_data, reference.inputs)
    samples, source = list(stream.samples), stream.source
    if isinstance(calibration_data, float):
        samples, calibrating = split(samples, calibration_data)
        source = f"{source} ({len(calibrating)} others to calibrate with)"
        sample_data, calibration_data = ([sample.value for sample in side] for side in (samples, calibrating))
    if any(recipe.calibrated for recipe in recipes):
        _check_readable(calibration_data, reference, crop)
    target = _make_folder(path_of(folder))
    job = Job(
        reference=RememberedModel(reference),
        samples=samples,
        sample_data=sample_data,
        calibration_data=calibration_data,
        crop=crop,
        folder=target,
        keep_models=keep_models,
        shown=_spread(samples) if makes_pictures else (),
    )
    digest = model_digest(reference), samples_digest(samples), _digest(calibration_data, reference)
    keys = {recipe: row_key(recipe, *digest, crop) for recipe in recipes}
    with remarks_once():
        rows = _measure_all(job, keys, workers or available_cores(), progress)
    if all(row.error for row in rows):
        raise ComparisonError(
            f"not one recipe could be applied; the first, {rows[0].name}: {rows[0].error.rstrip('.')}"
        )
    name = reference.name or (os.fsdecode(model) if isinstance(model, str | os.PathLike) else reference.kind)
    report = SweepReport(
        model=name,
        original_bytes=reference.size,
        source=source,
        is_classifier=any(row.top1_agreement is not None for row in rows),
        pictures=makes_pictures,
        rows=rows,
        folder=target,
        sheets=write_sheets(job, rows, name) if makes_pictures else (),
    )
    report.save()
    if plots:
        report.plot(target / "sweep.svg")
        report.plot(target / "sweep.png")
    return report


def _measure_all(
    job: Job, keys: dict[Recipe, str], workers: int, progress: bool | ProgressCallback | None
) -> tuple[SweepRow, ...]:
    """Rows in the order of the recipes: those that were kept, and the others once they are measured."""
    finished = RowFolder(job.folder)
    rows: dict[Recipe, SweepRow] = {}
    for recipe, key in keys.items():
        row = finished.find(recipe.name, key)
        if row is not None and (not job.keep_models or model_path(job.folder, recipe, job.reference.model).exists()):
            rows[recipe] = row
    if rows:
        _log.info("%d of %d rows were finished already", len(rows), len(keys))
    missing = [recipe for recipe in keys if recipe not in rows]

    def finish(recipe: Recipe) -> SweepRow:
        row = measure(job, recipe, keys[recipe])
        if not row.error:
            finished.keep(row)
        return row

    pool = ThreadPoolExecutor(min(workers, len(missing)) or 1, thread_name_prefix="mltoolkit-sweep")
    try:
        with reporting(progress, len(keys), title="Sweeping") as show:
            show(len(rows), len(keys))
            futures = {pool.submit(finish, recipe): recipe for recipe in missing}
            for future in as_completed(futures):
                rows[futures[future]] = future.result()
                show(len(rows), len(keys))
    finally:
        # After an error or Ctrl-C nothing new begins; what is under way is finished and kept.
        pool.shutdown(wait=True, cancel_futures=True)
    return tuple(rows[recipe] for recipe in keys)


def _check_recipes(recipes: Sequence[Recipe], calibration_data: Any) -> None:
    if not isinstance(recipes, Sequence) or not all(isinstance(recipe, Recipe) for recipe in recipes):
        raise ArgumentError(f"recipes is {recipes!r}", fix="Give a list of Recipe, or modes and bits")
    if not recipes:
        raise ArgumentError("there is no recipe to try", fix="Give modes and bits, or recipes")
    names = [recipe.name for recipe in recipes]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(f"two recipes are called {name!r}", fix="Give each another mode or number of bits")
    wanting = [recipe.name for recipe in recipes if recipe.calibrated]
    if wanting and calibration_data is None:
        raise ArgumentError(
            f"{wanting[0]!r} needs calibration data",
            fix="Give calibration_data: samples other than those compared on, or a share of them such as 0.5",
        )


def _check_readable(calibration_data: Any, model: Model, crop: Crop) -> None:
    """Raise where no sample can be read, before the long work; unreadable ones among others are left out."""
    from mltoolkit.calibration.feeds import stage_feeds

    stream = open_samples(calibration_data, model.inputs)
    first: ComparisonError | None = None
    for sample in stream.samples:
        try:
            stage_feeds(model, [sample.value], crop=crop)
        except ComparisonError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise ComparisonError(first.what, where=stream.source, fix=first.fix) from first


def _digest(calibration_data: Any, model: Model) -> str:
    return "" if calibration_data is None else samples_digest(open_samples(calibration_data, model.inputs).samples)


def _spread(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    count = min(_SHOWN, len(samples))
    return tuple(samples[place * len(samples) // count] for place in range(count))


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(
            f"the folder cannot be made: {error.strerror}",
            where=str(folder),
            fix="Give the name of a folder",
        ) from error
    return folder
