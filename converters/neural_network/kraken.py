"""Networks written by kraken (https://kraken.re), which uses .mlmodel files as containers of weights.

kraken rebuilds a network from its VGSL line in the metadata and never reads the names of blobs. So its files name an
output that no layer makes, and older ones let every block read the model's input. The layers do stand in the order in
which they run, one after the other, which is how they are connected here.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import Any

_log = logging.getLogger(__name__)


def is_kraken(spec: Any) -> bool:
    """Whether kraken wrote the ``Model`` message, with one input and one output."""
    written = spec.description.metadata.userDefined
    description = spec.description
    return "vgsl" in written and "kraken_meta" in written and len(description.input) == len(description.output) == 1


# A model is read once for each size of its inputs; one warning will do.
@functools.lru_cache(maxsize=64)
def _warn(renamed: int, line: str) -> None:
    _log.warning(
        "this model was written by kraken, whose blob names do not connect its layers: %d of them were connected "
        "to the layer before (%s)",
        renamed,
        line,
    )


def chained_layers(spec: Any, network: Any) -> Iterator[Any]:
    """The layers, connected one after the other; those that need new names are copies.

    A layer that reads the model's input takes the output of the layer before, and the last layer makes the described
    output.
    """
    model_input, model_output = spec.description.input[0].name, spec.description.output[0].name
    before = model_input
    renamed = 0
    last = len(network.layers) - 1
    for index, layer in enumerate(network.layers):
        reads_model_input = index > 0 and list(layer.input[:1]) == [model_input] and before != model_input
        makes_output = index == last and model_output not in layer.output and len(layer.output) > 0
        if reads_model_input or makes_output:
            renamed += 1
            copy = type(layer)()
            copy.CopyFrom(layer)
            if reads_model_input:
                copy.input[0] = before
            if makes_output:
                copy.output[0] = model_output
            layer = copy
        if layer.output:
            before = layer.output[0]
        yield layer
    if renamed:
        _warn(renamed, spec.description.metadata.userDefined["vgsl"])
