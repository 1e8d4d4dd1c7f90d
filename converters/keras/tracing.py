"""Layers without a converter, through what their call is made of.

Keras can run a layer's ``call`` on symbolic tensors: if it only uses Keras layers and `keras.ops`, the result is a
graph of calls that can be walked like a model.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from mltoolkit.converters.keras.dtypes import keras_dtype
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import dtype_of

if TYPE_CHECKING:
    from mltoolkit.converters.keras.context import LayerContext


def trace(context: LayerContext, keras: Any) -> tuple[Any, list[Tensor]]:
    """The graph (``keras.Function``) of one call of a layer or of a function, at inference, and its inputs.

    A tensor that is given twice is one input.

    Raises:
        LayerRefused: the call uses something else than Keras layers and operations, or no tensor at all.
    """
    if not context.inputs:
        context.refuse("it has no input")
    inputs, symbols = _symbols(context, keras)
    call = context.source.call if hasattr(context.source, "call") else context.source
    kwargs = dict(context.kwargs)
    if "training" in inspect.signature(call).parameters:
        kwargs["training"] = False
    try:
        outputs = call(*_replaced(context.args, symbols), **_replaced(kwargs, symbols))
        return keras.Function(list(symbols.values()), outputs), inputs
    except Exception as error:  # a user's code, on values that it may not be made for
        context.refuse(
            f"there is no conversion for it, and its call is not made of Keras layers and keras.ops alone "
            f"({type(error).__name__}: {_first_line(error)})",
            "a call that uses keras.layers and keras.ops only",
        )


def symbolic_shapes(context: LayerContext, keras: Any) -> list[tuple[int | None, ...]]:
    """Keras' shapes of the outputs of one call of a layer.

    Raises:
        LayerRefused: Keras cannot tell.
    """
    _, symbols = _symbols(context, keras)
    try:
        outputs = context.source(*_replaced(context.args, symbols), **_replaced(context.kwargs, symbols))
        return [tuple(output.shape) for output in keras.tree.flatten(outputs)]
    except Exception as error:  # as above
        context.refuse(f"Keras cannot tell the shape of its output ({type(error).__name__}: {_first_line(error)})")


def _symbols(context: LayerContext, keras: Any) -> tuple[list[Tensor], dict[int, Any]]:
    """The tensors that are given, once each, and by their identity a symbolic tensor for each."""
    inputs = list(dict.fromkeys(context.inputs))
    symbols = {
        id(tensor): keras.Input(
            batch_shape=[size if isinstance(size, int) else None for size in tensor.shape],
            dtype=keras_dtype(dtype_of(tensor.value)),
        )
        for tensor in inputs
    }
    return inputs, symbols


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else "no message"


def _replaced(structure: Any, symbols: dict[int, Any]) -> Any:
    if isinstance(structure, Tensor):
        return symbols[id(structure)]
    if isinstance(structure, dict):
        return {key: _replaced(value, symbols) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        items = [_replaced(item, symbols) for item in structure]
        return items if isinstance(structure, list) else tuple(items)
    return structure
