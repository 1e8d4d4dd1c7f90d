"""Keras models through the front door: objects and files, pictures, hooks, batches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.errors import ConversionHookError, ModelFileError, UnsupportedLayersError, VerificationError
from mltoolkit.formats.features import ArrayFeature, ImageFeature

keras = pytest.importorskip("keras")
layers = keras.layers
FORMATS = ("mlmodel", "mlpackage")


def small_network() -> Any:
    keras.utils.set_random_seed(0)
    picture = keras.Input((8, 10, 3), name="picture")
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(picture)
    y = layers.MaxPooling2D(name="pool")(y)
    y = layers.Flatten(name="flat")(y)
    return keras.Model(picture, layers.Dense(3, activation="softmax", name="probs")(y), name="small")


def report_of(model: mlt.Model) -> mlt.ConversionReport:
    assert model.conversion_report is not None
    return model.conversion_report


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"])
def test_objects_and_files(tmp_path: Path, suffix: str, format: str) -> None:
    source = small_network()
    if suffix:
        path = tmp_path / f"small{suffix}"
        source.save(path)
        source = path
    model = mlt.convert(source, format=format)
    report = report_of(model)
    assert report.verified is True
    assert {check.stages for check in report.checks} == {"source = hub", "source = file"}
    assert report.source_kind == "Keras" and report.layers_in >= 4
    (feature,) = model.inputs
    assert isinstance(feature, ArrayFeature)
    assert feature.shape == (1, 8, 10, 3), "arrays keep Keras' own axes"


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_with_labels(format: str) -> None:
    source = small_network()
    model = mlt.convert(
        source,
        format=format,
        inputs={"picture": mlt.ImageInput(scale=1 / 127.5, bias=-1, color="BGR")},
        class_labels=["a", "b", "c"],
    )
    assert report_of(model).verified is True
    (picture,) = model.inputs
    assert isinstance(picture, ImageFeature)
    assert (picture.width, picture.height) == (10, 8)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    expected = keras.ops.convert_to_numpy(source(pixels[None, ..., ::-1] / np.float32(127.5) - 1))[0]
    prediction = model.predict({"picture": pixels})
    assert prediction["classLabel"] == "abc"[int(expected.argmax())]
    told = prediction[str(model.predicted_probabilities_name)]
    np.testing.assert_allclose([told[label] for label in "abc"], expected, atol=1e-5)  # float32 sums


def test_batches_on_request() -> None:
    for batch in (4, mlt.SizeRange(1, 4)):
        model = mlt.convert(small_network(), inputs={"picture": (batch, 8, 10, 3)})
        assert report_of(model).verified is True
        (feature,) = model.inputs
        assert isinstance(feature, ArrayFeature)
        assert feature.allows((4, 8, 10, 3))


def test_a_fixed_batch_reaches_custom_layers() -> None:
    x = keras.Input((6, 5, 2), name="x")
    source = keras.Model(x, layers.ReLU(name="relu")(layers.LeakyReLU(name="leaky")(x)))

    def as_custom_layer(layer: Any) -> mlt.CustomLayerDescription:
        assert layer.output_shapes == [(3, 2, 6, 5)]
        return mlt.CustomLayerDescription("Leaky")

    inputs = {"x": (3, 6, 5, 2)}
    model = mlt.convert(source, inputs=inputs, custom_conversion_functions={"leaky": as_custom_layer}, verify=False)
    (feature,) = model.outputs
    assert isinstance(feature, ArrayFeature)
    assert feature.shape == (3, 6, 5, 2)


def test_open_sizes_are_tried_until_the_source_runs() -> None:
    x = keras.Input((None, None, 2), name="x")
    y = layers.Conv2D(2, 3, strides=40, name="first")(x)  # 64 × 64 leave nothing for the second
    source = keras.Model(x, layers.Conv2D(2, 3, name="second")(y))
    model = mlt.convert(source)
    (feature,) = model.inputs
    assert isinstance(feature, ArrayFeature)
    assert feature.shape == (1, 224, 224, 2)
    assert report_of(model).verified is True


@keras.saving.register_keras_serializable("front_test")
class GridSampler(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Turns its feature map upside down; no converter knows it."""

    def __init__(self, strength: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        self.strength = strength

    def call(self, x: Any) -> Any:
        import torch

        return torch.flip(x, [1]) * self.strength  # what runs here, but has no symbolic form

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, dtype=x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "strength": self.strength}


class FlipSampler(mlt.CustomLayer):
    """What the device would run: feature maps are (N, C, H, W) there."""

    class_name = "GridSampler"

    def output_shapes(self, input_shapes: Any) -> Any:
        return list(input_shapes)

    def evaluate(self, inputs: Any) -> Any:
        return [np.float32(self.parameters["strength"]) * inputs[0][:, :, ::-1]]


def network_with_grid_sampler() -> Any:
    x = keras.Input((4, 5, 2), name="x")
    y = layers.Conv2D(3, 1, name="conv")(x)
    y = GridSampler(name="sampler")(y)
    return keras.Model(x, layers.ReLU(name="relu")(y), name="sampled")


def convert_grid_sampler(layer: Any) -> mlt.CustomLayerDescription:
    return mlt.CustomLayerDescription(
        class_name="GridSampler", description="flips", parameters={"strength": layer.config["strength"]}
    )


def test_the_hook_of_the_issue() -> None:
    with pytest.raises(UnsupportedLayersError, match="'sampler'") as raised:
        mlt.convert(network_with_grid_sampler())
    assert "def convert_grid_sampler(layer):" in str(raised.value)
    model = mlt.convert(
        network_with_grid_sampler(),
        custom_conversion_functions={"GridSampler": convert_grid_sampler},
        custom_layers=[FlipSampler],
    )
    report = report_of(model)
    assert report.verified is True and report.custom_layers == {"GridSampler": 1}
    assert model.summary().custom_layers[0].parameters == {"strength": 2.0}


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_layer_built_of_onnx_operators(format: str) -> None:
    def build(layer: Any) -> Any:
        builder, (x,) = layer.builder, layer.inputs
        axis, end, step, start = (builder.constant(np.array([value])) for value in (2, -(1 << 62), -1, -1))
        flipped = builder.op("Slice", x, start, end, axis, step)
        return builder.op("Mul", flipped, builder.constant(layer.config["strength"]))

    model = mlt.convert(network_with_grid_sampler(), format=format, custom_conversion_functions={"sampler": build})
    assert report_of(model).verified is True
    assert report_of(model).hooks_used == {"sampler": ("sampler",)}


def test_a_hook_that_computes_something_else_is_found_with_its_layer() -> None:
    hooks = {"GridSampler": lambda layer: layer.inputs[0]}
    with pytest.raises(VerificationError, match=r"layer 'sampler' \(GridSampler\), the first that differs"):
        mlt.convert(network_with_grid_sampler(), custom_conversion_functions=hooks)


def test_a_hook_that_returns_another_shape() -> None:
    def wrong(layer: Any) -> Any:
        return layer.builder.op("Flatten", layer.inputs[0])

    with pytest.raises(ConversionHookError, match=r"has the shape \(1, 60\), but the layer gives \(1, 3, 4, 5\)"):
        mlt.convert(network_with_grid_sampler(), custom_conversion_functions={"GridSampler": wrong})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nothing", b"\x89HDF\r\n\x1a\n"])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    for name in ("small.keras", "small.h5"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=name):
            mlt.convert(tmp_path / name)


def test_a_file_starts_an_installed_backend(tmp_path: Path) -> None:
    path = tmp_path / "small.keras"
    small_network().save(path)
    code = (
        "import os\nos.environ.pop('KERAS_BACKEND', None)\n"
        f"os.environ['KERAS_HOME'] = {str(tmp_path)!r}\n"
        "import mltoolkit as mlt\n"
        f"report = mlt.convert({str(path)!r}, verify=False).conversion_report\n"
        "print(report.way)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "backend) → hub → Core ML" in found.stdout
