"""Wrong arguments for what is public: an error of the one tree that says what to give, never one from deep inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError

PICTURES = [Image.open(path) for path in sorted((digit_images_path() / "8").glob("*.png"))[:4]]


def _name(junk: object) -> str:
    """An address would differ between the processes that share the tests."""
    return "object" if type(junk) is object else repr(junk)


NO_PATHS = [None, 0, 3.5, [], {}, b"x", object(), int, np.zeros(2)]
NO_LISTS = [0, 3.5, True, "linear", int, object(), np.int64(4)]
NO_FUNCTIONS = [True, 0, "", [], {}, np.zeros(2)]


@pytest.fixture(scope="module")
def model() -> mlt.Model:
    return mlt.load(digit_model_path())


def refused(call: Callable[..., Any], *arguments: Any, says: str, **options: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(*arguments, **options)
    assert says in str(caught.value), str(caught.value)


@pytest.mark.parametrize("path", NO_PATHS, ids=_name)
def test_paths(model: mlt.Model, path: Any) -> None:
    refused(model.save, path, says="is not a path")
    refused(mlt.comparison_page(model, model, PICTURES, progress=False).save, path, says="is not a path")
    refused(mlt.compare_layers(model, model, PICTURES).plot, path, says="is not a path")
    refused(mlt.sweep, model, PICTURES, path, plots=False, says="is not a path")
    if path is not None:  # visualize and from_spec do without
        refused(mlt.visualize, model, path, says="is not a path")
        refused(mlt.Model.from_spec, model.spec, weights_dir=path, says="is not a path")


@pytest.mark.parametrize("junk", NO_LISTS, ids=_name)
def test_lists(model: mlt.Model, junk: Any, tmp_path: Path) -> None:
    refused(mlt.load, digit_model_path(), custom_layers=junk, says="Give a list of classes")
    refused(model.predict_raw, {"image": PICTURES[0]}, taps=junk, says="Give a list of names")
    refused(mlt.AdvancedQuantizedLayerSelector, junk, says="Give a list such as")
    for name in ("modes", "bits", "recipes"):
        refused(mlt.sweep, model, PICTURES, tmp_path, plots=False, **{name: junk}, says=f"{name} is ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("junk", [None, 0, "x", [1], {}, object(), np.zeros(2)], ids=_name)
def test_what_is_no_model(model: mlt.Model, junk: Any) -> None:
    refused(mlt.Model.from_spec, junk, says="Give the path")
    refused(model.prepare_image, junk, PICTURES[0], says="no image input")
    if junk is not None:
        refused(mlt.comparison_page, model, model, PICTURES, names=junk, says="Give two texts")
    if junk is not None and not isinstance(junk, dict):
        refused(model.graph, junk, says="input_shapes is")


@pytest.mark.parametrize("junk", NO_FUNCTIONS, ids=_name)
def test_progress(model: mlt.Model, junk: Any) -> None:
    for call in (
        lambda: mlt.quantize_weights(model, 8, progress=junk),
        lambda: mlt.quantize_calibrated(model, PICTURES, nbits=4, progress=junk),
        lambda: mlt.prune_weights(model, target_sparsity=0.5, progress=junk),
    ):
        refused(call, says="Give a function")


@pytest.mark.parametrize("junk", [-1, 1.5, True, None, "0"], ids=_name)
def test_seeds(model: mlt.Model, junk: Any, tmp_path: Path) -> None:
    refused(mlt.convert, model, seed=junk, says="seed is")
    refused(mlt.export_onnx, model, tmp_path / "model.onnx", seed=junk, says="seed is")
    refused(mlt.quantize_calibrated, model, PICTURES, nbits=4, seed=junk, says="seed is")


def test_numpys_numbers_are_numbers(model: mlt.Model, tmp_path: Path) -> None:
    four = np.int64(4)
    plain = mlt.quantize_calibrated(model, PICTURES, nbits=4, seed=4, rows=32)
    same = mlt.quantize_calibrated(model, PICTURES, nbits=four, seed=four, rows=np.int32(32))
    assert same.spec.SerializeToString(deterministic=True) == plain.spec.SerializeToString(deterministic=True)
    report = mlt.sweep(model, PICTURES, tmp_path, modes=("linear",), bits=np.array([4, 2]), plots=False)
    assert [row.nbits for row in report.rows] == [4, 2]
    assert mlt.convert(model, seed=four, tolerance_db=np.float32(60)).conversion_report is not None


def test_a_function_of_a_model_without(model: mlt.Model) -> None:
    refused(mlt.load, digit_model_path(), function_name="main", says="only ML Programs have functions")
    refused(mlt.load, model, function_name="main", says="no function 'main'")


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), "x", None, [1, None]], ids=_name)
def test_factors_of_pictures(junk: Any) -> None:
    refused(mlt.ImageInput, scale=junk, says="scale is")
    refused(mlt.ImageInput, bias=junk, says="bias is")


def test_factors_become_plain_numbers() -> None:
    picture = mlt.ImageInput(scale=np.float32(0.5), bias=np.array([1, 2, 3]))
    assert (picture.scale, picture.bias) == (0.5, (1.0, 2.0, 3.0))
    assert type(picture.scale) is float
    refused(mlt.ArrayInput, (1,), default="none", says="is a number, not 'none'")
    refused(mlt.SizeRange, None, says="whole numbers")


def test_generators_are_read_once(model: mlt.Model) -> None:
    """What needs the samples twice reads an iterator into memory."""
    page = mlt.comparison_page(model, model, (picture for picture in PICTURES), progress=False)
    assert (
        page.comparison.count == len(PICTURES) and page.layers is not None and len(page.layers.samples) == len(PICTURES)
    )


@pytest.mark.parametrize("junk", [0, 3.5, "x", b"x", object(), int], ids=_name)
def test_declared_inputs_and_other_options_of_conversion(model: mlt.Model, junk: Any, tmp_path: Path) -> None:
    refused(mlt.ArrayInput, junk, says="a list of sizes")
    refused(mlt.ArrayInput, shapes=junk, says="a list of sizes")
    refused(mlt.ArrayInput, shapes=[junk], says="a list of sizes")
    refused(mlt.ImageInput, size=junk, says="is (height, width)")
    refused(mlt.ImageInput, sizes=[(2, 2), junk], says="is (height, width)")
    refused(mlt.convert, model, user_defined=junk, says="user_defined is")
    refused(mlt.convert, model, verification_inputs=junk, says="verification_inputs")
    refused(mlt.export_onnx, model, tmp_path / "model.onnx", input_shapes=junk, says="input_shapes is")
    refused(mlt.convert, model, minimum_deployment_target=[junk], says="no deployment target")
    if not isinstance(junk, str):
        refused(mlt.ArrayInput, description=junk, says="description is a text")
        refused(mlt.ImageInput, description=junk, says="description is a text")
        refused(mlt.export_onnx, model, junk, says="is not a path")
