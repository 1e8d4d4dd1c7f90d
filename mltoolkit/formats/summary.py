"""What a model consists of, as plain data: interface, layers, weights, custom layers, functions, pipeline stages."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mltoolkit.formats.features import Feature, read_interface
from mltoolkit.formats.layer_summary import LayerSummary, WeightTotal, merge_weights, sum_weights, summarize_layers
from mltoolkit.formats.ml_program import function_name, function_names
from mltoolkit.formats.networks import iter_network_layers, network_of, pipeline_stages


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
class FunctionSummary:
    """What runs at once: a model, or one function of an ML Program that has several.

    Attributes:
        inputs: the described inputs.
        outputs: the described outputs.
        states: what is kept from one prediction to the next.
        class_labels: the number of class labels; None if it is no classifier.
        layers: layers or operations in order, those inside branches and loops after them.
        weights: the layers' weights by storage, and those of a pipeline's stages.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...]
    class_labels: int | None
    layers: tuple[LayerSummary, ...]
    weights: dict[str, WeightTotal]

    @property
    def total(self) -> WeightTotal:
        """All weights."""
        return sum_weights(self.weights.values())

    @property
    def layer_types(self) -> dict[str, int]:
        """How many layers there are of each type, the most frequent first."""
        return dict(Counter(layer.type for layer in self.layers).most_common())

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and numbers; features also say their ``type``."""
        plain = dataclasses.asdict(self)
        for side in ("inputs", "outputs", "states"):
            features = getattr(self, side)
            plain[side] = [
                {"type": type(item).__name__.removesuffix("Feature").lower()} | dataclasses.asdict(item)
                for item in features
            ]
        plain["total"] = dataclasses.asdict(self.total)
        return plain


@dataclass(frozen=True)
class ModelSummary(FunctionSummary):
    """What a model consists of; of an ML Program with several functions, what the chosen one consists of.

    Attributes:
        kind: the model's type in the format, such as ``neuralNetworkClassifier``.
        specification_version: version of the format.
        metadata: what the author says of it.
        updatable: whether it is trained on the device.
        custom_layers: code that the model needs, stages included.
        stages: a pipeline's models by name, in order.
        function: the chosen function of an ML Program; None for other models.
        functions: of an ML Program that has several functions, all by name. They may share weights.
    """

    kind: str
    specification_version: int
    metadata: Metadata
    updatable: bool
    custom_layers: tuple[CustomLayerSummary, ...]
    stages: dict[str, ModelSummary] = field(default_factory=dict)
    function: str | None = None
    functions: dict[str, FunctionSummary] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything as dictionaries, lists, strings and numbers; features also say their ``type``."""
        return super().to_dict() | {
            "stages": {name: stage.to_dict() for name, stage in self.stages.items()},
            "functions": {name: function.to_dict() for name, function in self.functions.items()},
        }


def summarize(spec: Any, function: str = "") -> ModelSummary:
    """Summarize a ``Model`` message. Weights are counted, not decoded.

    Args:
        spec: the message.
        function: which function of an ML Program; by default the program's own default.

    Raises:
        InvalidModelError: a feature of the description cannot be read.
        ArgumentError: there is no such function.
    """
    names = function_names(spec)
    chosen = function_name(spec, function) if names else None
    functions = {name: _summarize_function(spec, name) for name in names} if len(names) > 1 else {}
    runs = functions[chosen] if chosen in functions else _summarize_function(spec, chosen or "")
    network = network_of(spec)
    messages = iter_network_layers(network) if network is not None else ()
    custom = tuple(_summarize_custom(message) for message in messages if message.WhichOneof("layer") == "custom")
    stages = {name: summarize(stage) for name, stage in pipeline_stages(spec).items()}
    return ModelSummary(
        inputs=runs.inputs,
        outputs=runs.outputs,
        states=runs.states,
        class_labels=runs.class_labels,
        layers=runs.layers,
        weights=merge_weights([runs.weights, *(stage.weights for stage in stages.values())]),
        kind=spec.WhichOneof("Type") or "",
        specification_version=int(spec.specificationVersion),
        metadata=_read_metadata(spec.description.metadata),
        updatable=bool(spec.isUpdatable),
        custom_layers=(*custom, *(layer for stage in stages.values() for layer in stage.custom_layers)),
        stages=stages,
        function=chosen,
        functions=functions,
    )


def _summarize_function(spec: Any, function: str) -> FunctionSummary:
    interface = read_interface(spec, function)
    layers = summarize_layers(spec, function)
    return FunctionSummary(
        inputs=interface.inputs,
        outputs=interface.outputs,
        states=interface.states,
        class_labels=None if interface.class_labels is None else len(interface.class_labels),
        layers=layers,
        weights=merge_weights(layer.weights for layer in layers),
    )


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
