"""Checking and converting a caller's inputs."""

from __future__ import annotations

import numpy as np
import pytest

from mltoolkit.errors import InputError
from mltoolkit.formats.features import ArrayFeature, Feature, Interface, Range, ScalarFeature
from mltoolkit.runtime.inputs import bind_inputs


def interface(*features: Feature) -> Interface:
    return Interface(inputs=features, outputs=())


def array_feature(shape: tuple[int, ...], dtype: str = "float32", **more: object) -> ArrayFeature:
    return ArrayFeature("data", "", bool(more.pop("optional", False)), shape, dtype, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [("float32", np.float32), ("float64", np.float32), ("float16", np.float32), ("int32", np.int32)],
)
def test_arrays_are_converted_to_the_graphs_type(dtype: str, bound: type) -> None:
    feeds = bind_inputs(interface(array_feature((2,), dtype)), {"data": [1, 2]}).feeds
    assert feeds["data"].dtype == bound
    assert feeds["data"].tolist() == [1, 2]


def test_described_shape_needs_no_shape_of_its_own() -> None:
    assert bind_inputs(interface(array_feature((2, 3))), {"data": np.zeros((2, 3))}).shapes == ()


def test_axes_of_size_one_may_differ() -> None:
    bound = bind_inputs(interface(array_feature((1, 3, 2))), {"data": np.zeros((3, 2))})
    assert bound.feeds["data"].shape == (1, 3, 2)


def test_flexible_shapes_are_remembered() -> None:
    enumerated = interface(array_feature((2,), shapes=((2,), (5,))))
    assert bind_inputs(enumerated, {"data": np.zeros(5)}).shapes == (("data", (5,)),)
    ranged = interface(array_feature((2, 1), ranges=(Range(1, 3), Range(1, None))))
    assert bind_inputs(ranged, {"data": np.zeros((3, 99))}).shapes == (("data", (3, 99)),)
    open_size = interface(array_feature((1, 0)))
    assert bind_inputs(open_size, {"data": np.zeros((1, 7))}).shapes == (("data", (1, 7)),)


def test_sequence_and_batch_may_stand_in_front() -> None:
    described = interface(array_feature((3,)))
    assert bind_inputs(described, {"data": np.zeros((5, 2, 3))}, leading_axes=True).shapes == (("data", (5, 2, 3)),)
    with pytest.raises(InputError):
        bind_inputs(described, {"data": np.zeros((5, 2, 3))})


def test_optional_inputs_take_their_default() -> None:
    feeds = bind_inputs(interface(array_feature((2,), optional=True, default=1.5)), {}).feeds
    assert feeds["data"].tolist() == [1.5, 1.5]
    feeds = bind_inputs(interface(array_feature((2,), optional=True)), {"data": None}).feeds
    assert feeds["data"].tolist() == [0, 0]


def test_numbers_feed_scalars() -> None:
    feeds = bind_inputs(interface(ScalarFeature("x", "", False, "float64")), {"x": 2.5}).feeds
    assert feeds["x"].tolist() == [2.5]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([1, 2], "dictionary"),
        ({}, "no value is given for 'data'"),
        ({"data": None}, "no value is given for 'data'"),
        ({"dta": [1, 2]}, "Did you mean 'data'?"),
        ({"data": [1, 2, 3]}, "Allowed: (2)"),
        ({"data": "text"}, "must hold numbers"),
        ({"data": [[1], [1, 2]]}, "different lengths"),
        ({"data": np.zeros((2, 0))}, "(2, 0)"),
        ({"data": object()}, "must hold numbers"),
    ],
)
def test_bad_inputs_are_named(data: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        bind_inputs(interface(array_feature((2,))), data)  # type: ignore[arg-type]
    assert says in str(caught.value), str(caught.value)


def test_fractions_do_not_fit_whole_numbers() -> None:
    with pytest.raises(InputError, match="fractions"):
        bind_inputs(interface(array_feature((2,), "int32")), {"data": [1.0, 2.5]})
