"""Layers around layers: Bidirectional, TimeDistributed."""

from __future__ import annotations

import inspect

import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext, tensors_in
from mltoolkit.converters.keras.elementwise import binary
from mltoolkit.converters.keras.recurrent import reversed_steps, run_layer
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Mask, Tensor
from mltoolkit.graph.builder import shape_of

_MERGES = {"sum": "Add", "ave": "Add", "mul": "Mul"}


@converts("Bidirectional", masks=True)
def convert_bidirectional(context: LayerContext) -> list[Tensor]:
    """A recurrent layer and its twin from the end; outputs side by side, or combined."""
    layer, x = context.source, context.tensor()
    states = tensors_in(context.argument("initial_state"))
    half = len(states) // 2
    given = context.argument("mask")
    mask = Mask(context.layouts.logical(given)) if isinstance(given, Tensor) else x.mask
    forward = run_layer(context, layer.forward_layer, x, states[:half], mask)
    backward = run_layer(context, layer.backward_layer, x, states[half:], mask)
    if layer.return_sequences:
        first, second = forward.outputs, Tensor(reversed_steps(context, backward.outputs.value))
    else:
        first, second = forward.last, backward.last
    outputs = [_with(mask, tensor, layer.return_sequences) for tensor in _merged(context, first, second)]
    return [*outputs, *forward.states, *backward.states] if layer.return_state else outputs


def _with(mask: Mask | None, tensor: Tensor, sequences: bool) -> Tensor:
    return Tensor(tensor.value, tensor.moved, mask if sequences else None)


def _merged(context: LayerContext, first: Tensor, second: Tensor) -> list[Tensor]:
    mode = context.source.merge_mode
    if mode is None:
        return [first, second]
    if mode == "concat":
        return [Tensor(context.op("Concat", first.value, second.value, axis=first.rank - 1))]
    result = binary(context, _MERGES[mode], first, second)
    return [binary(context, "Mul", result, context.operand(0.5, result)) if mode == "ave" else result]


@converts("TimeDistributed", masks=True)
def convert_time_distributed(context: LayerContext) -> list[Tensor]:
    """A layer on each time step (N, T, …): on N · T samples at once."""
    x = context.tensor()
    if x.mask and "mask" in inspect.signature(context.source.layer.call).parameters:
        context.refuse("its layer looks at the mask of each step", "an input without mask")
    value = context.layouts.logical(x)
    batch, steps, *inner = (size if isinstance(size, int) else -1 for size in shape_of(value))
    if steps == -1 or -1 in inner:
        context.refuse("the sizes of its input are only known when the model runs", "an input of fixed size")
    samples = batch * steps if batch != -1 else -1
    flat = Tensor(context.op("Reshape", value, context.constant([samples, *inner])))
    results = context.apply(context.source.layer, flat)
    return [Tensor(_unflattened(context, result, batch, steps)) for result in results]


def _unflattened(context: LayerContext, result: Tensor, batch: int, steps: int) -> ir.Value:
    value = context.layouts.logical(result)
    sizes = [size if isinstance(size, int) else -1 for size in shape_of(value)[1:]]
    return context.op("Reshape", value, context.constant([batch, steps, *sizes]))
