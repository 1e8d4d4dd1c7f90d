"""Kraken's custom layers in NumPy, for the published kraken models (names and meaning as in kraken's VGSL layers)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mltoolkit.custom_layers import CustomLayer

Shape = tuple[int, ...]


class GroupNorm(CustomLayer):
    """Group normalisation over (channels / groups, H, W), then scale and shift by channel; epsilon as in torch."""

    class_name = "groupnorm"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        x = inputs[0]
        sequence, batch, channels = x.shape[:3]
        grouped = x.reshape(sequence, batch, int(self.parameters["num_groups"]), -1)
        mean, variance = grouped.mean(axis=3, keepdims=True), grouped.var(axis=3, keepdims=True)
        normal = ((grouped - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape)
        scale, shift = (weight.reshape(1, 1, channels, 1, 1) for weight in self.weights)
        return [(normal * scale + shift).astype(np.float32)]


class Dropout(CustomLayer):
    """Nothing, when a model predicts."""

    class_name = "dropout"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [inputs[0].copy()]


class Reshape(CustomLayer):
    """Splits axis ``src_dim`` of [N, C, H, W] into (part_a, part_b) and moves one part into another axis."""

    class_name = "reshape"

    def _reshaped(self, x: np.ndarray) -> np.ndarray:
        source, high, low = (int(self.parameters[name]) for name in ("src_dim", "high", "low"))
        parts = (int(self.parameters["part_a"]), int(self.parameters["part_b"]))
        x = x.reshape(*x.shape[:source], *parts, *x.shape[source + 1 :])
        target = high if high != source else low
        moved = source if high != source else source + 1
        x = np.moveaxis(x, moved, target)
        return x.reshape(*x.shape[:target], x.shape[target] * x.shape[target + 1], *x.shape[target + 2 :])

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        sequence, batch, *rest = input_shapes[0]
        return [(sequence, batch, *self._reshaped(np.empty((1, *rest), np.float32)).shape[1:])]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        sequence, batch, *rest = inputs[0].shape
        result = self._reshaped(inputs[0].reshape(sequence * batch, *rest))
        return [result.reshape(sequence, batch, *result.shape[1:])]


KRAKEN_LAYERS = (GroupNorm, Dropout, Reshape)
