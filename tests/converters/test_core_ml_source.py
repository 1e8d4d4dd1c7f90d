"""Core ML models as the source of conversions: sizes, hooks, native custom layers, pipelines, both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mltoolkit as mlt
from mltoolkit.comparison.metrics import snr_db
from mltoolkit.converters.core_ml_source import CoreMLSource, import_core_ml
from mltoolkit.converters.hooks import HookedLayer, HookSet
from mltoolkit.converters.mil.target import ArrayInput, ImageInput, SizeRange
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.converters.native_custom_layers import native_form
from mltoolkit.custom_layers import CustomLayer, CustomLayerSet
from mltoolkit.errors import ConversionHookError, MissingCustomLayerError, UnsupportedLayersError, UnsupportedModelError
from mltoolkit.formats.features import ArrayFeature, ImageFeature
from mltoolkit.formats.protobuf import new_model
from mltoolkit.graph.builder import CUSTOM_DOMAIN, GraphBuilder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.partition import GraphRunner

FLOAT = 65568


def network(*layers: tuple[str, str], shape: Sequence[int] = (3, 10, 12), exact: bool = False) -> Any:
    """A network of layers (type, name) in a row, from ``x`` to ``y``; the caller fills their parameters."""
    spec = new_model()
    spec.specificationVersion = 4 if exact else 1
    spec.neuralNetwork.arrayInputShapeMapping = int(exact)
    for features, name in ((spec.description.input, "x"), (spec.description.output, "y")):
        array = features.add(name=name).type.multiArrayType
        array.dataType = FLOAT
        if name == "x":
            array.shape.extend(shape)
    blob = "x"
    for index, (kind, name) in enumerate(layers):
        made = "y" if index == len(layers) - 1 else name
        layer = spec.neuralNetwork.layers.add(name=name, input=[blob], output=[made])
        getattr(layer, kind).SetInParent()
        blob = made
    return spec


def convolve(layer: Any, channels: int, outputs: int, *, same: bool, stride: int = 2) -> None:
    params = layer.convolution
    params.kernelChannels, params.outputChannels, params.nGroups = channels, outputs, 1
    params.kernelSize.extend([3, 3])
    params.stride.extend([stride, stride])
    params.dilationFactor.extend([1, 1])
    if same:
        params.same.SetInParent()
    else:
        border = params.valid.paddingAmounts.borderAmounts
        for _ in range(2):
            border.add(startEdgeSize=1, endEdgeSize=1)
    weights = np.random.default_rng(channels).normal(0, 0.2, outputs * channels * 9)
    params.weights.floatValue.extend(weights.tolist())


def ranges(spec: Any, *limits: tuple[int, int]) -> Any:
    for lower, upper in limits:
        size = spec.description.input[0].type.multiArrayType.shapeRange.sizeRanges.add()
        size.lowerBound, size.upperBound = lower, upper
    return spec


def package_of(source: CoreMLSource, **target: Any) -> mlt.Model:
    written = write_core_ml(source.source, replace(source.target, format="mlpackage", **target))
    return mlt.Model(written.spec, weights_dir=written.weights_dir)


def agree(first: mlt.Model, second: mlt.Model, data: dict[str, Any], least: float = 90) -> None:
    expected, found = first.predict_raw(data), second.predict_raw(data)
    assert set(expected) == set(found)
    for name, values in expected.items():
        assert values.shape == found[name].shape
        decibels = snr_db(values.astype(np.float64), found[name].astype(np.float64))
        assert decibels >= least, f"{name}: {decibels:.1f} dB"


@pytest.mark.parametrize("same", [True, False], ids=["same padding", "explicit padding"])
def test_ranges_of_sizes(same: bool) -> None:
    spec = ranges(network(("convolution", "a"), ("convolution", "b")), (3, 3), (4, 40), (4, -1))
    convolve(spec.neuralNetwork.layers[0], 3, 5, same=same)
    convolve(spec.neuralNetwork.layers[1], 5, 2, same=same)
    source = import_core_ml(spec)
    assert source.notes == ()
    declared = source.target.inputs["x"]
    assert isinstance(declared, ArrayInput)
    assert declared.shape == [3, SizeRange(4, 40, 10), SizeRange(4, None, 12)]
    old, new = mlt.Model(spec), package_of(source)
    for height, width in ((10, 12), (4, 4), (40, 7), (13, 32)):
        x = np.random.default_rng(height).uniform(-1, 1, (3, height, width)).astype(np.float32)
        agree(old, new, {"x": x})
    feature = new.inputs[0]
    assert isinstance(feature, ArrayFeature)
    assert feature.allows((3, 40, 100)) and not feature.allows((3, 41, 10))


def test_enumerated_sizes() -> None:
    spec = network(("convolution", "a"))
    convolve(spec.neuralNetwork.layers[0], 3, 5, same=True)
    for shape in ((3, 10, 12), (3, 20, 9), (3, 7, 31)):
        spec.description.input[0].type.multiArrayType.enumeratedShapes.shapes.add().shape.extend(shape)
    source = import_core_ml(spec)
    old, new = mlt.Model(spec), package_of(source)
    feature = new.inputs[0]
    assert isinstance(feature, ArrayFeature)
    assert set(feature.shapes) == {(3, 10, 12), (3, 20, 9), (3, 7, 31)} and feature.shape == (3, 10, 12)
    for shape in feature.shapes:
        agree(old, new, {"x": np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)})


def test_sizes_of_pictures() -> None:
    spec = network(("convolution", "a"))
    convolve(spec.neuralNetwork.layers[0], 3, 3, same=True, stride=1)
    del spec.description.input[:]
    picture = spec.description.input.add(name="x").type.imageType
    picture.width, picture.height, picture.colorSpace = 12, 10, 30
    picture.imageSizeRange.widthRange.lowerBound, picture.imageSizeRange.widthRange.upperBound = 6, 50
    picture.imageSizeRange.heightRange.lowerBound, picture.imageSizeRange.heightRange.upperBound = 6, -1
    scaler = spec.neuralNetwork.preprocessing.add().scaler
    scaler.channelScale, scaler.redBias, scaler.blueBias = 1 / 128, -1, 0.5
    source = import_core_ml(spec)
    declared = source.target.inputs["x"]
    assert isinstance(declared, ImageInput)
    assert (declared.color, declared.size) == ("BGR", (SizeRange(6, None, 10), SizeRange(6, 50, 12)))
    old, new = mlt.Model(spec), package_of(source)
    feature = new.inputs[0]
    assert isinstance(feature, ImageFeature) and feature.color_space == "BGR" and feature.allows(50, 700)
    for height, width in ((10, 12), (31, 50)):
        pixels = np.random.default_rng(2).integers(0, 256, (height, width, 3)).astype(np.uint8)
        agree(old, new, {"x": pixels})


def test_what_depends_on_the_size_is_made_for_one() -> None:
    spec = ranges(network(("innerProduct", "a")), (3, 3), (2, 40), (12, 12))
    params = spec.neuralNetwork.layers[0].innerProduct
    params.inputChannels, params.outputChannels = 3 * 10 * 12, 4
    params.weights.floatValue.extend(np.random.default_rng(0).normal(size=4 * 360).tolist())
    source = import_core_ml(spec)
    assert "no other input size works" in source.notes[0]
    feature = package_of(source).inputs[0]
    assert isinstance(feature, ArrayFeature) and feature.shape == (3, 10, 12) and not feature.flexible


def test_given_shapes_are_the_only_ones() -> None:
    spec = ranges(network(("convolution", "a")), (3, 3), (4, 40), (4, 40))
    convolve(spec.neuralNetwork.layers[0], 3, 5, same=True)
    feature = package_of(import_core_ml(spec, input_shapes={"x": (3, 9, 9)})).inputs[0]
    assert isinstance(feature, ArrayFeature) and feature.shape == (3, 9, 9) and not feature.flexible


def test_optional_inputs_and_texts(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "activity_lstm_mariozusag.mlmodel")
    source = import_core_ml(model.spec)
    package = package_of(source)
    assert [feature.optional for feature in package.inputs] == [False, True, True, True, True]
    x = np.random.default_rng(3).uniform(-1, 1, 1500).astype(np.float32)
    # An ML Program's names are identifiers.
    expected, found = model.predict({"sensor-data": x}), package.predict({"sensor_data": x})
    assert expected["classLabel"] == found["classLabel"]
    written = package.spec.description.metadata
    assert (written.author, written.license) == (
        model.spec.description.metadata.author,
        model.spec.description.metadata.license,
    )


class Twice(CustomLayer):
    """2 · x."""

    class_name = "Twice"

    def output_shapes(self, input_shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return [inputs[0] * self.parameters["factor"]]


def custom_network() -> Any:
    spec = network(("custom", "first"), ("custom", "second"), ("activation", "third"), shape=(3, 4, 5))
    for layer in spec.neuralNetwork.layers[:2]:
        layer.custom.className, layer.custom.description = "Twice", "doubles"
        layer.custom.parameters["factor"].doubleValue = 2
        layer.custom.weights.add().floatValue.extend([1, 2, 3])
    spec.neuralNetwork.layers[2].activation.softsign.SetInParent()
    return spec


def twice(layer: HookedLayer) -> Any:
    assert layer.config == {"factor": 2.0} and layer.weights[0].tolist() == [1, 2, 3]
    assert layer.input_shapes[0] == (1, 3, 4, 5) and layer.class_name == "Twice"
    return layer.builder.op("Add", layer.inputs[0], layer.inputs[0])


@pytest.mark.parametrize("key", ["Twice", "by name"])
def test_hooks_make_custom_layers_native(key: str) -> None:
    spec = custom_network()
    hooks: Any = {"Twice": twice} if key == "Twice" else {"first": twice, "second": twice}
    # Without a Python class: nothing else knows the layer.
    package = package_of(import_core_ml(spec, hooks=HookSet(hooks)))
    agree(mlt.Model(spec, custom_layers=[Twice]), package, {"x": np.linspace(-3, 3, 60).reshape(3, 4, 5)})


def test_hooks_for_layers_of_the_format() -> None:
    spec = network(("activation", "soft"), shape=(3, 4, 5))
    spec.neuralNetwork.layers[0].activation.softsign.SetInParent()
    seen: list[HookedLayer] = []

    def hook(layer: HookedLayer) -> Any:
        seen.append(layer)
        return layer.builder.op("Softsign", layer.inputs[0])

    agree(
        mlt.Model(spec),
        package_of(import_core_ml(spec, hooks=HookSet({"activation": hook}))),
        {"x": np.ones((3, 4, 5))},
    )
    assert (seen[0].class_name, seen[0].output_shapes) == ("activation", [(1, 3, 4, 5)])
    spec = network(("innerProduct", "dense"), shape=(3, 4, 5))
    params = spec.neuralNetwork.layers[0].innerProduct
    params.inputChannels, params.outputChannels = 60, 2
    params.weights.floatValue.extend(range(120))
    seen.clear()

    def dense(layer: HookedLayer) -> Any:
        seen.append(layer)
        raise ValueError("no such luck")

    with pytest.raises(ConversionHookError, match="no such luck") as caught:
        import_core_ml(spec, hooks=HookSet({"innerProduct": dense}))
    assert isinstance(caught.value.__cause__, ValueError)
    assert seen[0].config["outputChannels"] == 2 and seen[0].weights[0].shape == (2, 60)


def test_hooks_may_describe_custom_layers() -> None:
    spec = custom_network()

    def describe(layer: HookedLayer) -> mlt.CustomLayerDescription:
        return mlt.CustomLayerDescription("Thrice", "triples", {"factor": 3.0}, layer.weights, [(1, 3, 4, 5)])

    source = import_core_ml(spec, hooks=HookSet({"first": describe}), custom_layers=CustomLayerSet([Twice]))
    written = write_core_ml(source.source, replace(source.target, format="mlmodel"))
    layers = [layer for layer in written.spec.neuralNetwork.layers if layer.WhichOneof("layer") == "custom"]
    assert [(layer.custom.className, layer.custom.description) for layer in layers] == [
        ("Thrice", "triples"),
        ("Twice", "doubles"),
    ]
    assert [layer.custom.parameters["factor"].doubleValue for layer in layers] == [3, 2]
    assert list(layers[0].custom.weights[0].floatValue) == [1, 2, 3]

    class Thrice(Twice):
        class_name = "Thrice"

    x = np.linspace(-3, 3, 60).reshape(3, 4, 5).astype(np.float32)
    found = mlt.Model(written.spec, custom_layers=[Twice, Thrice]).predict({"x": x})["y"]
    np.testing.assert_allclose(found, 6 * x / (1 + np.abs(6 * x)), rtol=1e-5)


def test_custom_layers_have_no_place_in_a_package() -> None:
    spec = custom_network()
    with pytest.raises(MissingCustomLayerError, match="'Twice' has no Python class"):
        import_core_ml(spec)
    source = import_core_ml(spec, custom_layers=CustomLayerSet([Twice]))
    with pytest.raises(UnsupportedLayersError, match="custom layers exist in neural networks only") as caught:
        package_of(source)
    assert [layer.name for layer in caught.value.layers] == ["first", "second"]


def native_case(class_name: str) -> tuple[dict[str, Any], list[Any], list[tuple[int, ...]]]:
    """Parameters, weights and input shapes with which a shipped layer has a native form."""
    rng = np.random.default_rng(5)
    factors = [rng.normal(size=6).astype(np.float32), rng.normal(size=6).astype(np.float32)]
    cases: dict[str, tuple[dict[str, Any], list[Any], list[tuple[int, ...]]]] = {
        "Swish": ({"beta": 1.5}, [], [(1, 6, 4, 5)]),
        "Mish": ({}, [], [(1, 6, 4, 5)]),
        "dropout": ({"prob": 0.5}, [], [(1, 6, 4, 5)]),
        "GroupNorm": ({"num_groups": 3, "epsilon": 1e-3}, [], [(2, 6, 4, 5)]),
        "groupnorm": ({"num_groups": 2}, factors, [(1, 6, 4, 5)]),
        "reshape": ({"src_dim": 2, "part_a": -1, "part_b": 2, "high": 1, "low": 2}, [], [(1, 6, 4, 5)]),
        "GridSampleLayer": ({"padding_mode": "border"}, [], [(2, 3, 7, 8), (2, 2, 4, 5)]),
        "GridSampler": (
            {"output_height": 5, "output_width": 4, "align_corners": False},
            [],
            [(2, 3, 7, 8), (2, 6, 1, 1)],
        ),
    }
    return cases[class_name]


@pytest.mark.parametrize(
    "class_name", ["Swish", "Mish", "dropout", "GroupNorm", "groupnorm", "reshape", "GridSampleLayer", "GridSampler"]
)
def test_native_forms_equal_the_layers(class_name: str) -> None:
    parameters, weights, shapes = native_case(class_name)
    builder = GraphBuilder("native")
    values = [builder.input(f"x{index}", np.float32, shape) for index, shape in enumerate(shapes)]
    layer = HookedLayer(class_name, class_name, "", parameters, weights, shapes, [None], None, values, builder)
    form = native_form(class_name, CustomLayerSet())
    assert form is not None
    result = form(layer)
    assert result is not None
    output = builder.op("Identity", result, name="y")
    rng = np.random.default_rng(6)
    inputs = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    graph = ModelGraph(builder.finish([output]), mlt.Model(network(("activation", "a"))).interface)
    feeds = {f"x{index}": array for index, array in enumerate(inputs)}
    found = GraphRunner(graph).run(feeds)["y"]
    python = CustomLayerSet().find(class_name, "")(parameters, weights)
    # As the runtime gives them to Python: [Sequence, Batch, C, H, W].
    expected = python.evaluate([array[None] for array in inputs])[0][0]
    decibels = snr_db(expected.astype(np.float64), found.astype(np.float64))
    assert found.shape == expected.shape and decibels >= 90, f"{decibels:.1f} dB"


def test_parameters_without_a_native_form() -> None:
    parameters, weights, shapes = native_case("GridSampler")
    form = native_form("GridSampler", CustomLayerSet())
    builder = GraphBuilder("native")
    values = [builder.input(f"x{index}", np.float32, shape) for index, shape in enumerate(shapes)]
    for changed in ({"convention": "stn_keras"}, {"output_width": 1}):
        layer = HookedLayer(
            "g", "GridSampler", "", parameters | changed, weights, shapes, [None], None, values, builder
        )
        assert form is not None and form(layer) is None


def test_the_callers_own_class_means_another_layer() -> None:
    class Swish(Twice):
        class_name = "Swish"

    assert native_form("Swish", CustomLayerSet([Swish])) is None
    assert native_form("Twice", CustomLayerSet([Twice])) is None


# Name → least agreement with the source in dB. Where operators stand for Python, sums have another order.
UPGRADES = {
    "DeepLabV3Int8LUT.mlmodel": 100,
    "FNS-Candy.mlmodel": 100,
    "MNIST_ph1ps.mlmodel": 100,
    "NeuralMcNeuralNet_custom_swish.mlmodel": 100,
    "SqueezeNetFP16.mlmodel": 100,
    "SqueezeNetInt8LUT.mlmodel": 100,
    "grid_sample_custom_layer.mlmodel": 90,
    "kraken_blla.mlmodel": 80,
    "kraken_overfit.mlmodel": 90,
    "pose_cpm.mlmodel": 100,
}


@pytest.mark.parametrize("name", UPGRADES)
def test_published_networks_upgrade(shared_data: Path, tmp_path: Path, name: str) -> None:
    old = mlt.load(shared_data / "coreml" / name)
    new = package_of(import_core_ml(old.spec, native_layers=True))
    new.save(tmp_path / "new.mlpackage")
    new = mlt.load(tmp_path / "new.mlpackage")
    rng = np.random.default_rng(0)
    data: dict[str, Any] = {}
    for feature in new.inputs:
        if isinstance(feature, ImageFeature):
            data[feature.name] = rng.integers(0, 256, (feature.height, feature.width, 3)).astype(np.uint8)
        else:
            assert isinstance(feature, ArrayFeature)
            data[feature.name] = rng.uniform(-1, 1, feature.shape).astype(np.float32)
    agree(old, new, data, UPGRADES[name])
    assert [feature.name for feature in old.inputs] == [feature.name for feature in new.inputs]
    assert {feature.name for feature in old.outputs} == {feature.name for feature in new.outputs}
    assert old.class_labels == new.class_labels
    weights = old.summary().total.bytes
    stored = new.summary().total.bytes
    # Very small networks: 64 bytes for every record of a weight file.
    assert stored <= 1.05 * weights + 2000, f"{stored} bytes of weights, {weights} in the source"


def test_a_program_becomes_a_network(shared_data: Path) -> None:
    old = mlt.load(shared_data / "coreml" / "basic_pitch_nmp.mlpackage")
    source = import_core_ml(old.spec, weights=old._weights)
    written = write_core_ml(source.source, replace(source.target, format="mlmodel"))
    assert written.spec.WhichOneof("Type") == "neuralNetwork" and written.spec.specificationVersion <= 5
    x = np.random.default_rng(0).uniform(-1, 1, (1, 43844, 1)).astype(np.float32)
    # log(x + ε) of small x magnifies the order of sums.
    agree(old, mlt.Model(written.spec), {"input_2": x}, 80)


def test_states_are_refused() -> None:
    from mil_programs import counter

    with pytest.raises(UnsupportedModelError, match=r"keeps .* from one prediction to the next.*export_onnx"):
        import_core_ml(counter())


def test_custom_nodes_are_described() -> None:
    source = import_core_ml(custom_network(), custom_layers=CustomLayerSet([Twice]))
    nodes = [node.name for node in source.source.model.graph if node.domain == CUSTOM_DOMAIN]
    assert list(source.source.custom_layers) == nodes and len(nodes) == 2
    description = source.source.custom_layers[nodes[0] or ""]
    assert (description.class_name, description.parameters) == ("Twice", {"factor": 2.0})
