"""What every custom layer promises: shapes, types, purity, pictures of a batch on their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.promises import require_count, require_numbers, require_shape
from mltoolkit.custom_layers.protocol import CustomLayer, Shape
from mltoolkit.errors import CustomLayerError

Arrays = list[NDArray[np.float32]]


def announced_shapes(layer: CustomLayer, inputs: Sequence[NDArray[np.float32]], where: str) -> list[Shape]:
    """What ``output_shapes`` says.

    Raises:
        CustomLayerError: it raises, or gives no list of shapes.
    """
    given: list[Shape] = [array.shape for array in inputs]
    try:
        shapes = layer.output_shapes(given)
        return [tuple(int(size) for size in shape) for shape in shapes]
    except Exception as error:  # foreign code runs here
        raise CustomLayerError(
            f"output_shapes failed for {given}: {type(error).__name__}: {error}", where=where
        ) from error


def checked_outputs(
    layer: CustomLayer, inputs: Sequence[NDArray[np.float32]], shapes: Sequence[Shape], where: str
) -> Arrays:
    """What ``evaluate`` gives for copies of the inputs.

    Raises:
        CustomLayerError: it raises, changes an input, gives a part of one as output, or gives other counts, shapes or
            types than announced, or NaN for inputs without.
    """
    copies = [array.copy() for array in inputs]
    try:
        outputs = layer.evaluate(copies)
    except Exception as error:  # foreign code runs here
        raise CustomLayerError(f"evaluate failed: {type(error).__name__}: {error}", where=where) from error
    require_count(outputs, len(shapes), where)
    for index, (before, after) in enumerate(zip(inputs, copies, strict=True)):
        if not np.array_equal(before, after, equal_nan=True):
            raise CustomLayerError(
                f"evaluate changes its input {index}", where=where, fix="Copy an input before changing it"
            )
    for index, (output, shape) in enumerate(zip(outputs, shapes, strict=True)):
        if not isinstance(output, np.ndarray) or output.dtype != np.float32:
            found = str(output.dtype) if isinstance(output, np.ndarray) else type(output).__name__
            raise CustomLayerError(f"output {index} must be a float32 array, not {found}", where=where)
        require_shape(index, output, shape, where)
        if any(np.shares_memory(output, copy) for copy in copies):
            raise CustomLayerError(
                f"output {index} is the memory of an input", where=where, fix="Return a copy: .copy()"
            )
        require_numbers(index, output, inputs, where)
    return list(outputs)


def check_repeatable(layer: CustomLayer, inputs: Sequence[NDArray[np.float32]], outputs: Arrays, where: str) -> None:
    """The same inputs give the same outputs.

    Raises:
        CustomLayerError: they do not.
    """
    again = checked_outputs(layer, inputs, [output.shape for output in outputs], where)
    for index, (first, second) in enumerate(zip(outputs, again, strict=True)):
        if not np.array_equal(first, second, equal_nan=True):
            raise CustomLayerError(f"output {index} differs when evaluate is called again", where=where)


def check_batch(layer: CustomLayer, inputs: Sequence[NDArray[np.float32]], outputs: Arrays, where: str) -> bool:
    """Each picture of a batch is computed on its own, where inputs and outputs have a common batch axis.

    Returns:
        Whether there was a batch to check.

    Raises:
        CustomLayerError: a picture on its own gives something else.
    """
    axis = _batch_axis([*inputs, *outputs])
    if axis is None:
        return False
    for index in range(inputs[0].shape[axis]):
        part = [np.take(array, [index], axis=axis) for array in inputs]
        shapes = announced_shapes(layer, part, where)
        for number, (alone, output) in enumerate(
            zip(checked_outputs(layer, part, shapes, where), outputs, strict=True)
        ):
            expected = np.take(output, [index], axis=axis)
            if not np.allclose(alone, expected, rtol=1e-5, atol=1e-5, equal_nan=True):
                raise CustomLayerError(
                    f"picture {index} of the batch gives another output {number} than on its own: largest difference "
                    f"{np.abs(alone - expected).max():.3g}",
                    where=where,
                )
    return True


def _batch_axis(arrays: Sequence[NDArray[np.float32]]) -> int | None:
    """The axis before [C, H, W] (or before the numbers of a picture), where all arrays have it in common."""
    rank = min(array.ndim for array in arrays)
    for axis in (1, 0) if rank == 5 else (0,):
        sizes = {array.shape[axis] for array in arrays if array.ndim > 1}
        if rank > 1 and rank != 3 and len(sizes) == 1 and sizes != {1}:
            return axis
    return None
