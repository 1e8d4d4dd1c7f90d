"""Mistakes of coremltools 9.0's writer of neural networks, put right while a model is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What it adds to the initial state (B, H) of an RNN, where the layer needs (1, B, H, 1, 1).
_WRONG_AXES_OF_RNN = [2, 3, 4]
_STATE_AXES = [0, 3, 4]


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
