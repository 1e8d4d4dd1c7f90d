"""Counts of layers, weights, custom layers and stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_models import SMALL_MODELS, add_layer, image_classifier, pipeline, vector_regressor

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.layer_summary import LayerSummary, WeightTotal
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.summary import summarize


def test_a_classifier() -> None:
    spec = image_classifier()
    spec.description.metadata.author = "A. Author"
    spec.description.metadata.userDefined["trained on"] = "animals"
    found = summarize(spec)
    assert (found.kind, found.specification_version) == ("neuralNetworkClassifier", 3)
    assert found.class_labels == 3 and not found.updatable and not found.stages
    assert found.metadata.author == "A. Author" and found.metadata.user_defined == {"trained on": "animals"}
    assert [feature.name for feature in found.inputs] == ["image"]
    assert [feature.name for feature in found.outputs] == ["label", "scores"]
    assert [layer.name for layer in found.layers] == ["conv", "norm", "relu", "pool", "flat", "fc", "softmax"]
    assert found.layer_types == dict.fromkeys(
        ("convolution", "batchnorm", "activation", "pooling", "flatten", "innerProduct", "softmax"), 1
    )


def test_weights_by_storage() -> None:
    found = summarize(image_classifier())
    # 108 codes of 4 bits and a table of 16 floats; 4 halves of bias.
    assert found.layers[0] == LayerSummary(
        name="conv",
        type="convolution",
        inputs=("image",),
        outputs=("features",),
        weights={"lookup table 4 bits": WeightTotal(1, 108, 54 + 64), "float16": WeightTotal(1, 4, 8)},
    )
    assert found.layers[0].total == WeightTotal(2, 112, 126)
    assert found.weights == {
        "lookup table 4 bits": WeightTotal(1, 108, 118),
        "float16": WeightTotal(1, 4, 8),
        "float32": WeightTotal(4, 16, 64),
        # 108 codes of 8 bits, three scales and three biases
        "linear 8 bits": WeightTotal(1, 108, 108 + 24),
    }
    assert found.total == WeightTotal(7, 236, 322)


def test_one_bit_is_singular() -> None:
    spec = vector_regressor()
    params = spec.neuralNetworkRegressor.layers[-1].innerProduct.weights
    params.Clear()
    params.rawValue, params.quantization.numberOfBits = b"\xf0", 1
    params.quantization.linearQuantization.scale.append(1)
    assert "linear 1 bit" in summarize(spec).weights


def test_a_pipeline_and_its_stages() -> None:
    found = summarize(pipeline())
    assert list(found.stages) == ["features", "decision"]
    assert found.stages["decision"].kind == "neuralNetworkClassifier"
    assert not found.layers and found.class_labels == 2
    assert found.weights == {"float32": WeightTotal(2, 12 + 6, 72)}


def test_stages_without_names_are_numbered_and_equal_names_told_apart() -> None:
    spec = pipeline()
    del spec.pipelineClassifier.pipeline.names[:]
    assert list(summarize(spec).stages) == ["stage 1", "stage 2"]
    spec.pipelineClassifier.pipeline.names.extend(["same", "same", "of none"])
    assert list(summarize(spec).stages) == ["same", "same (2)"]


def test_custom_layers_with_their_parameters() -> None:
    spec = vector_regressor()
    custom = add_layer(spec.neuralNetworkRegressor, "twist", "x", "y2").custom
    custom.className, custom.description = "Twist", "turns it round"
    custom.parameters["angle"].doubleValue = 0.5
    custom.parameters["times"].intValue = 3
    custom.parameters["count"].longValue = 2**40
    custom.parameters["mode"].stringValue = "fast"
    custom.parameters["back"].boolValue = True
    custom.weights.add().rawValue = b"12345"
    (found,) = summarize(spec).custom_layers
    assert (found.layer, found.class_name, found.description) == ("twist", "Twist", "turns it round")
    assert found.parameters == {"angle": 0.5, "back": True, "count": 2**40, "mode": "fast", "times": 3}
    assert list(found.parameters) == sorted(found.parameters) and found.weights == 1
    assert summarize(spec).weights["raw bytes"].bytes == 5


def test_custom_layers_inside_stages_are_dependencies_too() -> None:
    spec = pipeline()
    network = spec.pipelineClassifier.pipeline.models[0].neuralNetwork
    add_layer(network, "twist", "x", "twisted").custom.className = "Twist"
    assert [layer.class_name for layer in summarize(spec).custom_layers] == ["Twist"]


def test_layers_inside_branches_are_listed() -> None:
    spec = vector_regressor()
    branch = add_layer(spec.neuralNetworkRegressor, "choice", "x", "z").branch
    add_layer(branch.ifBranch, "yes", "x", "z").activation.ReLU.SetInParent()
    assert [layer.name for layer in summarize(spec).layers][-2:] == ["choice", "yes"]


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_it_becomes_json(name: str) -> None:
    found = summarize(SMALL_MODELS[name]())
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [item["name"] for item in plain["inputs"]] == [feature.name for feature in found.inputs]
    assert {item["type"] for item in plain["inputs"]} <= {"image", "array"}
    assert plain["total"]["parameters"] == found.total.parameters
    assert list(plain["stages"]) == list(found.stages)


def test_a_feature_of_unknown_type_is_an_error() -> None:
    spec = image_classifier()
    spec.description.input[0].ClearField("type")
    with pytest.raises(InvalidModelError, match="no type"):
        summarize(spec)


def test_known_counts_of_shared_models(shared_data: Path) -> None:
    folder = shared_data / "coreml"
    squeezenet = summarize(read_spec(folder / "SqueezeNet_fp32.mlmodel"))
    # 1,235,496 parameters: torchvision's squeezenet1_1 has the same.
    assert squeezenet.weights == {"float32": WeightTotal(52, 1_235_496, 4 * 1_235_496)}
    assert len(squeezenet.layers) == 65 and squeezenet.class_labels == 1000
    eight_bits = summarize(read_spec(folder / "SqueezeNetInt8LUT.mlmodel"))
    assert list(eight_bits.weights) == ["lookup table 8 bits"]
    assert eight_bits.total.parameters == 1_235_496
    drawing = summarize(read_spec(folder / "UpdatableDrawingClassifier.mlmodel"))
    assert drawing.updatable and list(drawing.stages) == ["stage 1", "stage 2"]
    kraken = summarize(read_spec(folder / "kraken_overfit.mlmodel"))
    assert [layer.class_name for layer in kraken.custom_layers] == ["groupnorm", "groupnorm", "reshape"]


def test_the_bytes_of_the_weights_are_most_of_the_file(shared_data: Path) -> None:
    for path in (shared_data / "coreml").glob("SqueezeNet*.mlmodel"):
        share = summarize(read_spec(path)).total.bytes / path.stat().st_size
        # The rest is layer descriptions and a thousand labels, some 30 kB.
        assert 0.97 < share < 1, f"{path.name}: {share:.3f}"
