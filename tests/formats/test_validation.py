"""Models that contradict themselves are refused before anything is converted or allocated."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_models import SMALL_MODELS, add_layer, image_classifier, image_filter, pipeline, vector_regressor

from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.size_limits import MAX_ELEMENTS
from mltoolkit.formats.validation import validate_spec


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_sound_models_pass(name: str) -> None:
    validate_spec(SMALL_MODELS[name]())


def test_shared_models_pass(shared_data: Path) -> None:
    for path in sorted((shared_data / "coreml").iterdir()):
        validate_spec(read_spec(path))


def first_input(spec: Any) -> Any:
    return spec.description.input[0].type


def set_image(spec: Any, width: int, height: int) -> None:
    first_input(spec).imageType.width, first_input(spec).imageType.height = width, height


def set_shape(spec: Any, *shape: int) -> None:
    del first_input(spec).multiArrayType.shape[:]
    first_input(spec).multiArrayType.shape.extend(shape)


def set_range(spec: Any, lower: int, upper: int) -> None:
    size = first_input(spec).imageType.imageSizeRange.widthRange
    size.lowerBound, size.upperBound = lower, upper


def add_range(spec: Any, lower: int, upper: int) -> None:
    first_input(spec).multiArrayType.shapeRange.sizeRanges.add(lowerBound=lower, upperBound=upper)


def rename_first(features: Any, name: str) -> None:
    features[0].name = name


def clear(message: Any, field: str) -> None:
    message.ClearField(field)


def relabel(spec: Any, field: str, labels: list[Any]) -> None:
    getattr(spec.neuralNetworkClassifier, field).vector.extend(labels)


def text_keys(spec: Any) -> None:
    spec.description.output[1].type.dictionaryType.int64KeyType.SetInParent()


def disconnect(spec: Any) -> None:
    first = spec.pipelineClassifier.pipeline.models[0]
    first.description.output[0].name = "hiden"


CLASSIFIER, FILTER, REGRESSOR, PIPELINE = image_classifier, image_filter, vector_regressor, pipeline
# Builder of a sound model, what damages it, the message, and the place it names.
DAMAGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], str, str | None]] = {
    "no inputs": (CLASSIFIER, lambda s: clear(s.description, "input"), "names no input", None),
    "no outputs": (CLASSIFIER, lambda s: clear(s.description, "output"), "names no output", None),
    "nameless input": (REGRESSOR, lambda s: rename_first(s.description.input, ""), "no name", None),
    "two inputs of one name": (
        REGRESSOR,
        lambda s: rename_first(s.description.input, "y"),
        "two of the model's inputs have the name 'y'",
        None,
    ),
    "input without type": (REGRESSOR, lambda s: clear(s.description.input[0], "type"), "no type", None),
    "picture without size": (CLASSIFIER, lambda s: set_image(s, 0, 8), "given as 0×8", "input 'image'"),
    "negative picture": (CLASSIFIER, lambda s: set_image(s, 8, -8), "given as 8×-8", "input 'image'"),
    "huge picture": (CLASSIFIER, lambda s: set_image(s, 10**6, 10**6), "3,000,000,000,000", "input 'image'"),
    "empty range": (FILTER, lambda s: set_range(s, 9, 8), r"9\.\.8 is empty", "input 'image'"),
    "negative shape": (REGRESSOR, lambda s: set_shape(s, -4), r"given as \(-4,\)", "input 'x'"),
    "huge array": (REGRESSOR, lambda s: set_shape(s, *[2**62] * 5), "limit here", "input 'x'"),
    "huge open array": (REGRESSOR, lambda s: set_shape(s, 0, 2**40), "limit here", "input 'x'"),
    "array of high rank": (REGRESSOR, lambda s: set_shape(s, *[1] * 33), "more than 32", "input 'x'"),
    "empty array range": (REGRESSOR, lambda s: add_range(s, 5, 4), r"5\.\.4 is empty", "input 'x'"),
    "unknown label output": (
        CLASSIFIER,
        lambda s: setattr(s.description, "predictedFeatureName", "lable"),
        r"predictedFeatureName 'lable' is none of the outputs\. Did you mean 'label'",
        None,
    ),
    "unknown probabilities output": (
        CLASSIFIER,
        lambda s: setattr(s.description, "predictedProbabilitiesName", "score"),
        r"predictedProbabilitiesName 'score'.*Did you mean 'scores'",
        None,
    ),
    "no labels": (
        CLASSIFIER,
        lambda s: clear(s.neuralNetworkClassifier, "stringClassLabels"),
        "no class labels",
        None,
    ),
    "empty labels": (CLASSIFIER, lambda s: relabel(s, "int64ClassLabels", []), "no class labels", None),
    "labels of another type": (
        CLASSIFIER,
        lambda s: relabel(s, "int64ClassLabels", [1, 2, 3]),
        "labels are integers",
        "output 'label'",
    ),
    "keys of another type": (CLASSIFIER, text_keys, "labels are texts but the keys", "output 'scores'"),
    "no layers": (REGRESSOR, lambda s: clear(s.neuralNetworkRegressor, "layers"), "no layers", None),
    "layer without type": (
        REGRESSOR,
        lambda s: clear(s.neuralNetworkRegressor.layers[1], "scale"),
        "no type",
        "layer 'scale'",
    ),
    "preprocessing of an unknown input": (
        CLASSIFIER,
        lambda s: setattr(s.neuralNetworkClassifier.preprocessing[0], "featureName", "imag"),
        r"preprocesses 'imag', which is no image input\. Did you mean 'image'",
        None,
    ),
    "preprocessing of an array": (
        REGRESSOR,
        lambda s: s.neuralNetworkRegressor.preprocessing.add(featureName="x"),
        "preprocesses 'x', which is no image input",
        None,
    ),
    "empty pipeline": (
        PIPELINE,
        lambda s: clear(s.pipelineClassifier.pipeline, "models"),
        "holds no model",
        None,
    ),
    "stages that do not connect": (
        PIPELINE,
        disconnect,
        r"neither the pipeline's inputs nor the models before give 'hidden'.*Did you mean 'hiden'",
        "stage 'decision'",
    ),
    "output that no stage makes": (
        PIPELINE,
        lambda s: s.description.output.add(name="labels").type.int64Type.SetInParent(),
        r"no model of the pipeline makes the output 'labels'.*Did you mean 'label'",
        None,
    ),
    "stage without model": (
        PIPELINE,
        lambda s: clear(s.pipelineClassifier.pipeline.models[1], "neuralNetworkClassifier"),
        "holds no model",
        "stage 'decision'",
    ),
    "damage inside a stage": (
        PIPELINE,
        lambda s: clear(s.pipelineClassifier.pipeline.models[0].neuralNetwork.layers[0], "innerProduct"),
        "no type",
        "stage 'features', layer 'fc1'",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_placed(damage: str) -> None:
    build, change, message, where = DAMAGES[damage]
    spec = build()
    change(spec)
    with pytest.raises(InvalidModelError, match=message) as caught:
        validate_spec(spec)
    assert caught.value.where == where


def test_nothing_is_allocated_for_absurd_sizes() -> None:
    spec = image_classifier()
    set_image(spec, 2**31, 2**31)
    tracemalloc.start()
    with pytest.raises(InvalidModelError):
        validate_spec(spec)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20, f"{peak} bytes"


def test_the_limit_counts_all_inputs_together() -> None:
    spec = vector_regressor()
    half = MAX_ELEMENTS // 2
    for feature, size in zip(spec.description.input, (half, half), strict=True):
        feature.type.multiArrayType.shape[:] = [size]
    validate_spec(spec)
    spec.description.input[1].type.multiArrayType.shape[:] = [half + 1]
    with pytest.raises(InvalidModelError, match=f"{MAX_ELEMENTS + 1:,} elements of input") as caught:
        validate_spec(spec)
    assert caught.value.where == "input 'y'"


def test_enumerated_sizes_count_and_unbounded_ranges_do_not() -> None:
    spec = image_filter()
    first_input(spec).imageType.imageSizeRange.heightRange.upperBound = -1
    validate_spec(spec)
    spec.description.input[0].type.imageType.enumeratedSizes.sizes.add(width=10**5, height=10**5)
    with pytest.raises(InvalidModelError, match="limit here"):
        validate_spec(spec)


def test_a_picture_may_leave_its_size_to_the_enumerated_ones() -> None:
    spec = image_filter()
    set_image(spec, 0, 0)
    validate_spec(spec)
    first_input(spec).imageType.ClearField("imageSizeRange")
    with pytest.raises(InvalidModelError, match="given as 0×0"):
        validate_spec(spec)


def test_optional_inputs_of_a_stage_need_not_be_made() -> None:
    spec = pipeline()
    stage = spec.pipelineClassifier.pipeline.models[1].description
    added = stage.input.add(name="extra")
    added.CopyFrom(stage.input[0])
    added.name = "extra"
    with pytest.raises(InvalidModelError, match="give 'extra'"):
        validate_spec(spec)
    added.type.isOptional = True
    validate_spec(spec)


def nested(depth: int) -> Any:
    spec = pipeline()
    for _ in range(depth):
        outer = new_model()
        outer.description.CopyFrom(spec.description)
        outer.pipeline.models.add().CopyFrom(spec)
        spec = outer
    return spec


def test_pipelines_may_be_nested_but_not_without_end() -> None:
    validate_spec(nested(5))
    with pytest.raises(InvalidModelError, match="nested more than 16 deep"):
        validate_spec(nested(40))


@pytest.mark.parametrize("depth", [5, 60])
def test_branches_and_loops_may_be_nested_but_not_without_end(depth: int) -> None:
    spec = vector_regressor()
    network = spec.neuralNetworkRegressor
    for level in range(depth):
        layer = add_layer(network, f"level {level}", "x", "value")
        network = layer.branch.ifBranch if level % 2 else layer.loop.bodyNetwork
    add_layer(network, "inner", "x", "value").activation.ReLU.SetInParent()
    if depth == 5:
        validate_spec(spec)
        clear(network.layers[0], "activation")
    with pytest.raises(InvalidModelError, match="no type" if depth == 5 else "nested more than 16 deep"):
        validate_spec(spec)


def test_an_unknown_layer_type_tells_its_field_number() -> None:
    spec = vector_regressor()
    layer = spec.neuralNetworkRegressor.layers[1]
    layer.ClearField("scale")
    layer.MergeFromString(bytes([0xBA, 0xBB, 0x01, 0x02, 0x08, 0x01]))  # field 2999, a message
    with pytest.raises(UnsupportedModelError, match=r"unknown layer type \(field 2999\)") as caught:
        validate_spec(spec)
    assert caught.value.where == "layer 'scale'"
    layer.name = ""
    with pytest.raises(UnsupportedModelError) as caught:
        validate_spec(spec)
    assert caught.value.where == "layer number 2"


def test_an_unknown_kind_of_model_tells_its_field_number() -> None:
    spec = new_model()
    with pytest.raises(InvalidModelError, match="holds no model"):
        validate_spec(spec)
    spec.specificationVersion = 12
    spec.MergeFromString(bytes([0x82, 0xFA, 0x01, 0x00]))  # field 4000, a message
    with pytest.raises(UnsupportedModelError, match=r"field 4000, specification version 12; known are .* 10"):
        validate_spec(spec)


@pytest.mark.parametrize("kind", ["glmRegressor", "treeEnsembleClassifier", "kNearestNeighborsClassifier"])
def test_other_kinds_of_models_are_left_to_those_who_run_them(kind: str) -> None:
    spec = new_model()
    getattr(spec, kind).SetInParent()
    validate_spec(spec)
