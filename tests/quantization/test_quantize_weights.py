"""The public call: from any kind of model to a Model that runs."""

from __future__ import annotations

import contextlib
import inspect
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError, ModelFileError, UnsupportedModelError
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import write_float32
from mltoolkit.quantization import QuantizationReport, quantize_weights


def classifier() -> Any:
    """A linear classifier of 32 numbers into 10 classes."""
    spec = new_model()
    spec.specificationVersion = 1
    array = spec.description.input.add(name="x").type.multiArrayType
    array.shape.append(32)
    array.dataType = 65568
    spec.description.output.add(name="label").type.int64Type.SetInParent()
    spec.description.output.add(name="probabilities").type.dictionaryType.int64KeyType.SetInParent()
    spec.description.predictedFeatureName = "label"
    spec.description.predictedProbabilitiesName = "probabilities"
    network = spec.neuralNetworkClassifier
    network.int64ClassLabels.vector.extend(range(10))
    dense = network.layers.add(name="dense", input=["x"], output=["logits"]).innerProduct
    dense.inputChannels, dense.outputChannels, dense.hasBias = 32, 10, True
    rng = np.random.default_rng(3)
    write_float32(dense.weights, rng.standard_normal((10, 32)))
    write_float32(dense.bias, rng.standard_normal(10))
    network.layers.add(name="softmax", input=["logits"], output=["p"]).softmax.SetInParent()
    network.labelProbabilityLayerName = "p"
    return spec


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "dense.mlmodel"
    file.write_bytes(classifier().SerializeToString())
    return file


def test_every_kind_of_model_is_taken(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import coremltools

        theirs = coremltools.models.MLModel(str(path), skip_model_load=True)
    results = [quantize_weights(source, 4) for source in (path, str(path), mlt.load(path), classifier(), theirs)]
    assert all(result.spec == results[0].spec for result in results)
    assert all(isinstance(result, mlt.Model) for result in results)
    assert results[0].name == "dense.mlmodel"


def test_the_source_is_not_changed(path: Path) -> None:
    model = mlt.load(path)
    before = model.spec.SerializeToString(deterministic=True)
    small = mlt.quantize_weights(model, 8, "kmeans", only_if_smaller=False)
    assert model.spec.SerializeToString(deterministic=True) == before
    assert model.quantization_report is None
    assert isinstance(small.quantization_report, QuantizationReport)
    assert small.quantization_report.mode == "kmeans"
    assert small.inputs == model.inputs
    assert small.outputs == model.outputs
    assert small.class_labels == model.class_labels


def test_it_runs_and_saves(path: Path, tmp_path: Path) -> None:
    model = mlt.load(path)
    x = np.random.default_rng(0).standard_normal(32).astype(np.float32)
    expected = model.predict_raw({"x": x})["probabilities"]
    for nbits, mode, tolerance in ((8, "linear", 0.02), (8, "linear_symmetric", 0.02), (16, "linear", 2e-3)):
        small = mlt.quantize_weights(model, nbits, mode)
        # An error of half a step (about 7 / 255 / 2) in each of 32 products moves a logit by some 0.05.
        np.testing.assert_allclose(small.predict_raw({"x": x})["probabilities"], expected, atol=tolerance)
        target = tmp_path / f"{mode}{nbits}.mlmodel"
        small.save(target)
        assert target.stat().st_size == small.quantization_report.model_bytes_after
        assert mlt.load(target).predict({"x": x})["label"] == model.predict({"x": x})["label"]


def test_the_call_is_that_of_coremltools(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from coremltools.models.neural_network import quantization_utils
    theirs = list(inspect.signature(quantization_utils.quantize_weights).parameters.values())
    ours = inspect.signature(quantize_weights).parameters
    positional = [parameter for parameter in theirs if parameter.kind is not parameter.VAR_KEYWORD]
    assert list(ours)[: len(positional)] == [parameter.name for parameter in positional]
    assert all(ours[parameter.name].default == parameter.default for parameter in positional)
    assert {"lut_function", "selector"} <= set(ours)  # what it takes as **kwargs
    quantize_weights(mlt.load(path), nbits=8, quantization_mode="linear", sample_data=None, selector=None)


def test_sample_data_is_left_to_compare_models(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quantize_weights(path, 8, "linear", "pictures")
    assert "compare_models" in caplog.text


def test_arguments_are_checked_before_the_model_is_read() -> None:
    with pytest.raises(ArgumentError, match="cannot have 9 bits"):
        quantize_weights("no such file.mlmodel", 9)
    with pytest.raises(ModelFileError):
        quantize_weights("no such file.mlmodel", 8)


def test_models_without_networks_are_refused() -> None:
    spec = new_model()
    spec.specificationVersion = 1
    spec.description.input.add(name="x").type.doubleType.SetInParent()
    spec.description.output.add(name="y").type.doubleType.SetInParent()
    spec.description.predictedFeatureName = "y"
    spec.glmRegressor.weights.add().value.append(1.0)
    spec.glmRegressor.offset.append(0.0)
    with pytest.raises(UnsupportedModelError, match="glmRegressor"):
        quantize_weights(spec, 8)


class Swish(mlt.CustomLayer):
    """x * sigmoid(x), as in the model's own code."""

    class_name = "Swish"

    def output_shapes(self, input_shapes: Any) -> Any:
        return list(input_shapes)

    def evaluate(self, inputs: Any) -> Any:
        return [inputs[0] * 0.5 * (1 + np.tanh(inputs[0] / 2))]


def test_custom_layers_go_along(shared_data: Path) -> None:
    path = shared_data / "coreml" / "NeuralMcNeuralNet_custom_swish.mlmodel"
    source = mlt.load(path, custom_layers=[Swish])
    small = quantize_weights(source, 8)
    assert tuple(small.custom_layers) == (Swish,)
    name = source.inputs[0].name
    picture = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    first, second = (model.predict_raw({name: picture}) for model in (source, small))
    for key, values in first.items():
        # 8-bit weights keep some 45 dB of the signal; 20 dB tell them from garbage.
        assert np.linalg.norm(second[key] - values) < 0.1 * np.linalg.norm(values), key


def test_real_models(shared_data: Path) -> None:
    folder = shared_data / "coreml"
    small = mlt.quantize_weights(folder / "SqueezeNet_fp32.mlmodel", 8, "linear")
    report = small.quantization_report
    assert report is not None
    assert report.model_bytes_before == (folder / "SqueezeNet_fp32.mlmodel").stat().st_size
    assert report.model_bytes_after < 1.32e6
    assert len(report.changed) == 26
    assert min(record.sqnr_db for record in report.changed) > 40
    half = mlt.quantize_weights(folder / "SqueezeNet_fp32.mlmodel", 16)
    # Apple's own file in half precision: what ours was widened from.
    published = new_model()
    published.ParseFromString((folder / "SqueezeNetFP16.mlmodel").read_bytes())
    assert half.spec.neuralNetworkClassifier.layers == published.neuralNetworkClassifier.layers


_PEAK = """
import sys
import mltoolkit as mlt
from mltoolkit.quantization import quantize_weights
from mltoolkit.formats.protobuf import new_model
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
new_model()
base = peak()
quantize_weights(sys.argv[1], 8).save(sys.argv[2])
print(peak() - base)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_stays_below_three_times_the_file(tmp_path: Path) -> None:
    spec = classifier()
    dense = spec.neuralNetworkClassifier.layers[0].innerProduct
    array = spec.description.input[0].type.multiArrayType
    array.shape[0] = dense.inputChannels = 100_000
    write_float32(dense.weights, np.random.default_rng(0).standard_normal((10, 100_000), dtype=np.float32))
    for index in range(7):
        layer = spec.neuralNetworkClassifier.layers.add(name=f"constant {index}", output=[f"c{index}"])
        layer.loadConstant.shape.extend([1, 1000, 1000])
        layer.loadConstant.data.CopyFrom(dense.weights)
    source = tmp_path / "large.mlmodel"
    source.write_bytes(spec.SerializeToString())
    size = source.stat().st_size
    assert size > 32e6
    command = [sys.executable, "-c", _PEAK, str(source), str(tmp_path / "small.mlmodel")]
    used = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # Reading takes twice the file (bytes and message); quantizing must not need the weights a third time.
    assert used < 2.6 * size, used / size
