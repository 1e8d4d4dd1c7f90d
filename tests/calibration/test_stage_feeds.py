"""Sample data as the inputs of every network of a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from core_ml_pipelines import add_array, mixing, pictures, pipeline
from mil_programs import counter
from PIL import Image

import mltoolkit as mlt
from mltoolkit.calibration.feeds import FeedList, stage_feeds
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import ComparisonError, InputError
from mltoolkit.formats.features import ImageFeature
from mltoolkit.model import Model
from mltoolkit.runtime.images import Crop
from mltoolkit.runtime.sections import SectionedRun


def noise(seed: int, size: tuple[int, int] = (12, 9)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(5):
        noise(seed, (12 + seed, 20)).save(tmp_path / f"{seed}.png")
    return tmp_path


@pytest.mark.parametrize("crop", ["whole", "center"])
def test_a_folder_of_pictures(folder: Path, crop: Crop) -> None:
    model = mlt.load(digit_model_path())
    feeds = stage_feeds(model, folder, crop=crop)
    assert feeds.names == ("0.png", "1.png", "2.png", "3.png", "4.png")
    assert list(feeds.stages) == [""]
    stage = feeds.stages[""]
    assert stage.model is model
    assert stage.graph is model.graph()
    (feature,) = (feature for feature in model.inputs if isinstance(feature, ImageFeature))
    run = SectionedRun(stage.graph, [], stage.feeds)
    run.advance()
    for number, name in enumerate(feeds.names):
        expected = model.prepare_image(feature, folder / name, crop)
        given = stage.feeds[number][feature.name]
        assert given.dtype == np.float32
        np.testing.assert_array_equal(given, expected.array)
        for output, array in model.predict_raw({feature.name: expected}, threads=1).items():
            np.testing.assert_array_equal(run.outputs(number)[output], array)


def test_pictures_are_held_as_bytes_and_arrays_exactly(folder: Path) -> None:
    model = mlt.load(digit_model_path())
    stage = stage_feeds(model, folder).stages[""]
    (held,) = stage.feeds._feeds[0].values()
    assert held.dtype == np.uint8
    assert isinstance(stage.feeds[1:3], FeedList)
    assert len(stage.feeds[1:3]) == 2
    feature = model.inputs[0]
    assert isinstance(feature, ImageFeature)
    fractions = np.full((feature.height, feature.width), 0.5, dtype=np.float32)
    single = stage_feeds(model, [{feature.name: fractions}]).stages[""].feeds[0][feature.name]
    assert np.all(single == 0.5)


def test_taking_some_of_the_samples(folder: Path) -> None:
    feeds = stage_feeds(mlt.load(digit_model_path()), folder)
    some = feeds.take([3, 0])
    assert some.names == ("3.png", "0.png")
    assert len(some) == len(some.stages[""].feeds) == 2
    for name, array in some.stages[""].feeds[0].items():
        np.testing.assert_array_equal(array, feeds.stages[""].feeds[3][name])


def test_at_most_so_many_are_read_of_an_endless_iterator() -> None:
    made = 0

    def endless() -> Iterator[Image.Image]:
        nonlocal made
        while True:
            made += 1
            yield noise(made)

    feeds = stage_feeds(mlt.load(digit_model_path()), endless(), limit=4)
    assert feeds.names == ("input 0", "input 1", "input 2", "input 3")
    assert made == 4


def test_unreadable_pictures_are_left_out(folder: Path) -> None:
    (folder / "2.png").write_bytes(b"no picture")
    feeds = stage_feeds(mlt.load(digit_model_path()), folder)
    assert feeds.names == ("0.png", "1.png", "3.png", "4.png")
    assert [item.name for item in feeds.unreadable] == ["2.png"]
    for path in folder.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(ComparisonError, match=r"no sample to calibrate with; the first, 0\.png"):
        stage_feeds(mlt.load(digit_model_path()), folder)


def array_model() -> Model:
    spec = mixing("mix", "x", "y", 0)
    add_array(spec.description.input, "x", (3, 2, 2))
    sizes = spec.description.input[0].type.multiArrayType.shapeRange.sizeRanges
    for low, high in ((3, 3), (1, 9), (1, 9)):
        sizes.add(lowerBound=low, upperBound=high)
    spec.specificationVersion = 3
    add_array(spec.description.output, "y", (3, 2, 2))
    return Model.from_spec(spec)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_nan_names_its_sample(wrong: float) -> None:
    samples = [{"x": np.zeros((3, 2, 2), dtype=np.float32)} for _ in range(3)]
    samples[1]["x"][0, 1, 1] = wrong
    with pytest.raises(InputError, match=r"NaN or infinite.*input 1"):
        stage_feeds(array_model(), samples)


def test_a_sample_that_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match="input 2"):
        stage_feeds(array_model(), [{"x": np.zeros((3, 2, 2))}] * 2 + [{"x": np.zeros((4, 2, 2))}])
    with pytest.raises(ComparisonError, match="empty"):
        stage_feeds(array_model(), [])


def test_other_shapes_than_the_most_frequent_are_left_out() -> None:
    sizes = [2, 3, 3, 5, 3]
    samples = [{"x": np.full((3, size, size), index, dtype=np.float32)} for index, size in enumerate(sizes)]
    feeds = stage_feeds(array_model(), samples)
    assert feeds.names == ("input 1", "input 2", "input 4")
    assert feeds.other_shapes == 2
    stage = feeds.stages[""]
    assert [float(feed["x"].max()) for feed in stage.feeds] == [1, 2, 4]
    run = SectionedRun(stage.graph, [], stage.feeds)
    run.advance()
    np.testing.assert_array_equal(run.outputs(2)["y"], array_model().predict_raw(samples[4])["y"])


def test_pipelines_give_every_stage_what_the_stages_before_it_make() -> None:
    model = Model.from_spec(pictures(second_color=20))
    samples = [noise(seed, (6, 6)) for seed in range(3)]
    feeds = stage_feeds(model, samples)
    assert list(feeds.stages) == ["stage 0", "stage 1"]
    first, second = feeds.stages.values()
    for number, sample in enumerate(samples):
        middle = first.model.predict({"image": sample})["middle"]
        expected = second.model.prepare_image("middle", middle).array
        np.testing.assert_array_equal(second.feeds[number]["middle"], expected)
        run = SectionedRun(second.graph, [], second.feeds)
        run.advance()
        expected_output = model.predict_raw({"image": sample})["out"]
        np.testing.assert_array_equal(run.outputs(number)["out"], expected_output)


def test_pipelines_inside_pipelines() -> None:
    outer = pipeline(pictures(second_color=20))
    feeds = stage_feeds(Model.from_spec(outer), [noise(1, (6, 6))])
    assert list(feeds.stages) == ["stage 0/stage 0", "stage 0/stage 1"]
    assert feeds.stages["stage 0/stage 1"].feeds[0]["middle"].shape == (1, 3, 6, 6)


def test_states_are_zeros() -> None:
    model = Model.from_spec(counter())
    feeds = stage_feeds(model, [{"x": np.array([1, 2], dtype=np.float32)}])
    feed = feeds.stages[""].feeds[0]
    np.testing.assert_array_equal(feed["total"], np.zeros(2))
    assert feed["total"].dtype == np.float32
    run = SectionedRun(feeds.stages[""].graph, [], feeds.stages[""].feeds)
    run.advance()
    np.testing.assert_array_equal(run.outputs(0)["y"], [1, 2])
