"""The arguments of a conversion, checked and brought into one form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.mil.target import (
    ArrayInput,
    Classifier,
    CoreMLTarget,
    ImageInput,
    ImageOutput,
    Metadata,
    SizeRange,
)
from mltoolkit.errors import ArgumentError
from mltoolkit.model import CustomLayers

Inputs = Mapping[str, Any] | ImageInput | ArrayInput
InputShapes = Sequence[int | None] | Mapping[str, Sequence[int | None]]


@dataclass(frozen=True)
class Options:
    """Everything that a caller asks of a conversion.

    Attributes:
        target: what is written; ``inputs`` may hold the key "" for the only input of a source whose names are not
            known yet.
        hooks: custom conversion functions.
        names: the source's name → the name in the Core ML model, for inputs and outputs.
        input_shapes: sizes of inputs that the source leaves open.
        custom_objects: for Keras files.
        custom_layers: Python classes that run custom layers.
        verify: whether outputs are compared.
        verification_inputs: what they are compared on; seeded values when None.
        tolerance_db: the ratio that is asked for; the precision's default when None.
        seed: of the seeded values.
    """

    target: CoreMLTarget
    hooks: HookSet
    names: Mapping[str, str]
    input_shapes: InputShapes | None
    custom_objects: Mapping[str, Any] | None
    custom_layers: CustomLayers
    verify: bool
    verification_inputs: Mapping[str, Any] | Iterable[Any] | None
    tolerance_db: float | None
    seed: int

    def shapes_by_name(self, names: Sequence[str]) -> dict[str, Sequence[int | None]] | None:
        """``input_shapes`` by name of the input.

        Args:
            names: the source's inputs.

        Raises:
            ArgumentError: one shape for several inputs.
        """
        if not isinstance(self.input_shapes, Sequence | Mapping | None) or isinstance(self.input_shapes, str | bytes):
            raise ArgumentError(f"input_shapes is {self.input_shapes!r}", fix="Give {'x': (1, 3, 224, 224)}, say")
        if self.input_shapes is None or isinstance(self.input_shapes, Mapping):
            return None if self.input_shapes is None else dict(self.input_shapes)
        if len(names) != 1:
            raise ArgumentError(
                "input_shapes is one shape, but the source has several inputs",
                fix=f"Give a dictionary with the names {', '.join(map(repr, names))}",
            )
        return {names[0]: self.input_shapes}

    def with_named_inputs(self, names: Sequence[str]) -> Options:
        """These options, where the description of an only input stands under its name.

        Args:
            names: the source's inputs.

        Raises:
            ArgumentError: it has several.
        """
        if "" not in self.target.inputs:
            return self
        if len(names) != 1:
            raise ArgumentError(
                "inputs describes one input, but the source has several",
                fix=f"Give a dictionary with the names {', '.join(map(repr, names))}",
            )
        return replace(self, target=replace(self.target, inputs={names[0]: self.target.inputs[""]}))

    @property
    def asks_for_batches(self) -> bool:
        """Whether any array input is to have a batch other than 1, or several."""
        return any(
            isinstance(item, ArrayInput)
            and any(shape and shape[0] not in (None, 1) for shape in (item.shape or (), *item.shapes))
            for item in self.target.inputs.values()
        )


def target_of(
    *,
    format: str,
    precision: str,
    minimum_deployment_target: Any,
    inputs: Inputs | None,
    outputs: Mapping[str, ImageOutput] | None,
    class_labels: Iterable[str] | Iterable[int] | str | os.PathLike[str] | None,
    predicted_feature_name: str,
    probabilities: str | None,
    metadata: Metadata,
) -> CoreMLTarget:
    """What is to be written.

    Raises:
        ArgumentError: an argument is wrong.
    """
    labels = class_labels
    if labels is not None and not isinstance(labels, (str, os.PathLike)):
        labels = _as_list(labels)
    return CoreMLTarget(
        format=format,  # type: ignore[arg-type]  # CoreMLTarget checks it
        precision=precision,  # type: ignore[arg-type]  # likewise
        minimum_deployment_target=_target_name(minimum_deployment_target),
        inputs=_inputs(inputs),
        outputs=_outputs(outputs),
        classifier=None
        if labels is None
        else Classifier(labels, predicted_feature_name=predicted_feature_name, probabilities=probabilities),
        metadata=metadata,
    )


def _as_list(labels: Any) -> list[Any]:
    if not isinstance(labels, Iterable):
        raise ArgumentError(
            f"class_labels is {labels!r}", fix="Give a list of texts or numbers, or the path of a text file"
        )
    return [label.item() if hasattr(label, "item") else label for label in labels]


def checked_tolerance(given: Any) -> float | None:
    """The lowest ratio in decibels that is asked for; None for the precision's default.

    Raises:
        ArgumentError: it is no such number.
    """
    if given is None:
        return None
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, float, np.number)) or not given > 0:
        raise ArgumentError(f"tolerance_db is {given!r}", fix="Give decibels, such as 60")
    return float(given)


def checked_seed(given: Any) -> int:
    """The seed of random values.

    Raises:
        ArgumentError: it is no whole number, or below 0.
    """
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 0:
        raise ArgumentError(f"seed is {given!r}", fix="Give a whole number from 0 on")
    return int(given)


def _target_name(wanted: Any) -> str | None:
    """``iOS16`` for that name and for coremltools' ``ct.target.iOS16``."""
    return getattr(wanted, "name", wanted)  # type: ignore[no-any-return]  # CoreMLTarget checks it


def _inputs(given: Any) -> dict[str, ImageInput | ArrayInput]:
    if given is None:
        return {}
    if isinstance(given, (ImageInput, ArrayInput)):
        return {"": given}
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"inputs is {type(given).__name__}", fix='Give {"name": mlt.ImageInput(...)}, or one for an only input'
        )
    return {str(name): _input(str(name), item) for name, item in given.items()}


def _input(name: str, item: Any) -> ImageInput | ArrayInput:
    if isinstance(item, (ImageInput, ArrayInput)):
        return item
    if isinstance(item, (list, tuple)) and all(size is None or isinstance(size, (int, SizeRange)) for size in item):
        return ArrayInput(tuple(item))
    raise ArgumentError(
        f"the input {name!r} is described by {item!r}", fix="Give an ImageInput, an ArrayInput or a shape"
    )


def _outputs(given: Any) -> dict[str, ImageOutput]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(item, ImageOutput) for item in given.values()):
        raise ArgumentError(f"outputs is {given!r}", fix='Give {"name": mlt.ImageOutput(...)}')
    return {str(name): item for name, item in given.items()}


def checked_names(names: Any) -> dict[str, str]:
    """New names by old ones.

    Raises:
        ArgumentError: they are no texts, or two are the same.
    """
    if names is None:
        return {}
    if not isinstance(names, Mapping) or not all(
        isinstance(name, str) and name for pair in names.items() for name in pair
    ):
        raise ArgumentError(f"names is {names!r}", fix='Give {"name in the source": "name in the Core ML model"}')
    if len(set(names.values())) != len(names):
        raise ArgumentError("two inputs or outputs would have the same name", fix="Give each a name of its own")
    return dict(names)
