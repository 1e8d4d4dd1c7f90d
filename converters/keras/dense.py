"""Products with weights: Dense, EinsumDense."""

from __future__ import annotations

from mltoolkit.converters.keras.activations import activated
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.convolution import convolve
from mltoolkit.converters.keras.einsum import einsum
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor


@converts("Dense")
def convert_dense(context: LayerContext) -> Tensor:
    """Product of the last axis with a kernel (channels, units), plus bias."""
    kernel, bias = context.needed_weight("kernel"), context.weight("bias")
    x = context.tensor()
    if x.moved:
        # On feature maps that is a convolution of window 1.
        window = (1,) * (x.rank - 2)
        value = convolve(context, x.value, kernel.T.reshape(*kernel.T.shape, *window), bias=bias)
        return activated(context, Tensor(value, moved=True))
    if x.rank == 2:
        operands = [x.value, context.constant(kernel)] + ([context.constant(bias)] if bias is not None else [])
        return activated(context, Tensor(context.op("Gemm", *operands)))
    value = context.op("MatMul", x.value, context.constant(kernel))
    if bias is not None:
        value = context.op("Add", value, context.constant(bias))
    return activated(context, Tensor(value))


@converts("EinsumDense")
def convert_einsum_dense(context: LayerContext) -> Tensor:
    """A product in Einstein's notation with a kernel, plus bias."""
    layer = context.source
    kernel = context.constant(context.needed_weight("kernel"))
    value = einsum(context, layer.equation, [context.logical(), kernel])
    bias = context.weight("bias")
    if bias is not None:
        value = context.op("Add", value, context.constant(bias))
    return activated(context, Tensor(value))
