"""The embedded classifier: what the file says, and how often it is right."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_reference import probabilities
from PIL import Image

import mltoolkit
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.digits.generator import digit_dataset
from mltoolkit.digits.seeds import SAMPLE_SEED, TRAINING_SEED, VALIDATION_SEED
from mltoolkit.formats.protobuf import new_model

FRESH_SEED = 123_456


@pytest.fixture(scope="module")
def spec() -> Any:
    message = new_model()
    message.ParseFromString(digit_model_path().read_bytes())
    return message


def test_the_file_opens_on_every_version_of_core_ml(spec: Any) -> None:
    assert spec.specificationVersion == 1
    image = spec.description.input[0]
    assert image.name == "image"
    assert (image.type.imageType.width, image.type.imageType.height) == (28, 28)
    assert {output.name for output in spec.description.output} == {"classLabel", "labelProbabilities"}
    assert list(spec.neuralNetworkClassifier.stringClassLabels.vector) == list("0123456789")
    assert spec.description.metadata.license == "MIT" and spec.description.metadata.author


def test_the_file_is_small_and_has_convolution_with_batchnorm(spec: Any) -> None:
    assert 80_000 < digit_model_path().stat().st_size < 150_000
    kinds = [layer.WhichOneof("layer") for layer in spec.neuralNetworkClassifier.layers]
    assert ("convolution", "batchnorm") in itertools.pairwise(kinds)


def test_seeds_differ() -> None:
    assert len({TRAINING_SEED, VALIDATION_SEED, SAMPLE_SEED, FRESH_SEED}) == 4


def test_freshly_drawn_digits_are_recognised(spec: Any) -> None:
    images, labels = digit_dataset(1000, FRESH_SEED)
    accuracy = (probabilities(spec, images).argmax(1) == labels).mean()
    # 99.5 % of 20,000 were measured; five standard deviations of a sample of 1,000 are 1.2 %.
    assert accuracy > 0.98, f"accuracy {accuracy:.2%}"


def test_real_handwriting_is_recognised(spec: Any, shared_data: Path) -> None:
    with np.load(shared_data / "datasets" / "mnist.npz") as data:
        images, labels = data["x_test"][::10], data["y_test"][::10]
    accuracy = (probabilities(spec, images).argmax(1) == labels).mean()
    # 97.5 % of all 10,000 were measured, without ever training on one of them; five deviations are 2.5 %.
    assert accuracy > 0.95, f"accuracy {accuracy:.2%}"


def test_the_runtime_agrees_with_the_specification(spec: Any) -> None:
    model = mltoolkit.load(digit_model_path())
    images, _ = digit_dataset(50, FRESH_SEED)
    expected = probabilities(spec, images)
    for image, row in zip(images, expected, strict=True):
        output = model.predict({"image": Image.fromarray(image)})
        measured = np.array([output["labelProbabilities"][str(digit)] for digit in range(10)])
        # float32 against float64 over sums of at most 288 products.
        assert np.abs(measured - row).max() < 1e-4, f"difference {np.abs(measured - row).max():.2e}"
        assert output["classLabel"] == str(row.argmax())


def test_the_shipped_pictures_are_recognised() -> None:
    model = mltoolkit.load(digit_model_path())
    paths = sorted(digit_images_path().glob("*/*.png"))
    outputs = model.predict([{"image": path} for path in paths])
    # 498 of 500 were measured with the NumPy reference.
    right = sum(output["classLabel"] == path.parent.name for output, path in zip(outputs, paths, strict=True))
    assert right / len(paths) > 0.985, f"{right} of {len(paths)}"
