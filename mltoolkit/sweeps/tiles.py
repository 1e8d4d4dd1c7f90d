"""What models make of single pictures, kept small for a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.pictures import visible
from mltoolkit.comparison.sources import Sample
from mltoolkit.errors import MLToolkitError, ModelFileError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.formats.features import Feature, ImageFeature
from mltoolkit.runtime.images import Crop, open_image

if TYPE_CHECKING:
    from PIL import Image

    from mltoolkit.model import Model

#: Longest side of a picture in a contact sheet, in pixels.
TILE_SIZE = 240


def picture_output(outputs: Sequence[Feature]) -> ImageFeature | None:
    """The output that a contact sheet shows: the first picture."""
    return next((feature for feature in outputs if isinstance(feature, ImageFeature)), None)


def save_tile(model: Model, inputs: Sequence[Feature], sample: Sample, crop: Crop, path: Path) -> str:
    """Run a model on a sample and write the picture that it makes.

    Args:
        model: it makes a picture.
        inputs: the inputs of the model that it was made from.
        sample: one that can be read.
        crop: how pictures are fitted.
        path: a PNG file.

    Returns:
        The output's name.

    Raises:
        ModelFileError: the file cannot be written.
    """
    feature = picture_output(model.outputs)
    assert feature is not None  # the caller asks for tiles of such models only
    values = _values(inputs, sample)
    given = {item.name: item for item in model.inputs if values.get(item.name) is not None}
    data = {
        name: model.prepare_image(item, values[name], crop) if isinstance(item, ImageFeature) else values[name]
        for name, item in given.items()
    }
    _write(small_copy(visible(model.predict(data, threads=1)[feature.name])), path)
    return feature.name


def save_given(inputs: Sequence[Feature], sample: Sample, path: Path) -> bool:
    """Write the first picture that a sample gives to the model; False where it gives none that can be read."""
    values = _values(inputs, sample)
    for feature in inputs:
        if isinstance(feature, ImageFeature) and values.get(feature.name) is not None:
            try:
                picture = open_image(values[feature.name], where=feature.name)
            except MLToolkitError:
                return False
            _write(small_copy(picture.convert("RGB")), path)
            return True
    return False


def small_copy(image: Image.Image) -> Image.Image:
    """A copy of at most the size of a tile."""
    copy = image.copy()
    copy.thumbnail((TILE_SIZE, TILE_SIZE))
    return copy


def _values(inputs: Sequence[Feature], sample: Sample) -> Mapping[str, Any]:
    if isinstance(sample.value, Mapping):
        return sample.value
    required = [feature for feature in inputs if not feature.optional] or list(inputs)
    return {required[0].name: sample.value}


def _write(image: Image.Image, path: Path) -> None:
    data = io.BytesIO()
    image.save(data, "PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data.getvalue())
    except OSError as error:
        raise ModelFileError(f"the picture cannot be written: {error.strerror}", where=str(path)) from error
