"""Pictures to arrays and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mltoolkit.errors import ArgumentError, InputError
from mltoolkit.formats.features import ImageFeature, Range
from mltoolkit.runtime.images import PreparedImage, prepare_image, to_image


def image_feature(width: int = 6, height: int = 4, color_space: str = "RGB", **flexibility: object) -> ImageFeature:
    return ImageFeature("image", "", False, width, height, color_space, **flexibility)  # type: ignore[arg-type]


def random_pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_rgb_keeps_the_order_of_channels() -> None:
    pixels = random_pixels(4, 6, 3)
    tensor = prepare_image(image_feature(), pixels).array
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor, pixels.transpose(2, 0, 1)[None])


def test_bgr_reverses_the_order_of_channels() -> None:
    pixels = random_pixels(4, 6, 3)
    tensor = prepare_image(image_feature(color_space="BGR"), pixels).array
    np.testing.assert_array_equal(tensor[0], pixels.transpose(2, 0, 1)[::-1])


def test_gray_is_pillows_luma() -> None:
    pixels = random_pixels(4, 6, 3)
    tensor = prepare_image(image_feature(color_space="GRAY"), pixels).array
    np.testing.assert_array_equal(tensor[0, 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_path_image_and_array_agree(tmp_path: Path) -> None:
    picture = Image.fromarray(random_pixels(9, 7, 3))
    picture.save(tmp_path / "picture.PNG")
    arrays = [
        prepare_image(image_feature(), source).array
        for source in (picture, np.asarray(picture), tmp_path / "picture.PNG", str(tmp_path / "picture.PNG"))
    ]
    for array in arrays[1:]:
        np.testing.assert_array_equal(array, arrays[0])


def test_whole_picture_is_resized_with_lanczos_as_coremltools_does() -> None:
    picture = Image.fromarray(random_pixels(30, 50, 3))
    expected = np.asarray(picture.resize((6, 4), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    np.testing.assert_array_equal(prepare_image(image_feature(), picture).array[0], expected)


def test_center_crop_keeps_the_aspect_ratio() -> None:
    # The middle third of a wide picture is white: cropping to a square must show white only.
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, 10:20] = 255
    tensor = prepare_image(image_feature(5, 5), pixels, "center").array
    assert tensor.min() == 255
    assert prepare_image(image_feature(5, 5), pixels, "whole").array.min() < 10


def test_float_arrays_are_taken_as_they_are() -> None:
    pixels = np.random.default_rng(1).uniform(0, 255, (4, 6, 3))
    tensor = prepare_image(image_feature(color_space="BGR"), pixels).array
    np.testing.assert_array_equal(tensor[0], pixels.transpose(2, 0, 1)[::-1].astype(np.float32))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_of_picture_is_converted(mode: str) -> None:
    picture = Image.new(mode, (6, 4))
    assert prepare_image(image_feature(), picture).array.shape == (1, 3, 4, 6)


def test_enumerated_sizes_take_the_nearest() -> None:
    feature = image_feature(sizes=((6, 4), (12, 8), (4, 12)))
    assert prepare_image(feature, random_pixels(8, 12, 3)).array.shape == (1, 3, 8, 12)
    assert prepare_image(feature, random_pixels(90, 31, 3)).array.shape == (1, 3, 12, 4)


def test_size_range_keeps_an_allowed_size() -> None:
    feature = image_feature(width_range=Range(2, 10), height_range=Range(2, None))
    assert prepare_image(feature, random_pixels(100, 7, 3)).array.shape == (1, 3, 100, 7)
    assert prepare_image(feature, random_pixels(100, 11, 3)).array.shape == (1, 3, 4, 6)


def test_prepared_images_pass_through() -> None:
    prepared = PreparedImage(np.zeros((1, 3, 4, 6), dtype=np.float32))
    assert prepare_image(image_feature(), prepared) is prepared


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (3, "path, a PIL image or an array, not int"),
        ("nowhere.png", "no file"),
        (np.zeros((4, 6, 2), np.uint8), "shape (4, 6, 2)"),
        (np.zeros((0, 6, 3), np.uint8), "no picture"),
        (np.zeros((4, 6), np.int64), "int64"),
        (np.zeros((5, 6, 3)), "not resized"),
        (np.zeros((4, 6, 4)), "3 channels"),
        (np.full((4, 6, 3), np.nan), "NaN"),
    ],
)
def test_bad_pictures_are_named(bad: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        prepare_image(image_feature(), bad)
    assert says in str(caught.value)
    assert "'image'" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 truncated", b"\x89PNG\r\n\x1a\n"])
def test_damaged_files_are_errors_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged\.jpg"):
        prepare_image(image_feature(), path)


def test_a_damaged_picture_that_was_opened_already_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(random_pixels(40, 40, 3)).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with Image.open(path) as opened, pytest.raises(InputError, match="cannot be read"):
        prepare_image(image_feature(), opened)


def test_misspelt_crop_names_the_close_match() -> None:
    with pytest.raises(ArgumentError, match="center"):
        prepare_image(image_feature(), random_pixels(4, 6, 3), "centre")  # type: ignore[arg-type]


@pytest.mark.parametrize("color_space", ["RGB", "BGR", "GRAY"])
def test_image_outputs_undo_the_preparation(color_space: str) -> None:
    feature = image_feature(color_space=color_space)
    pixels = random_pixels(4, 6) if color_space == "GRAY" else random_pixels(4, 6, 3)
    picture = to_image(feature, prepare_image(feature, pixels).array[0])
    if color_space == "GRAY":
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    else:
        # Apple's own tests (test/sklearn_tests/test_io_types.py) expect this mode; every pixel is opaque.
        assert picture.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels)
        assert picture.getextrema()[3] == (255, 255)
    again = prepare_image(feature, picture)
    np.testing.assert_array_equal(again.array, prepare_image(feature, pixels).array)


def test_half_precision_image_outputs_are_floating_and_not_clipped() -> None:
    picture = to_image(image_feature(3, 1, "GRAY_FLOAT16"), np.array([[[-3.5, 0.25, 300]]], dtype=np.float32))
    assert picture.mode == "F" and np.asarray(picture).tolist() == [[-3.5, 0.25, 300]]


def test_image_outputs_are_rounded_and_clipped() -> None:
    array = np.array([[[-3.0, 0.6, 254.4, 300.0, np.nan]]], dtype=np.float32)
    picture = to_image(image_feature(5, 1, "GRAY"), array)
    assert np.asarray(picture).tolist() == [[0, 1, 254, 255, 0]]
