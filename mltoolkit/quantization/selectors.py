"""Choosing the weights to quantize: a predicate on names, or a selector object as coremltools has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.formats.weight_fields import WEIGHT_TABLE
from mltoolkit.quantization.slots import WeightSlot

Predicate = Callable[[str, str], Any]
# The layer types whose selectors coremltools asks about the bias separately.
_ASKED_ABOUT_BIAS = ("convolution", "innerProduct", "batchedMatmul")


@runtime_checkable
class LayerSelector(Protocol):
    """An object in the manner of coremltools' ``QuantizedLayerSelector``."""

    def do_quantize(self, layer: Any, **kwargs: Any) -> bool:
        """Whether to quantize the weight ``weight_param`` (or, without it, the layer) of a layer message."""
        ...


class QuantizedLayerSelector:
    """Selects every layer that has weights; a base for selectors written for coremltools.

    >>> class AllButTheLast(QuantizedLayerSelector):
    ...     def do_quantize(self, layer, **kwargs):
    ...         return super().do_quantize(layer, **kwargs) and layer.name != "dense_2"
    """

    def __init__(self) -> None:
        # coremltools' selectors speak of depthwise convolutions as a type of their own.
        self.quantizable_layer_types = {*WEIGHT_TABLE, "branch", "loop", "depthwiseConv"}

    def do_quantize(self, layer: Any, **kwargs: Any) -> bool:
        """Whether the layer's type carries weights."""
        return layer.WhichOneof("layer") in self.quantizable_layer_types


class AdvancedQuantizedLayerSelector(QuantizedLayerSelector):
    """Leaves out types of layers and small convolutions.

    Args:
        skip_layer_types: such as ``"batchnorm"``; ``"bias"`` also means the biases of other layers, and
            ``"depthwiseConv"`` convolutions with one channel a group.
        minimum_conv_kernel_channels: convolutions with fewer kernel channels keep their weights.
        minimum_conv_weight_count: convolutions with fewer weights keep them.

    Raises:
        ArgumentError: there is no such layer type.
    """

    def __init__(
        self,
        skip_layer_types: Iterable[str] = (),
        minimum_conv_kernel_channels: int = 4,
        minimum_conv_weight_count: int = 4096,
    ) -> None:
        super().__init__()
        if isinstance(skip_layer_types, str) or not isinstance(skip_layer_types, Iterable):
            raise ArgumentError(f"skip_layer_types is {skip_layer_types!r}", fix="Give a list such as ['batchnorm']")
        self.skip_layer_types = list(skip_layer_types)
        self.minimum_conv_kernel_channels = minimum_conv_kernel_channels
        self.minimum_conv_weight_count = minimum_conv_weight_count
        for name in self.skip_layer_types:
            if name not in self.quantizable_layer_types:
                fix = did_you_mean(name, sorted(self.quantizable_layer_types))
                raise ArgumentError(f"no layers of the type {name!r} carry weights", fix=fix)

    def do_quantize(self, layer: Any, weight_param: str | None = None, **kwargs: Any) -> bool:
        """Whether to quantize a layer's weights (``weight_param`` None) or its ``"bias"``."""
        if not super().do_quantize(layer) or layer.WhichOneof("layer") in self.skip_layer_types:
            return False
        if weight_param == "bias":
            return "bias" not in self.skip_layer_types
        if layer.WhichOneof("layer") != "convolution":
            return True
        convolution = layer.convolution
        channels, groups = convolution.kernelChannels, convolution.nGroups
        if "depthwiseConv" in self.skip_layer_types and channels == 1 and groups > 1:
            return False
        height, width = (*convolution.kernelSize, 3, 3)[:2]
        count = convolution.outputChannels * channels * height * width
        return bool(channels >= self.minimum_conv_kernel_channels and count >= self.minimum_conv_weight_count)


def check_selector(selector: Any) -> None:
    """Check that ``selector`` is one of the kinds that :func:`selects` understands, or None.

    Raises:
        ArgumentError: it is not.
    """
    if selector is not None and not isinstance(selector, LayerSelector) and not callable(selector):
        raise ArgumentError(
            f"the selector {selector!r} is neither a function nor an object with the method do_quantize",
            fix="Give a function such as: lambda layer, weight: layer != 'conv1'",
        )


def selects(selector: Any, layer: Any, slot: WeightSlot) -> bool:
    """Whether the selector wants a weight quantized.

    Args:
        selector: None (everything), a predicate ``(layer name, weight name) -> bool``, or an object with
            ``do_quantize``, which is asked as coremltools asks it.
        layer: the layer's message, None in an ML Program.
        slot: one of its weights.

    Raises:
        ArgumentError: the selector itself raised, or wants layers of a neural network where there are none.
    """
    if selector is None:
        return True
    if layer is None and isinstance(selector, LayerSelector):
        raise ArgumentError(
            "selectors with a method do_quantize are asked about layers, which an ML Program lacks",
            where=slot.where,
            fix="Give a function such as: lambda operation, weight: operation != 'conv1'",
        )
    try:
        if not isinstance(selector, LayerSelector):
            return bool(selector(slot.layer, slot.name))
        if not selector.do_quantize(layer):
            return False
        if slot.name == "bias" and slot.layer_type in _ASKED_ABOUT_BIAS:
            return bool(selector.do_quantize(layer, weight_param="bias"))
        return True
    except Exception as error:
        raise ArgumentError(
            f"the selector failed: {type(error).__name__}: {error}",
            where=slot.where,
            fix="A selector is called with the names of the layer and the weight",
        ) from error
