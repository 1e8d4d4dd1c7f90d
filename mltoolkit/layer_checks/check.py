"""``check_custom_layer``: one call that says whether a custom layer is ready for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers import CustomLayer
from mltoolkit.errors import ArgumentError, CustomLayerError
from mltoolkit.layer_checks.contract import announced_shapes, check_batch, check_repeatable, checked_outputs
from mltoolkit.layer_checks.faces import has_keras_face, keras_outputs, operator_outputs

# float32 arithmetic in another order, on sampling positions of some hundred elements.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class FaceResult:
    """How far a face is from the NumPy reference.

    Attributes:
        face: ``Keras`` or ``ONNX``.
        error: largest difference, relative to the largest output where that is above 1.
    """

    face: str
    error: float


@dataclass(frozen=True)
class LayerCheck:
    """What was checked.

    Attributes:
        class_name: the layer's.
        examples: the input shapes that it was evaluated on.
        batches: how many of them held a batch whose pictures were also evaluated one by one.
        faces: the largest difference of each other face that exists.
    """

    class_name: str
    examples: tuple[tuple[tuple[int, ...], ...], ...]
    batches: int
    faces: tuple[FaceResult, ...]

    def __str__(self) -> str:
        faces = ", ".join(f"{item.face} within {item.error:.1e}" for item in self.faces) or "no other faces"
        return f"{self.class_name}: {len(self.examples)} examples, {self.batches} batches, {faces}"


def check_custom_layer(
    layer: CustomLayer, inputs: Sequence[NDArray[np.floating]] | None = None, *, seed: int = 0
) -> LayerCheck:
    """Check that a custom layer keeps what it promises, and that its faces agree.

    Checked are: ``output_shapes`` and ``evaluate`` agree in number and shapes; outputs are float32, hold no NaN for
    inputs without, and share no memory with inputs; inputs stay as they were; a second call gives the same; a batch
    gives what its pictures give one by one. For layers that come with mltoolkit also that the Keras layer (where Keras
    has been imported) and the ONNX operators compute the same. Swift and Metal are checked by ``swift test`` in the
    package that ``mltoolkit swift`` writes.

    Args:
        layer: the layer, made with its parameters and weights.
        inputs: arrays to evaluate it on; by default seeded random numbers of the layer's ``example_input_shapes()``.
        seed: of these.

    Returns:
        What was checked.

    Raises:
        CustomLayerError: something is wrong; it names the layer, what was expected and what was found.
        ArgumentError: there are no inputs, and the layer has no example shapes.

    >>> from mltoolkit.custom_layers.mish import Mish
    >>> check_custom_layer(Mish({}, []), [np.ones((2, 3, 4, 4))]).batches
    1
    """
    if not isinstance(layer, CustomLayer):
        raise ArgumentError(f"a custom layer is an object of a subclass of CustomLayer, not {layer!r}")
    rng = np.random.default_rng(seed)
    examples: list[Sequence[NDArray[np.floating]]] = (
        [[rng.normal(size=shape) for shape in shapes] for shapes in layer.example_input_shapes()]
        if inputs is None
        else [inputs]
    )
    if not examples:
        raise ArgumentError(
            f"{type(layer).__name__} has no example_input_shapes", fix="Pass inputs: arrays as the layer takes them"
        )
    where = f"custom layer {layer.class_name!r}"
    batches, errors = 0, dict[str, float]()
    for example in examples:
        arrays = [np.asarray(array, np.float32) for array in example]
        outputs = checked_outputs(layer, arrays, announced_shapes(layer, arrays, where), where)
        check_repeatable(layer, arrays, outputs, where)
        batches += check_batch(layer, arrays, outputs, where)
        for face, found in _faces(layer, arrays).items():
            error = _error(found, outputs)
            if not error <= TOLERANCE:
                raise CustomLayerError(
                    f"the {face} form computes something else than evaluate: relative difference {error:.3g} "
                    f"(at most {TOLERANCE:.0e}) for inputs of shape {[array.shape for array in arrays]}",
                    where=where,
                )
            errors[face] = max(error, errors.get(face, 0.0))
    return LayerCheck(
        class_name=layer.class_name,
        examples=tuple(tuple(np.shape(array) for array in example) for example in examples),
        batches=batches,
        faces=tuple(FaceResult(face, error) for face, error in errors.items()),
    )


def _faces(layer: CustomLayer, arrays: list[NDArray[np.float32]]) -> dict[str, list[NDArray[np.float32]]]:
    found = {"ONNX": operator_outputs(layer, arrays)}
    if has_keras_face(layer):
        found["Keras"] = keras_outputs(layer, arrays)
    return {face: outputs for face, outputs in found.items() if outputs is not None}


def _error(found: Sequence[NDArray[np.float32]], expected: Sequence[NDArray[np.float32]]) -> float:
    if [array.shape for array in found] != [array.shape for array in expected]:
        return float("inf")
    return max(
        float(np.abs(one - other).max() / max(1.0, np.abs(other).max()))
        for one, other in zip(found, expected, strict=True)
    )
