"""kraken's reshape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mltoolkit.custom_layers.protocol import CustomLayer, Shape


class Reshape(CustomLayer):
    """Splits an axis of [N, C, H, W] in two and moves one of the parts into another axis.

    Parameters: ``src_dim``, the axis that is split; ``part_a`` and ``part_b``, the sizes it is split into (one may be
    −1); ``high`` and ``low``: the axes that the first and the second part go to, one of which is ``src_dim``.
    """

    class_name = "reshape"
    description = "splits an axis and moves a part into another"

    def _reshaped(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        source, high, low = (int(self.parameters[name]) for name in ("src_dim", "high", "low"))
        parts = (int(self.parameters["part_a"]), int(self.parameters["part_b"]))
        x = x.reshape(*x.shape[:source], *parts, *x.shape[source + 1 :])
        moved, target = (source, high) if high != source else (source + 1, low)
        x = np.moveaxis(x, moved, target)
        return x.reshape(*x.shape[:target], x.shape[target] * x.shape[target + 1], *x.shape[target + 2 :])

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """[.., C, H, W] with two of C, H, W changed."""
        leading, rest = input_shapes[0][:-3], input_shapes[0][-3:]
        # Only the shape counts, so the stand-in takes no memory.
        stand_in = np.broadcast_to(np.float32(0), (1, *rest))
        return [(*leading, *self._reshaped(stand_in).shape[1:])]

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Split, move, join."""
        leading, rest = inputs[0].shape[:-3], inputs[0].shape[-3:]
        result = self._reshaped(inputs[0].reshape(-1, *rest))
        return [result.reshape(*leading, *result.shape[1:])]

    def example_input_shapes(self) -> list[list[Shape]]:
        """Three pictures whose split axis holds both parts twice."""
        sizes = [2, 3, 4]
        parts = [part for part in (int(self.parameters["part_a"]), int(self.parameters["part_b"])) if part > 0]
        sizes.insert(0, 3)
        sizes[int(self.parameters["src_dim"])] = int(np.prod(parts)) * (2 if len(parts) == 1 else 1)
        return [[(1, *sizes)], [tuple(sizes)]]
