"""The inputs that differ most, as small pictures: what both models got, and what they made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.comparison.pair import ModelPair
from mltoolkit.comparison.report import ComparisonReport
from mltoolkit.comparison.sources import Sample, open_samples
from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import ImageFeature
from mltoolkit.markup.thumbnails import thumbnail_uri
from mltoolkit.runtime.images import Crop, open_image

if TYPE_CHECKING:
    from PIL import Image

    from mltoolkit.comparison.records import InputComparison
    from mltoolkit.model import Model

#: Pictures that models make are shown larger than those they get: their differences are what is looked for.
MADE_SIZE = 240


@dataclass(frozen=True)
class WorstPicture:
    """An input that differs, with pictures as ``data:`` addresses.

    Attributes:
        row: what the comparison found.
        given: the picture that the models got, if they got one.
        made: for each output that is a picture: its name, the first model's, the second model's.
    """

    row: InputComparison
    given: str
    made: tuple[tuple[str, str, str], ...]


def worst_pictures(
    a: Model, b: Model, sample_data: Any, report: ComparisonReport, crop: Crop
) -> Iterator[WorstPicture]:
    """The inputs of ``report.worst``, different answers first; models that make pictures run on them once more.

    Args:
        a: the first model.
        b: the second.
        sample_data: what they were compared on; it must yield the same again.
        report: the comparison.
        crop: how it fitted pictures.
    """
    rows = sorted(report.worst, key=lambda row: row.agree is not False)
    wanted = {row.index for row in rows}
    stream = open_samples(sample_data, a.inputs)
    samples: dict[int, Sample] = {}
    for sample in stream.samples:
        if sample.index in wanted:
            samples[sample.index] = sample
        if len(samples) == len(wanted):
            break
    pair = ModelPair(a, b, single_input=stream.single_input.name if stream.single_input else None, crop=crop)
    images = [feature.name for feature in a.outputs if isinstance(feature, ImageFeature)]
    for row in rows:
        sample = samples[row.index]
        yield WorstPicture(row, _given(sample, pair), tuple(_made(a, b, pair, sample, images)))


def _given(sample: Sample, pair: ModelPair) -> str:
    values = sample.value if isinstance(sample.value, Mapping) else {pair.single_input: sample.value}
    for feature in pair.reference.inputs:
        if isinstance(feature, ImageFeature) and values.get(feature.name) is not None:
            try:
                return thumbnail_uri(open_image(values[feature.name], where=feature.name))
            except MLToolkitError:
                return ""  # a floating array; the models could read it, a picture it is not
    return ""


def _made(a: Model, b: Model, pair: ModelPair, sample: Sample, images: list[str]) -> Iterator[tuple[str, str, str]]:
    if not images:
        return
    first, second = pair.prepare(sample)
    p, q = a.predict(first, threads=1), b.predict(second, threads=1)
    for name in images:
        yield name, thumbnail_uri(visible(p[name]), MADE_SIZE), thumbnail_uri(visible(q[name]), MADE_SIZE)


def visible(picture: Image.Image) -> Image.Image:
    """A picture that a model made, fit to be shown: of a map of numbers the least is black and the greatest white."""
    from PIL import Image

    if picture.mode != "F":
        return picture.convert("RGB")
    numbers = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    low, high = float(numbers.min()), float(numbers.max())
    return Image.fromarray(((numbers - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8))
