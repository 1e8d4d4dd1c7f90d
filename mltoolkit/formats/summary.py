"""What a model consists of, as plain data: interface, layers, weights, custom layers, pipeline stages."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mltoolkit.formats.features import Feature, read_interface
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import iter_network_layers, network_of, pipeline_of, stage_names
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
        return _sum(self.weights.values())


@dataclass(frozen=True)
class CustomLayerSummary:
    """A custom layer: code that the model needs and does not bring.

    Attributes:
        layer: the layer's name.
        class_name: the Swift or Objective-C class that must exist, ``className`` in the file.
        description: what the author says of it.
        parameters: its parameters.
        weights: how many weights it has.
    """

    layer: str
    class_name: str
    description: str
    parameters: dict[str, float | int | str | bool]
    weights: int


@dataclass(frozen=True)
class Metadata:
    """What the author says of a model."""

    description: str
    version: str
    author: str
    license: str
    user_defined: dict[str, str]


@dataclass(frozen=True)
class ModelSummary:
    """What a model consists of.

    Attributes:
        kind: the model's type in the format, such as ``neuralNetworkClassifier``.
        specification_version: version of the format.
        metadata: what the author says of it.
        inputs: the described inputs.
        outputs: the described outputs.
        class_labels: the number of class labels; None if it is no classifier.
        updatable: whether it is trained on the device.
        layers: a network's layers in order, those inside branches and loops after them.
        weights: the layers' weights by storage, and those of a pipeline's stages.
        custom_layers: code that the model needs, stages included.
        stages: a pipeline's models by name, in order.
    """

    kind: str
    specification_version: int
    metadata: Metadata
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    class_labels: int | None
    updatable: bool
    layers: tuple[LayerSummary, ...]
    weights: dict[str, WeightTotal]
    custom_layers: tuple[CustomLayerSummary, ...]
    stages: dict[str, ModelSummary] = field(default_factory=dict)

    @property
    def total(self) -> WeightTotal:
        """All weights."""
        return _sum(self.weights.values())

    @property
    def layer_types(self) -> dict[str, int]:
        """How many layers there are of each type, the most frequent first."""
        return dict(Counter(layer.type for layer in self.layers).most_common())

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and numbers; features also say their ``type``."""
        plain = dataclasses.asdict(self)
        for side in ("inputs", "outputs"):
            features = getattr(self, side)
            plain[side] = [
                {"type": type(item).__name__.removesuffix("Feature").lower()} | dataclasses.asdict(item)
                for item in features
            ]
        plain["total"] = dataclasses.asdict(self.total)
        plain["stages"] = {name: stage.to_dict() for name, stage in self.stages.items()}
        return plain


def summarize(spec: Any) -> ModelSummary:
    """Summarize a ``Model`` message. Weights are counted, not decoded.

    Raises:
        InvalidModelError: a feature of the description cannot be read.
    """
    interface = read_interface(spec)
    network, pipeline = network_of(spec), pipeline_of(spec)
    messages = tuple(iter_network_layers(network)) if network is not None else ()
    layers = tuple(_summarize_layer(message) for message in messages)
    if program_of(spec) is not None:
        layers = tuple(_summarize_operation(layer) for layer in program_layers(spec))
    custom = tuple(_summarize_custom(message) for message in messages if message.WhichOneof("layer") == "custom")
    stages: dict[str, ModelSummary] = {}
    if pipeline is not None:
        names = stage_names(pipeline)
        stages = {name: summarize(stage) for name, stage in zip(names, pipeline.models, strict=True)}
    return ModelSummary(
        kind=spec.WhichOneof("Type") or "",
        specification_version=int(spec.specificationVersion),
        metadata=_read_metadata(spec.description.metadata),
        inputs=interface.inputs,
        outputs=interface.outputs,
        class_labels=None if interface.class_labels is None else len(interface.class_labels),
        updatable=bool(spec.isUpdatable),
        layers=layers,
        weights=_merge([layer.weights for layer in layers] + [stage.weights for stage in stages.values()]),
        custom_layers=(*custom, *(layer for stage in stages.values() for layer in stage.custom_layers)),
        stages=stages,
    )


def _summarize_layer(layer: Any) -> LayerSummary:
    return LayerSummary(
        name=layer.name,
        type=layer.WhichOneof("layer") or "",
        inputs=tuple(layer.input),
        outputs=tuple(layer.output),
        weights=_merge({_storage(weight): _count(weight)} for weight in layer_weights((), layer)),
    )


def _summarize_operation(layer: ProgramLayer) -> LayerSummary:
    weights = _merge({weight.storage: WeightTotal(1, weight.count, weight.bytes)} for weight in layer.weights)
    return LayerSummary(layer.name, layer.type, layer.inputs, layer.outputs, weights)


def _storage(weight: WeightField) -> str:
    encoding = encoding_of(weight.params)
    if encoding in (Encoding.LINEAR, Encoding.LOOKUP_TABLE):
        bits = bits_per_weight(weight.params)
        return f"{encoding.value} {bits} bit{'s' * (bits != 1)}"
    return str(encoding.value)


def _count(weight: WeightField) -> WeightTotal:
    return WeightTotal(1, weight.count, stored_bytes(weight.params))


def _summarize_custom(layer: Any) -> CustomLayerSummary:
    params = layer.custom
    parameters = {}
    for name, value in params.parameters.items():
        kind = value.WhichOneof("value")
        parameters[name] = getattr(value, kind) if kind else ""
    return CustomLayerSummary(
        layer=layer.name,
        class_name=params.className,
        description=params.description,
        parameters=dict(sorted(parameters.items())),
        weights=len(params.weights),
    )


def _read_metadata(metadata: Any) -> Metadata:
    return Metadata(
        description=metadata.shortDescription,
        version=metadata.versionString,
        author=metadata.author,
        license=metadata.license,
        user_defined=dict(sorted(metadata.userDefined.items())),
    )


def _merge(parts: Iterable[dict[str, WeightTotal]]) -> dict[str, WeightTotal]:
    merged: dict[str, WeightTotal] = {}
    for part in parts:
        for storage, total in part.items():
            merged[storage] = merged.get(storage, WeightTotal()) + total
    return merged


def _sum(totals: Iterable[WeightTotal]) -> WeightTotal:
    return sum(totals, WeightTotal())
