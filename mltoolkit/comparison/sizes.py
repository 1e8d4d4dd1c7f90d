"""What two models take in their files, layer by layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mltoolkit.comparison.name_matching import match_names
from mltoolkit.formats.layer_summary import LayerSummary

if TYPE_CHECKING:
    from mltoolkit.model import Model


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """The weights of a layer in a file.

    Attributes:
        storage: how they are stored, such as ``float32`` or ``lookup table 4 bits``.
        parameters: values.
        bytes: what they take, with scales and tables.
    """

    storage: str
    parameters: int
    bytes: int

    @property
    def bits(self) -> float:
        """Bits a value, with scales and tables."""
        return 8 * self.bytes / self.parameters if self.parameters else 0.0


@dataclass(frozen=True, slots=True)
class LayerSize:
    """A layer that has weights in one of two models at least; None where a model does not have the layer."""

    stage: str
    layer: str
    type: str
    first: StoredWeights | None
    second: StoredWeights | None


@dataclass(frozen=True)
class SizeTable:
    """What two models take.

    Attributes:
        first_bytes: the first model's file or package.
        second_bytes: the second's.
        layers: every layer with weights, in the order of the first model, then those that only the second has.
    """

    first_bytes: int
    second_bytes: int
    layers: tuple[LayerSize, ...]

    def total(self, side: str) -> StoredWeights:
        """All weights of the ``first`` or of the ``second`` model."""
        found = [weights for layer in self.layers if (weights := getattr(layer, side)) is not None]
        return StoredWeights("", sum(item.parameters for item in found), sum(item.bytes for item in found))

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and numbers."""
        plain = dataclasses.asdict(self)
        for record, layer in zip(plain["layers"], self.layers, strict=True):
            for side in ("first", "second"):
                weights: StoredWeights | None = getattr(layer, side)
                if weights is not None:
                    record[side]["bits"] = weights.bits
        return plain


def compare_sizes(a: Model, b: Model) -> SizeTable:
    """The sizes of two models and of their layers, matched by name."""
    first, second = list(_layers(a)), list(_layers(b))
    twins = match_names([_name(*item) for item in first], [_name(*item) for item in second])
    rows = []
    for place, (stage, layer) in enumerate(first):
        twin = second[twins[place]][1] if place in twins else None
        rows.append(LayerSize(stage, layer.name, layer.type, _stored(layer), None if twin is None else _stored(twin)))
    taken = set(twins.values())
    rows += [
        LayerSize(stage, layer.name, layer.type, None, _stored(layer))
        for place, (stage, layer) in enumerate(second)
        if place not in taken
    ]
    return SizeTable(a.size, b.size, tuple(row for row in rows if _parameters(row.first) or _parameters(row.second)))


def _layers(model: Model, path: Sequence[str] = ()) -> Iterator[tuple[str, LayerSummary]]:
    yield from (("/".join(path), layer) for layer in model.summary().layers)
    for name, stage in model.stages.items():
        yield from _layers(stage, (*path, name))


def _name(stage: str, layer: LayerSummary) -> str:
    # By what the layer makes, as its errors are: an operation's own name need not survive a conversion.
    return f"{stage}/{layer.outputs[0] if layer.outputs else layer.name}"


def _stored(layer: LayerSummary) -> StoredWeights:
    total = layer.total
    return StoredWeights(" + ".join(layer.weights), total.parameters, total.bytes)


def _parameters(weights: StoredWeights | None) -> int:
    return weights.parameters if weights else 0
