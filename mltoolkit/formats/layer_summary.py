"""A network's layers and a program's operations as plain data, with their weights by storage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import iter_network_layers, network_of
from mltoolkit.formats.program_summary import ProgramLayer, program_layers
from mltoolkit.formats.weight_fields import WeightField, layer_weights
from mltoolkit.formats.weights import Encoding, bits_per_weight, encoding_of, stored_bytes


@dataclass(frozen=True)
class WeightTotal:
    """Weights of one storage taken together.

    Attributes:
        tensors: how many there are.
        parameters: values in them.
        bytes: what they take in the file, with quantization scales, biases and tables.
    """

    tensors: int = 0
    parameters: int = 0
    bytes: int = 0

    def __add__(self, other: WeightTotal) -> WeightTotal:
        return WeightTotal(self.tensors + other.tensors, self.parameters + other.parameters, self.bytes + other.bytes)


@dataclass(frozen=True)
class LayerSummary:
    """One layer of a network.

    Attributes:
        name: its name.
        type: its type as the format calls it, such as ``convolution``; "" if unknown.
        inputs: the blobs it reads.
        outputs: the blobs it makes.
        weights: its weights by storage: ``float32``, ``float16``, ``linear 8 bits``, ``lookup table 4 bits``.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: dict[str, WeightTotal]

    @property
    def total(self) -> WeightTotal:
        """All its weights."""
        return sum_weights(self.weights.values())


def summarize_layers(spec: Any, function: str = "") -> tuple[LayerSummary, ...]:
    """The layers of a network, or the operations of an ML Program's function, in order; none for other models.

    Those inside branches and loops come after them.

    Raises:
        InvalidModelError: a constant's type cannot be read.
    """
    network = network_of(spec)
    if network is not None:
        return tuple(_summarize_layer(message) for message in iter_network_layers(network))
    if program_of(spec) is not None:
        return tuple(_summarize_operation(layer) for layer in program_layers(spec, function))
    return ()


def _summarize_layer(layer: Any) -> LayerSummary:
    return LayerSummary(
        name=layer.name,
        type=layer.WhichOneof("layer") or "",
        inputs=tuple(layer.input),
        outputs=tuple(layer.output),
        weights=merge_weights({_storage(weight): _count(weight)} for weight in layer_weights((), layer)),
    )


def _summarize_operation(layer: ProgramLayer) -> LayerSummary:
    weights = merge_weights({weight.storage: WeightTotal(1, weight.count, weight.bytes)} for weight in layer.weights)
    return LayerSummary(layer.name, layer.type, layer.inputs, layer.outputs, weights)


def _storage(weight: WeightField) -> str:
    encoding = encoding_of(weight.params)
    if encoding in (Encoding.LINEAR, Encoding.LOOKUP_TABLE):
        bits = bits_per_weight(weight.params)
        return f"{encoding.value} {bits} bit{'s' * (bits != 1)}"
    return str(encoding.value)


def _count(weight: WeightField) -> WeightTotal:
    return WeightTotal(1, weight.count, stored_bytes(weight.params))


def merge_weights(parts: Iterable[dict[str, WeightTotal]]) -> dict[str, WeightTotal]:
    """Weights by storage, of several layers or models together."""
    merged: dict[str, WeightTotal] = {}
    for part in parts:
        for storage, total in part.items():
            merged[storage] = merged.get(storage, WeightTotal()) + total
    return merged


def sum_weights(totals: Iterable[WeightTotal]) -> WeightTotal:
    """All of them together."""
    return sum(totals, WeightTotal())
