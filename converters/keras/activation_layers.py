"""Activation layers and the operations of ``keras.ops`` that are activations."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.keras.activations import ACTIVATIONS, activated, elu, leaky_relu, relu, softmax
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.tensors import Tensor

# Operation of keras.src.ops.nn → name in keras.activations, and the operation's attributes that are its parameters.
_OPERATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Celu": ("celu", ("alpha",)),
    "Elu": ("elu", ("alpha",)),
    "Gelu": ("gelu", ("approximate",)),
    "Glu": ("glu", ("axis",)),
    "HardShrink": ("hard_shrink", ("threshold",)),
    "HardSigmoid": ("hard_sigmoid", ()),
    "HardSilu": ("hard_silu", ()),
    "HardTanh": ("hard_tanh", ()),
    "LeakyRelu": ("leaky_relu", ("negative_slope",)),
    "LogSigmoid": ("log_sigmoid", ()),
    "LogSoftmax": ("log_softmax", ("axis",)),
    "Mish": ("mish", ()),
    "ReLU": ("relu", ("negative_slope", "max_value", "threshold")),
    "Relu": ("relu", ()),
    "Relu6": ("relu6", ()),
    "Selu": ("selu", ()),
    "Sigmoid": ("sigmoid", ()),
    "Silu": ("silu", ()),
    "SoftShrink": ("soft_shrink", ("threshold",)),
    "Softmax": ("softmax", ("axis",)),
    "Softplus": ("softplus", ()),
    "Softsign": ("softsign", ()),
    "SparsePlus": ("sparse_plus", ()),
    "SparseSigmoid": ("sparse_sigmoid", ()),
    "Sparsemax": ("sparsemax", ("axis",)),
    "Squareplus": ("squareplus", ("b",)),
    "Tanh": ("tanh", ()),
    "TanhShrink": ("tanh_shrink", ()),
    "Threshold": ("threshold", ("threshold", "default_value")),
}


@converts_operation(*_OPERATIONS)
def convert_activation_operation(context: LayerContext) -> Tensor:
    """An activation called as an operation: its parameters are attributes of the operation."""
    function, attributes = _OPERATIONS[context.class_name]
    parameters = {name: getattr(context.source, name) for name in attributes}
    return ACTIVATIONS[function](context, context.tensor(), **parameters)


@converts("Activation")
def convert_activation(context: LayerContext) -> Tensor:
    """Any activation function."""
    return activated(context, context.tensor())


@converts("ReLU")
def convert_relu(context: LayerContext) -> Tensor:
    """With slope, ceiling and threshold."""
    layer = context.source
    return relu(context, context.tensor(), layer.negative_slope, layer.max_value, layer.threshold)


@converts("LeakyReLU")
def convert_leaky_relu(context: LayerContext) -> Tensor:
    """X, or slope · x below 0."""
    return leaky_relu(context, context.tensor(), context.source.negative_slope)


@converts("ELU")
def convert_elu(context: LayerContext) -> Tensor:
    """X, or alpha · (eˣ − 1) below 0."""
    return elu(context, context.tensor(), context.source.alpha)


@converts("PReLU")
def convert_prelu(context: LayerContext) -> Tensor:
    """X, or a learnt slope times x below 0; slopes of the shape of one sample, or 1 on shared axes."""
    x = context.tensor()
    slopes = context.needed_weight("alpha")
    if x.moved:
        slopes = np.moveaxis(slopes, -1, 0)
    return context.like_input(context.op("PRelu", x.value, context.constant(slopes)))


@converts("Softmax")
def convert_softmax(context: LayerContext) -> Tensor:
    """Along one or several axes; a mask given in the call leaves elements out."""
    if isinstance(context.argument("mask"), Tensor):
        context.refuse("a Softmax with a mask is not converted", "Softmax without mask")
    return softmax(context, context.tensor(), context.source.axis)
