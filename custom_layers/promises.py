"""What a custom layer promises of what ``evaluate`` returns; each check names the first thing that is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import CustomLayerError


def require_count(results: object, count: int, where: str) -> None:
    """A list of ``count`` items.

    Raises:
        CustomLayerError: it is something else.
    """
    if not isinstance(results, (list, tuple)) or len(results) != count:
        found = f"{len(results)} arrays" if isinstance(results, (list, tuple)) else type(results).__name__
        raise CustomLayerError(f"evaluate must return a list of {count} arrays, not {found}", where=where)


def require_shape(index: int, output: NDArray[np.generic], announced: Sequence[object], where: str) -> None:
    """Output number ``index`` has the shape that ``output_shapes`` announced.

    Raises:
        CustomLayerError: it has another.
    """
    if output.shape != announced:
        raise CustomLayerError(
            f"output {index} has shape {output.shape} where output_shapes announced {announced}", where=where
        )


def require_numbers(index: int, output: NDArray[np.generic], inputs: Sequence[NDArray[np.generic]], where: str) -> None:
    """Output number ``index`` holds no NaN, unless an input does.

    Raises:
        CustomLayerError: it holds some.
    """
    unknown = int(np.isnan(output).sum())
    if unknown and not any(np.isnan(array).any() for array in inputs):
        raise CustomLayerError(
            f"output {index} holds {unknown} NaN of {output.size} numbers, the inputs none", where=where
        )
