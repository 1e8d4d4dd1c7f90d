"""Mistakes of coremltools 9.0's writer of neural networks, put right while a model is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# What it adds to the initial state (B, H) of an RNN, where the layer needs (1, B, H, 1, 1).
_WRONG_AXES_OF_RNN = [2, 3, 4]
_STATE_AXES = [0, 3, 4]


@contextmanager
def put_right() -> Iterator[None]:
    """Have coremltools write neural networks with what stands below."""
    from coremltools.converters.mil.backend.nn import mil_to_nn_mapping_registry, op_mapping

    writers = mil_to_nn_mapping_registry.MIL_TO_NN_MAPPING_REGISTRY
    expand_dim, kept = op_mapping._expand_dim, {name: writers[name] for name in ("expand_dims", "stack")}
    op_mapping._expand_dim = expand_dims_once(expand_dim)
    writers["expand_dims"] = expand_scalars(kept["expand_dims"], op_mapping.make_input)
    writers["stack"] = stack_scalars(kept["stack"], op_mapping.make_input)
    try:
        yield
    finally:
        op_mapping._expand_dim = expand_dim
        writers.update(kept)


def expand_scalars(original: Callable[..., None], make_input: Callable[..., Any]) -> Callable[..., None]:
    """``expand_dims``: a scalar has one axis in a neural network already, which coremltools forgets."""

    def expand_dims(constants: Any, builder: Any, operation: Any) -> None:
        if operation.x.rank:
            original(constants, builder, operation)
            return
        names = {"name": operation.name, "output_name": operation.outputs[0].name}
        source, more = make_input(constants, builder, operation.x), len(operation.axes.val) - 1
        if more:
            builder.add_expand_dims(input_name=source, axes=list(range(more)), **names)
        else:
            builder.add_copy(input_name=source, **names)

    return expand_dims


def stack_scalars(original: Callable[..., None], make_input: Callable[..., Any]) -> Callable[..., None]:
    """``stack``: scalars, of one axis each, are joined along it."""

    def stack(constants: Any, builder: Any, operation: Any) -> None:
        if operation.values[0].rank:
            original(constants, builder, operation)
            return
        builder.add_concat_nd(
            name=operation.name,
            input_names=make_input(constants, builder, list(operation.values)),
            output_name=operation.outputs[0].name,
            axis=0,
        )

    return stack


def expand_dims_once(original: Callable[..., None]) -> Callable[..., None]:
    """``_expand_dim`` of ``op_mapping``, used by recurrent layers.

    - The new value is named after the old one, so that two layers with the same input or initial state (zeros are
      often the same constant) gave two layers of one name, an error. Here the second takes what the first made.
    - An RNN's initial state came out as (B, H, 1, 1, 1).
    """

    def expand_dim(builder: Any, node_name: str, input_name: str, axes: list[int]) -> None:
        wanted = _STATE_AXES if list(axes) == _WRONG_AXES_OF_RNN else list(axes)
        if node_name in builder.layers:
            made = next(layer for layer in builder.nn_spec.layers if layer.name == node_name)
            if list(made.input) == [input_name] and list(made.expandDims.axes) == wanted:
                return
        original(builder, node_name, input_name, wanted)

    return expand_dim
