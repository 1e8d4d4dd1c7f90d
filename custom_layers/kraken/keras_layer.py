"""kraken's layers as Keras 3 layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mltoolkit.custom_layers.group_norm import keras_layer as group_norm
from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.custom_layers.protocol import CustomLayer

keras = load_keras("The Keras form of kraken's layers")
ops = keras.ops


@keras.saving.register_keras_serializable(package="mltoolkit")
class Dropout(keras.layers.Dropout):  # type: ignore[misc, name-defined]  # keras comes late
    """Keras' own dropout, which a conversion can tell from others by its class."""


@keras.saving.register_keras_serializable(package="mltoolkit")
class KrakenGroupNorm(group_norm.GroupNorm):
    """Group normalization under kraken's name."""


@keras.saving.register_keras_serializable(package="mltoolkit")
class Reshape(keras.layers.Layer):  # type: ignore[misc, name-defined]  # keras comes late
    """Splits an axis of a picture in two and moves one of the parts into another axis.

    Inputs and outputs are (N, H, W, C); axes are numbered as kraken does, in [N, C, H, W].

    Args:
        src_dim: the axis that is split: 1, 2 or 3.
        part_a: size of the first part; one of the two may be −1.
        part_b: size of the second part.
        high: the axis that the first part goes to.
        low: the axis that the second part goes to; one of the two is ``src_dim``.
    """

    def __init__(self, src_dim: int, part_a: int, part_b: int, high: int, low: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.src_dim, self.part_a, self.part_b, self.high, self.low = src_dim, part_a, part_b, high, low

    def call(self, inputs: Any) -> Any:
        """Split, move, join."""
        x = ops.transpose(inputs, (0, 3, 1, 2))
        sizes = [-1, *x.shape[1:]]
        parts = [self.part_a, self.part_b]
        if -1 in parts:
            parts[parts.index(-1)] = sizes[self.src_dim] // (-parts[0] * parts[1])
        split = [*sizes[: self.src_dim], *parts, *sizes[self.src_dim + 1 :]]
        moved, target = (self.src_dim, self.high) if self.high != self.src_dim else (self.src_dim + 1, self.low)
        order = [axis for axis in range(5) if axis != moved]
        order.insert(target, moved)
        result = [split[axis] for axis in order]
        result[target : target + 2] = [result[target] * result[target + 1]]
        x = ops.reshape(ops.transpose(ops.reshape(x, split), order), result)
        return ops.transpose(x, (0, 2, 3, 1))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config: dict[str, Any] = super().get_config()
        return config | {name: getattr(self, name) for name in ("src_dim", "part_a", "part_b", "high", "low")}


def from_custom_layer(layer: CustomLayer, inputs: Sequence[Any]) -> Any:
    """The Keras layer that computes what a custom layer's object does when a model predicts."""
    if layer.class_name == "dropout":
        return Dropout(float(layer.parameters.get("prob", 0.5)))
    if layer.class_name == "reshape":
        names = ("src_dim", "part_a", "part_b", "high", "low")
        return Reshape(**{name: int(layer.parameters[name]) for name in names})
    made = KrakenGroupNorm(int(layer.parameters["num_groups"]), float(layer.parameters.get("epsilon", 1e-5)))
    made.build(inputs[0].shape)
    if layer.weights:
        made.set_weights(layer.weights)
    return made
