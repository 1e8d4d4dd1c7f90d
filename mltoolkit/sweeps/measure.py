"""One row of a sweep: make the smaller model, compare it, keep its pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison import compare_models
from mltoolkit.comparison.sources import Sample
from mltoolkit.errors import MLToolkitError, QuantizationError
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import iter_models
from mltoolkit.runtime.images import Crop
from mltoolkit.sweeps.recipes import Recipe
from mltoolkit.sweeps.remembered import RememberedModel
from mltoolkit.sweeps.rows import OutputQuality, SweepRow, Tile, slug
from mltoolkit.sweeps.tiles import save_tile

if TYPE_CHECKING:
    from mltoolkit.comparison import ComparisonReport
    from mltoolkit.model import Model


@dataclass(frozen=True)
class Job:
    """What all rows of a sweep share.

    Attributes:
        reference: the model, which remembers its answers.
        samples: what the models are compared on.
        sample_data: the same, as a comparison takes it.
        calibration_data: what calibrated recipes see.
        crop: how pictures are fitted.
        folder: the sweep's folder.
        keep_models: whether the smaller models are kept there.
        shown: the samples in a contact sheet; none for models that make no pictures.
    """

    reference: RememberedModel
    samples: Sequence[Sample]
    sample_data: Any
    calibration_data: Any
    crop: Crop
    folder: Path
    keep_models: bool
    shown: Sequence[Sample]


def measure(job: Job, recipe: Recipe, key: str) -> SweepRow:
    """The row of a recipe; what cannot be made or compared gives a row that says why."""
    started = time.perf_counter()
    try:
        small = recipe.make(job.reference.model, job.calibration_data)
        weights = small.quantization_report
        if weights is not None and not weights.changed:
            # Its row would say how well a model agrees with itself.
            raise QuantizationError(f"no weight was changed: {weights.reasons_text}")
        # Rows run side by side, a core each.
        with ThreadPoolExecutor(1) as executor:
            report = compare_models(
                job.reference, small, job.sample_data, crop=job.crop, executor=executor, progress=False, max_worst=0
            )
    except MLToolkitError as error:
        return SweepRow(recipe.name, recipe.mode, recipe.nbits, 0, key=key, error=str(error))
    if job.keep_models:
        path = model_path(job.folder, recipe, small)
        path.parent.mkdir(parents=True, exist_ok=True)
        small.save(path)
    return SweepRow(
        recipe.name,
        recipe.mode,
        recipe.nbits,
        bytes=small.size,
        count=report.count,
        top1_agreements=report.top1_agreements,
        top1_agreement=report.top1_agreement,
        top1_interval=report.top1_interval,
        top5_agreement=report.top5_agreement,
        mean_kl=report.mean_kl,
        outputs=tuple(
            OutputQuality(output.name, output.snr.mean, output.psnr.mean, output.ssim) for output in report.outputs
        ),
        lowest_sqnr_db=_lowest_sqnr(small),
        seconds=time.perf_counter() - started,
        key=key,
        tiles=tuple(_tile(job, small, report, sample, place, key) for place, sample in enumerate(job.shown)),
    )


def model_path(folder: Path, recipe: Recipe, model: Model) -> Path:
    """Where the smaller model of a recipe is kept."""
    package = any(program_of(spec) is not None for _, spec in iter_models(model.spec))
    return folder / "models" / f"{slug(recipe.name)}{'.mlpackage' if package else '.mlmodel'}"


def _lowest_sqnr(small: Model) -> float | None:
    report = small.quantization_report
    found = [record.sqnr_db for record in report.changed if record.sqnr_db is not None] if report else []
    return min(found, default=None)


def _tile(job: Job, small: Model, report: ComparisonReport, sample: Sample, place: int, key: str) -> Tile:
    file = f"tiles/{key[:16]}-{place}.png"
    found = next((row for row in report.inputs if row.index == sample.index), None)
    if found is None:
        return Tile(sample.name, "", 0.0, None)  # a picture that cannot be read
    name = save_tile(small, job.reference.inputs, sample, job.crop, job.folder / file)
    output = next(output for output in found.outputs if output.name == name)
    return Tile(sample.name, file, output.psnr_db, output.ssim)
