"""Conversion functions for the Keras forms of the layers that mltoolkit brings.

>>> import mltoolkit as mlt
>>> from mltoolkit.custom_layers import CONVERSION_FUNCTIONS
>>> mlt.convert(keras_model, custom_conversion_functions=CONVERSION_FUNCTIONS)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.custom_layers.shipped import SHIPPED

if TYPE_CHECKING:
    from mltoolkit.converters.hooks import HookedLayer


def convert_grid_sampler(layer: HookedLayer) -> CustomLayerDescription:
    """GridSampler with its sizes and conventions."""
    return _described(
        layer,
        ("output_height", "output_width", "align_corners", "padding_mode", "convention"),
    )


def convert_group_norm(layer: HookedLayer) -> CustomLayerDescription:
    """GroupNorm; scale and shift are its weights."""
    return _described(layer, ("num_groups", "epsilon"), weights=True)


def convert_mish(layer: HookedLayer) -> CustomLayerDescription:
    """Mish, which has no parameters."""
    return _described(layer, ())


def convert_pixel_shuffle(layer: HookedLayer) -> CustomLayerDescription:
    """PixelShuffle with its factor."""
    return _described(layer, ("upscale_factor",))


def convert_swish(layer: HookedLayer) -> CustomLayerDescription:
    """Swish; a learned β is a weight, a fixed one a parameter."""
    learned = bool(layer.weights)
    return _described(layer, () if learned else ("beta",), weights=learned)


def convert_kraken_dropout(layer: HookedLayer) -> CustomLayerDescription:
    """kraken's dropout; its parameters matter in training only."""
    return _described(layer, (), name="dropout")


def convert_kraken_group_norm(layer: HookedLayer) -> CustomLayerDescription:
    """kraken's groupnorm; scale and shift are its weights."""
    return _described(layer, ("num_groups", "epsilon"), weights=True, name="groupnorm")


def convert_kraken_reshape(layer: HookedLayer) -> CustomLayerDescription:
    """kraken's reshape with its axes and sizes."""
    return _described(layer, ("src_dim", "part_a", "part_b", "high", "low"), name="reshape")


def _described(
    layer: HookedLayer, parameters: tuple[str, ...], *, weights: bool = False, name: str = ""
) -> CustomLayerDescription:
    class_name = name or layer.class_name
    return CustomLayerDescription(
        class_name=class_name,
        description=SHIPPED[class_name].load().description,
        parameters={key: layer.parameters[key] for key in parameters if key in layer.parameters},
        weights=list(layer.weights) if weights else (),
    )


# Keras class name → conversion function, for mlt.convert(..., custom_conversion_functions=…).
CONVERSION_FUNCTIONS: dict[str, Callable[[HookedLayer], CustomLayerDescription]] = {
    "GridSampler": convert_grid_sampler,
    "GroupNorm": convert_group_norm,
    "Mish": convert_mish,
    "PixelShuffle": convert_pixel_shuffle,
    "Swish": convert_swish,
}

# Keras has layers called Dropout and Reshape too, so kraken's are no part of the above.
KRAKEN_CONVERSION_FUNCTIONS: dict[str, Callable[[HookedLayer], CustomLayerDescription]] = {
    "Dropout": convert_kraken_dropout,
    "KrakenGroupNorm": convert_kraken_group_norm,
    "Reshape": convert_kraken_reshape,
}
