"""TensorFlow models in the forms that coremltools still takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mltoolkit.converters.coremltools_front_ends.request import ConvertedModel, TensorInput
from mltoolkit.converters.coremltools_front_ends.running import run_coremltools
from mltoolkit.converters.mil.target import ArrayInput, CoreMLTarget, ImageInput, SizeRange
from mltoolkit.errors import MissingExtraError


def convert_tensorflow(source: Any, target: CoreMLTarget, shapes: Mapping[str, Sequence[int | None]]) -> ConvertedModel:
    """Let coremltools convert a SavedModel folder, a frozen graph (.pb), a concrete function or a ``tf.Module``.

    Args:
        source: the path or object.
        target: what is written; inputs are declared by their TensorFlow names.
        shapes: sizes of inputs that are not declared in ``target``.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        UnsupportedModelError: coremltools refuses the model.
    """
    if find_spec("tensorflow") is None:
        raise MissingExtraError("tensorflow", "", "Converting a TensorFlow model")
    names = dict.fromkeys((*target.inputs, *shapes))
    inputs = [_described(name, target.inputs.get(name), shapes.get(name)) for name in names if name]
    model = [source] if callable(getattr(source, "get_concrete_function", None)) else source
    return run_coremltools(str(model) if isinstance(model, Path) else model, "tensorflow", inputs or None, None, target)


def _described(name: str, declared: ImageInput | ArrayInput | None, given: Sequence[int | None] | None) -> TensorInput:
    sizes: Sequence[Any] = given or ()
    if not sizes and isinstance(declared, ArrayInput):
        sizes = declared.shapes[0] if declared.shapes else declared.shape or ()
    if not sizes and isinstance(declared, ImageInput) and declared.size is not None:
        sizes = (1, *declared.size, 1 if (declared.color or "").startswith("GRAYSCALE") else 3)
    shape = tuple(int(size.default or size.lower) if isinstance(size, SizeRange) else int(size or 1) for size in sizes)
    return TensorInput(name, shape, np.dtype(np.float32), declared)
