"""What must hold of a model before anything is converted or allocated.

The checks follow Core ML's own validator (apple/coremltools, mlmodel/src/Validation), as far as running a
model safely needs them. Whether layers fit each other, and weights their layers, is found out by the converter.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from mltoolkit.errors import InvalidModelError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.features import (
    DictionaryFeature,
    Feature,
    ImageFeature,
    Interface,
    ScalarFeature,
    StringFeature,
    read_interface,
)
from mltoolkit.formats.ml_program import function_names, program_of, validate_program
from mltoolkit.formats.networks import NESTED_NETWORKS, network_of, pipeline_of, stage_names
from mltoolkit.formats.protobuf import NEWEST_SPECIFICATION_VERSION
from mltoolkit.formats.size_limits import check_features

# Pipelines inside pipelines, and branches inside loops; deeper than any real model.
_MAX_DEPTH = 16


def validate_spec(spec: Any) -> None:
    """Check the structure of a ``Model`` message, down to the stages of pipelines and the layers of networks.

    Raises:
        InvalidModelError: the model contradicts itself, or declares sizes that no model has.
        UnsupportedModelError: it has a kind of model or layer that is not known here.
    """
    _validate(spec, "")


def _validate(spec: Any, stage: str, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidModelError(f"pipelines are nested more than {_MAX_DEPTH} deep")
    if spec.WhichOneof("Type") is None:
        raise _no_model(spec, stage)
    pipeline, network = pipeline_of(spec), network_of(spec)
    try:
        if program_of(spec) is not None:
            _check_program(spec)
        if pipeline is None and network is None:
            return
        interface = read_interface(spec)
        _check_interface(interface)
        if network is not None:
            _check_network(spec, network, interface)
    except InvalidModelError as error:
        raise _at(error, stage) from error
    if pipeline is not None:
        _check_pipeline(pipeline, interface, stage, depth)


def _at(error: InvalidModelError, stage: str) -> InvalidModelError:
    place = ", ".join(part for part in (stage, error.where) if part)
    return InvalidModelError(error.what, where=place or None, fix=error.fix)


def _no_model(spec: Any, stage: str) -> Exception:
    # Kinds of models have field numbers from 200 (Model.proto).
    unknown = _unknown_fields(spec, 200)
    if unknown:
        return UnsupportedModelError(
            f"the model is of a kind that is not known here (field {unknown[0]}, "
            f"specification version {spec.specificationVersion}; known are versions up to "
            f"{NEWEST_SPECIFICATION_VERSION})",
            where=stage or None,
        )
    return InvalidModelError("the specification holds no model", where=stage or None)


def _unknown_fields(message: Any, lowest: int) -> list[int]:
    unknown: Any = UnknownFieldSet(message)
    return [field.field_number for field in unknown if field.field_number >= lowest]


def _check_interface(interface: Interface) -> None:
    for features, side in ((interface.inputs, "input"), (interface.outputs, "output")):
        if not features:
            raise InvalidModelError(f"the model's description names no {side}")
        if any(not feature.name for feature in features):
            raise InvalidModelError(f"an {side} of the model's description has no name")
    check_features(interface.inputs, "input")
    check_features(interface.outputs, "output")
    outputs = [feature.name for feature in interface.outputs]
    for field, name in (
        ("predictedFeatureName", interface.predicted_feature_name),
        ("predictedProbabilitiesName", interface.predicted_probabilities_name),
    ):
        if name and name not in outputs:
            raise InvalidModelError(
                f"the description's {field} {name!r} is none of the outputs", fix=did_you_mean(name, outputs)
            )


def _check_program(spec: Any) -> None:
    validate_program(spec)
    for function in function_names(spec):
        interface = read_interface(spec, function)
        check_features(interface.inputs, "input")
        check_features(interface.outputs, "output")
        check_features(interface.states, "state")


def _check_pipeline(pipeline: Any, interface: Interface, stage: str, depth: int) -> None:
    if not pipeline.models:
        raise InvalidModelError("the pipeline holds no model", where=stage or None)
    known = {feature.name for feature in interface.inputs}
    for name, model in zip(stage_names(pipeline), pipeline.models, strict=True):
        place = ", ".join(part for part in (stage, f"stage {name!r}") if part)
        for feature in model.description.input:
            if feature.name not in known and not feature.type.isOptional:
                raise InvalidModelError(
                    f"neither the pipeline's inputs nor the models before give {feature.name!r}",
                    where=place,
                    fix=did_you_mean(feature.name, known),
                )
        _validate(model, place, depth + 1)
        known.update(feature.name for feature in model.description.output)
    for output in interface.outputs:
        if output.name not in known:
            raise InvalidModelError(
                f"no model of the pipeline makes the output {output.name!r}",
                where=stage or None,
                fix=did_you_mean(output.name, known),
            )


def _check_network(spec: Any, network: Any, interface: Interface) -> None:
    if not network.layers:
        raise InvalidModelError("the network has no layers")
    _check_layers(network)
    _check_preprocessing(network, interface)
    if spec.WhichOneof("Type") == "neuralNetworkClassifier":
        _check_classifier(interface)


def _check_layers(network: Any, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidModelError(f"branches and loops are nested more than {_MAX_DEPTH} deep")
    for index, layer in enumerate(network.layers):
        kind = layer.WhichOneof("layer")
        if kind is None:
            raise _unknown_layer(layer, index)
        for field in NESTED_NETWORKS.get(kind, ()):
            _check_layers(getattr(getattr(layer, kind), field), depth + 1)


def _unknown_layer(layer: Any, index: int) -> Exception:
    where = f"layer {layer.name!r}" if layer.name else f"layer number {index + 1}"
    # Layer types have field numbers from 100 (NeuralNetwork.proto).
    numbers = _unknown_fields(layer, 100)
    if not numbers:
        return InvalidModelError("the layer has no type", where=where)
    return UnsupportedModelError(
        f"the layer is of an unknown layer type (field {numbers[0]}), newer than specification version "
        f"{NEWEST_SPECIFICATION_VERSION} or damaged",
        where=where,
    )


def _check_preprocessing(network: Any, interface: Interface) -> None:
    images = [feature.name for feature in interface.inputs if isinstance(feature, ImageFeature)]
    for step in network.preprocessing:
        if step.featureName and step.featureName not in images:
            raise InvalidModelError(
                f"the network preprocesses {step.featureName!r}, which is no image input",
                fix=did_you_mean(step.featureName, images),
            )


def _check_classifier(interface: Interface) -> None:
    labels = interface.class_labels
    if not labels:
        raise InvalidModelError("the classifier has no class labels")
    by_name: dict[str, Feature] = {feature.name: feature for feature in interface.outputs}
    label = by_name.get(interface.predicted_feature_name)
    texts = isinstance(labels[0], str)
    fits = isinstance(label, StringFeature) if texts else isinstance(label, ScalarFeature) and label.dtype == "int64"
    if label is not None and not fits:
        raise InvalidModelError(
            f"the class labels are {'texts' if texts else 'integers'}, the description gives another type",
            where=f"output {label.name!r}",
        )
    probabilities = by_name.get(interface.predicted_probabilities_name)
    if isinstance(probabilities, DictionaryFeature) and (probabilities.key_type == "string") != texts:
        raise InvalidModelError(
            f"the class labels are {'texts' if texts else 'integers'} but the keys of the probabilities are "
            f"{probabilities.key_type}",
            where=f"output {probabilities.name!r}",
        )
