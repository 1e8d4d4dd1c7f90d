"""The neural networks inside a model, and their layers: through pipelines, branches and loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NETWORK_KINDS = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor")
# Layers that hold networks of their own.
NESTED_NETWORKS: dict[str, tuple[str, ...]] = {
    "branch": ("ifBranch", "elseBranch"),
    "loop": ("conditionNetwork", "bodyNetwork"),
}


def pipeline_of(spec: Any) -> Any | None:
    """The ``Pipeline`` message of a pipeline (plain, classifier or regressor); None for other models."""
    kind = spec.WhichOneof("Type")
    if kind == "pipeline":
        return spec.pipeline
    if kind in ("pipelineClassifier", "pipelineRegressor"):
        return getattr(spec, kind).pipeline
    return None


def stage_names(pipeline: Any) -> list[str]:
    """One name for each model of a ``Pipeline`` message, all different.

    A model without a name is called ``stage 1``, ``stage 2``, … by its place; a name used again gets its
    place added.
    """
    names: list[str] = []
    for place in range(1, len(pipeline.models) + 1):
        given = pipeline.names[place - 1] if place <= len(pipeline.names) else ""
        name = given or f"stage {place}"
        while name in names:
            name = f"{name} ({place})"
        names.append(name)
    return names


def pipeline_stages(spec: Any) -> dict[str, Any]:
    """The models of a pipeline by name (see :func:`stage_names`); empty for other models."""
    pipeline = pipeline_of(spec)
    return dict(zip(stage_names(pipeline), pipeline.models, strict=True)) if pipeline is not None else {}


def iter_models(spec: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A ``Model`` message and, if it is a pipeline, its stages and theirs.

    Yields:
        The names of the stages down to the model (see :func:`stage_names`), and the model.
    """
    yield path, spec
    for name, stage in pipeline_stages(spec).items():
        yield from iter_models(stage, (*path, name))


def network_of(spec: Any) -> Any | None:
    """The network message of a ``Model`` (plain, classifier or regressor); None for other models."""
    kind = spec.WhichOneof("Type")
    return getattr(spec, kind) if kind in NETWORK_KINDS else None


def nested_networks(layer: Any) -> list[Any]:
    """The network messages inside a layer: two in a branch or loop, else none."""
    kind = layer.WhichOneof("layer")
    return [getattr(getattr(layer, kind), field) for field in NESTED_NETWORKS.get(kind, ())]


def iter_network_layers(network: Any) -> Iterator[Any]:
    """The layers of a network message; those inside a branch or loop follow it."""
    for layer in network.layers:
        yield layer
        for nested in nested_networks(layer):
            yield from iter_network_layers(nested)


def iter_layers(spec: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every layer of a model with the names of its pipeline stages, in the order of the file."""
    for path, model in iter_models(spec):
        network = network_of(model)
        if network is not None:
            for layer in iter_network_layers(network):
                yield path, layer


def custom_class_names(spec: Any) -> set[str]:
    """The class names of a model's custom layers, those in pipelines, branches and loops included."""
    return {layer.custom.className for _, layer in iter_layers(spec) if layer.WhichOneof("layer") == "custom"}
