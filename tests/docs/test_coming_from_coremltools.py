"""What docs/coming-from-coremltools.md and README.md say of coremltools is true of the installed one."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_code import PROJECT

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.formats.weight_fields import iter_weight_fields

off_a_mac = pytest.mark.skipif(sys.platform == "darwin", reason="on a Mac these calls reach Core ML")
protobuf_6 = pytest.mark.skipif(int(version("protobuf").split(".")[0]) < 6, reason="older protobuf takes NumPy arrays")


@contextlib.contextmanager
def silence() -> Iterator[io.StringIO]:
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
        yield printed


@pytest.fixture(scope="module")
def ct() -> Any:
    with silence():
        import coremltools
        import coremltools.models.neural_network.quantization_utils
    return coremltools


@pytest.fixture(scope="module")
def utils(ct: Any) -> Any:
    return ct.models.neural_network.quantization_utils


@pytest.fixture
def digits(ct: Any) -> Any:
    return ct.models.MLModel(str(digit_model_path()), skip_model_load=True)


@pytest.fixture(scope="module")
def dense(ct: Any) -> Any:
    """One inner product without normalisation, which coremltools can quantize."""
    builder = ct.models.neural_network.NeuralNetworkBuilder(
        [("x", ct.models.datatypes.Array(64))], [("y", ct.models.datatypes.Array(64))]
    )
    weights = np.random.default_rng(0).standard_normal((64, 64))
    builder.add_inner_product("dense", weights, np.zeros(64), 64, 64, True, "x", "y")
    return ct.models.MLModel(builder.spec, skip_model_load=True)


def page() -> str:
    return (PROJECT / "docs" / "coming-from-coremltools.md").read_text(encoding="utf-8")


def bits(model: Any, name: str = "weights") -> set[int]:
    """The bits in which the weights of that name are stored."""
    spec = model if type(model).__name__ == "Model" and not isinstance(model, mlt.Model) else model.get_spec()
    found = [field.params for field in iter_weight_fields(spec) if field.name == name]
    return {16 if weights.float16Value else weights.quantization.numberOfBits or 32 for weights in found}


def test_the_release_is_the_one_the_page_names(ct: Any) -> None:
    assert re.findall(r"coremltools (\d+\.\d)", page())[0] == ct.__version__


@pytest.mark.parametrize("name", ["quantize_weights", "compare_models"])
def test_the_arguments_are_the_same(utils: Any, name: str) -> None:
    theirs = [p.name for p in inspect.signature(getattr(utils, name)).parameters.values() if p.name != "kwargs"]
    assert list(inspect.signature(getattr(mlt, name)).parameters)[: len(theirs)] == theirs


@off_a_mac
def test_predict_needs_a_mac(digits: Any) -> None:
    with pytest.raises(Exception, match="only supported on macOS"):
        digits.predict({"image": None})


@off_a_mac
def test_compare_models_gives_nothing(ct: Any, utils: Any, dense: Any) -> None:
    with silence() as printed, contextlib.suppress(Exception):
        assert utils.compare_models(dense, dense, [{"x": np.zeros(64)}]) is None
        assert "nan" in printed.getvalue()


def test_a_folder_is_read_one_level_deep_and_lower_case(utils: Any, digits: Any, tmp_path: Path) -> None:
    picture = next(digit_images_path().rglob("*.png"))
    (tmp_path / "inner").mkdir()
    shutil.copy(picture, tmp_path / "inner" / "a.png")
    shutil.copy(picture, tmp_path / "B.PNG")
    with silence(), pytest.raises(Exception, match="no supported image files"):
        utils.compare_models(digits, digits, str(tmp_path))
    assert mlt.compare_models(digits, digits, tmp_path, progress=False).count == 2


def test_where_both_work_both_give_a_model(utils: Any, dense: Any) -> None:
    with silence():
        small = utils.quantize_weights(dense, 8, "linear")
    assert type(small).__name__ == "MLModel"
    assert bits(small) == bits(mlt.quantize_weights(dense, 8, "linear")) == {8}


def test_batch_normalisation_at_8_bits(utils: Any, digits: Any) -> None:
    with silence(), pytest.raises(TypeError):
        utils.quantize_weights(digits, 8, "linear")
    assert bits(mlt.quantize_weights(digits, 8, "linear")) == {8}


@protobuf_6
def test_kmeans(utils: Any, dense: Any) -> None:
    with silence(), pytest.raises(TypeError):
        utils.quantize_weights(dense, 8, "kmeans")
    assert bits(mlt.quantize_weights(dense, 8, "kmeans")) == {8}


@pytest.mark.parametrize("before", [16, 8])
def test_weights_that_are_no_float32_are_left(ct: Any, utils: Any, dense: Any, before: int) -> None:
    smaller = ct.models.MLModel(mlt.quantize_weights(dense, before).get_spec(), skip_model_load=True)
    with silence():
        theirs = utils.quantize_weights(smaller, 4, "linear")
    assert bits(theirs) == {before}
    assert bits(mlt.quantize_weights(smaller, 4, "linear")) == {4}


def test_biases(utils: Any, dense: Any) -> None:
    with silence():
        theirs = utils.quantize_weights(dense, 8, "linear")
    assert bits(theirs, "bias") == {8}
    assert bits(mlt.quantize_weights(dense, 8, "linear"), "bias") == {32}


def test_a_table_that_does_not_fit(utils: Any, dense: Any) -> None:
    def too_short(nbits: int, weights: Any) -> tuple[list[float], list[int]]:
        return [0.0, 1.0, 2.0], [9] * np.size(weights)

    with silence():
        theirs = utils.quantize_weights(dense, 4, "custom_lut", lut_function=too_short)
    spec = theirs.get_spec() if hasattr(theirs, "get_spec") else theirs
    table = spec.neuralNetwork.layers[0].innerProduct.weights.quantization.lookupTableQuantization.floatValue
    assert len(table) == 3
    with pytest.raises(mlt.MLToolkitError):
        mlt.quantize_weights(dense, 4, "custom_lut", lut_function=too_short)


def test_an_unknown_mode(utils: Any, dense: Any) -> None:
    with silence(), pytest.raises(Exception) as caught:
        utils.quantize_weights(dense, 4, "kmeens")
    assert type(caught.value) is Exception
    with pytest.raises(ValueError, match="Did you mean 'kmeans'"):
        mlt.quantize_weights(dense, 4, "kmeens")


def test_what_it_does_not_convert(ct: Any, digits: Any) -> None:
    for source in ("model.onnx", digits):
        with silence(), pytest.raises(ValueError, match="Unable to determine the type of the model"):
            ct.convert(source)


@pytest.mark.skipif(not (find_spec("keras") and find_spec("torch")), reason="needs Keras and torch")
@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="with TensorFlow, coremltools knows Keras")
def test_keras_without_tensorflow(ct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    keras = pytest.importorskip("keras")
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with silence(), pytest.raises(Exception, match=r"tensorflow|Unable to determine"):
        ct.convert(network)


def test_the_default_precision_and_format(ct: Any) -> None:
    torch = pytest.importorskip("torch")
    network = torch.jit.trace(torch.nn.Linear(4, 2).eval(), torch.zeros(1, 4))
    with silence():
        theirs = ct.convert(network, inputs=[ct.TensorType("x", (1, 4))], skip_model_load=True)
    assert mlt.load(theirs).kind == "mlProgram"
    assert "float16" in mlt.load(theirs).summary().weights
    parameters = inspect.signature(mlt.convert).parameters
    assert (parameters["format"].default, parameters["precision"].default) == ("mlmodel", "float32")


def compressing(spec: Any) -> set[str]:
    """The operations of an ML Program that stand for compressed weights."""
    (function,) = spec.mlProgram.functions.values()
    (block,) = function.block_specializations.values()
    return {operation.type for operation in block.operations if operation.type.startswith("constexpr_")}


@pytest.mark.parametrize("form", ["table", "blocks"])
def test_ml_programs_get_the_same_operations(ct: Any, tmp_path: Path, form: str) -> None:
    path = tmp_path / "digits.mlpackage"
    mlt.convert(digit_model_path(), format="mlpackage", minimum_deployment_target="iOS18").save(path)
    optimize = ct.optimize.coreml
    if form == "table":
        config, call = optimize.OpPalettizerConfig(mode="kmeans", nbits=4), optimize.palettize_weights
        ours = mlt.quantize_weights(path, 4, "kmeans")
    else:
        config = optimize.OpLinearQuantizerConfig(dtype="int4", granularity="per_block", block_size=8)
        call = optimize.linear_quantize_weights
        ours = mlt.quantize_weights(path, 4, "linear_symmetric", granularity="per_block", block_size=8)
    with silence():
        theirs = call(ct.models.MLModel(str(path), skip_model_load=True), optimize.OptimizationConfig(config))
    assert compressing(ours.spec) == compressing(theirs.get_spec())
    assert len(compressing(ours.spec)) == 1


@off_a_mac
def test_what_asks_core_ml(ct: Any, digits: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="not loaded or compiled"):
        digits.get_compiled_model_path()
    with pytest.raises(Exception, match="not supported"):
        ct.models.compute_plan.MLComputePlan.load_from_path(str(digit_model_path()))
    with pytest.raises(Exception, match="macOS"):
        ct.utils.compile_model(str(digit_model_path()), str(tmp_path / "a.mlmodelc"))


def test_the_names_on_the_page_exist(ct: Any, utils: Any) -> None:
    """Every name that stands for one of coremltools' in the table's first column."""
    homes = [ct, ct.utils, ct.models, ct.models.MLModel, utils, ct.models.compute_plan, ct.optimize.coreml]
    arguments = {
        *inspect.signature(ct.convert).parameters,
        *inspect.signature(ct.ImageType.__init__).parameters,
        *inspect.signature(ct.TensorType.__init__).parameters,
    }
    names = 0
    for line in page().splitlines():
        cell = line.split("|")[1] if line.startswith("| `") else ""
        for code in re.findall(r"`([^`]+)`", cell):
            for argument in re.findall(r"(\w+)=", code):
                assert argument in arguments, argument
            name = code.split("(")[0].removeprefix("ct.").rstrip("=")
            if name.isidentifier() or "." in name:
                last = name.rsplit(".", 1)[-1]
                assert last in arguments or any(hasattr(home, last) for home in homes) or last == "torch", name
                names += 1
    assert names > 20
