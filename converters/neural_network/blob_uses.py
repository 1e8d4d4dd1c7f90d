"""Which blobs the layers of a network read and make, branches and loops included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mltoolkit.formats.networks import iter_network_layers, nested_networks


class BlobUses:
    """How often each blob of a network is read, and which leave it.

    Args:
        layers: the network's layers.
        outputs: blobs that are outputs of the model.
    """

    def __init__(self, layers: Iterable[Any], outputs: Iterable[str]) -> None:
        self._outputs = frozenset(outputs)
        self._reads = _count_reads(layers)

    def needed_outside(self, layers: Iterable[Any], names: Iterable[str]) -> set[str]:
        """Those of some blobs that layers besides the given ones read, or that leave the network."""
        inside = _count_reads(layers)
        return {name for name in names if name in self._outputs or self._reads[name] > inside[name]}


def _count_reads(layers: Iterable[Any]) -> Counter[str]:
    reads: Counter[str] = Counter()
    for layer in _with_nested(layers):
        reads.update(layer.input)
        if layer.WhichOneof("layer") == "loop":
            reads[layer.loop.conditionVar] += 1
    return reads


def _with_nested(layers: Iterable[Any]) -> Iterator[Any]:
    for layer in layers:
        yield layer
        for network in nested_networks(layer):
            yield from iter_network_layers(network)


def made_blobs(layers: Iterable[Any]) -> list[str]:
    """The names of all blobs that layers, or layers inside them, make."""
    return list(dict.fromkeys(name for layer in _with_nested(layers) for name in layer.output))


def read_before_made(layers: Iterable[Any], made: Collection[str] = ()) -> set[str]:
    """The blobs that layers may read before they make them themselves.

    Args:
        layers: layers in the order in which they run.
        made: blobs that count as made.
    """
    return _scan(layers, set(made))[0]


def _scan(layers: Iterable[Any], made: set[str]) -> tuple[set[str], set[str]]:
    """The blobs read before they are made, and those made for certain."""
    early: set[str] = set()
    for layer in layers:
        early.update(name for name in layer.input if name not in made)
        kind = layer.WhichOneof("layer")
        if kind == "branch":
            ways = [_scan(way.layers, set(made)) for way in (layer.branch.ifBranch, layer.branch.elseBranch)]
            early.update(*(reads for reads, _ in ways))
            made |= ways[0][1] & ways[1][1]
        elif kind == "loop":
            reads, made = _scan(layer.loop.conditionNetwork.layers, made)
            early |= reads | _scan(layer.loop.bodyNetwork.layers, set(made))[0]
        made.update(layer.output)
    return early, made
