"""Any parameter of an operation with indices, sizes or modes may be damaged: only our own errors come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_runs import UNUSED, program_of_one

from mltoolkit.errors import MLToolkitError
from mltoolkit.model import Model

X = np.ones((2, 4, 4, 6), np.float32)
INDICES = np.zeros((2, 4), np.int32)
MATRIX = np.ones((1, 6), np.float32)
POINTS = np.zeros((2, 3, 3, 2), np.float32)
BOXES = np.ones((2, 4), np.float32)
SIZES = {"target_size_height": np.int32(3), "target_size_width": np.int32(5)}
BLOCKS = {"block_shape": np.array([2, 2])}
SAMPLING = {
    "sampling_mode": "bilinear",
    "padding_mode": "constant",
    "padding_value": np.float32(0),
    "coordinates_mode": "normalized_minus_one_to_one",
    "align_corners": np.bool_(True),
}
# Kind, arrays, constants, rank of the outputs.
OPERATIONS: list[tuple[str, dict[str, Any], dict[str, Any], tuple[int, ...]]] = [
    ("gather", {"x": X}, {"indices": INDICES, "axis": np.int32(1), "batch_dims": np.int32(1)}, (4,)),
    ("gather_along_axis", {"x": X[0, 0]}, {"indices": INDICES, "axis": np.int32(0)}, (2,)),
    ("gather_nd", {"x": X}, {"indices": INDICES, "validate_indices": np.bool_(True)}, (1,)),
    (
        "scatter",
        {"data": X, "updates": X[:1]},
        {"indices": np.array([0]), "axis": np.int32(0), "mode": "add", "validate_indices": np.bool_(False)},
        (4,),
    ),
    (
        "scatter_along_axis",
        {"data": X[0, 0], "updates": X[0, 0]},
        {"indices": np.zeros((4, 6), np.int32), "axis": np.int32(0), "mode": "div"},
        (2,),
    ),
    ("scatter_nd", {"data": X, "updates": X[0, 0, 0, :2]}, {"indices": INDICES, "mode": "max"}, (4,)),
    (
        "slice_update",
        {"x": X[0, 0], "update": X[0, 0, :2]},
        {"begin": np.array([0, 0]), "end": np.array([2, 6]), "stride": np.array([1, 1])}
        | {name: np.array([False, False]) for name in ("begin_mask", "end_mask", "squeeze_mask")},
        (2,),
    ),
    (
        "sliding_windows",
        {"x": X},
        {"axis": np.int32(1), "size": np.int32(2), "stride": np.int32(1)},
        (5,),
    ),
    ("tile", {"x": X}, {"reps": np.array([1, 2, 1, 1])}, (4,)),
    ("fill", {}, {"shape": np.array([2, 3]), "value": np.float32(1)}, (2,)),
    ("fill_like", {"ref_tensor": X}, {"value": np.float32(1)}, (4,)),
    ("range_1d", {"end": X[0, 0, 0, :1]}, {"start": np.float32(0), "step": np.float32(1)}, (1,)),
    (
        "one_hot",
        {"indices": INDICES},
        {"one_hot_vector_size": np.int32(3), "axis": np.int32(-1)}
        | {"on_value": np.float32(1), "off_value": np.float32(0)},
        (3,),
    ),
    (
        "topk",
        {"x": X},
        {
            "k": np.int32(2),
            "axis": np.int32(1),
            "ascending": np.bool_(True),
            "return_indices": np.bool_(True),
        },
        (4, 4),
    ),
    ("argsort", {"x": X}, {"axis": np.int32(1), "ascending": np.bool_(True)}, (4,)),
    ("cumsum", {"x": X}, {"axis": np.int32(1), "exclusive": np.bool_(True), "reverse": np.bool_(True)}, (4,)),
    ("reverse", {"x": X}, {"axes": np.array([0, 1])}, (4,)),
    (
        "reverse_sequence",
        {"x": X, "lengths": INDICES[:, 0]},
        {"seq_axis": np.int32(1), "batch_axis": np.int32(0)},
        (4,),
    ),
    ("band_part", {"x": X}, {"lower": np.int32(1), "upper": np.int32(0)}, (4,)),
    ("depth_to_space", {"x": X}, {"block_size": np.int32(2)}, (4,)),
    ("space_to_depth", {"x": X}, {"block_size": np.int32(2)}, (4,)),
    ("pixel_unshuffle", {"x": X}, {"downscale_factor": np.int32(2)}, (4,)),
    ("space_to_batch", {"x": X}, BLOCKS | {"paddings": np.zeros((2, 2), np.int32)}, (4,)),
    ("batch_to_space", {"x": X.repeat(2, 0)}, BLOCKS | {"crops": np.zeros((2, 2), np.int32)}, (4,)),
    ("crop", {"x": X}, {"crop_height": np.array([1, 1]), "crop_width": np.array([1, 1])}, (4,)),
    ("upsample_nearest_neighbor", {"x": X}, {"scale_factor_height": np.float32(1.5)}, (4,)),
    (
        "upsample_bilinear",
        {"x": X},
        {"scale_factor_height": np.int32(2), "align_corners": np.bool_(False)},
        (4,),
    ),
    ("resize_nearest_neighbor", {"x": X}, SIZES, (4,)),
    ("resize_bilinear", {"x": X}, SIZES | {"sampling_mode": "OFFSET_CORNERS"}, (4,)),
    (
        "resize",
        {"x": X},
        {"shape": np.array([3, 5]), "resized_dims": np.int32(2), "interpolation_mode": "LINEAR"},
        (4,),
    ),
    (
        "crop_resize",
        {"x": X, "boxes": BOXES},
        {"box_indices": np.array([0, 1]), "target_height": np.int32(2), "spatial_scale": np.float32(1)}
        | {"normalized_coordinates": np.bool_(True), "pad_value": np.float32(1), "sampling_mode": "DEFAULT"},
        (4,),
    ),
    ("resample", {"x": X, "coordinates": POINTS}, SAMPLING, (4,)),
    (
        "affine",
        {"x": X, "transform_matrix": MATRIX},
        SAMPLING | {"output_height": np.int32(2), "output_width": np.int32(2)},
        (4,),
    ),
    (
        "non_maximum_suppression",
        {"boxes": X[0, :, :, :4], "scores": X[0]},
        {"iou_threshold": np.float32(0.5), "score_threshold": np.float32(0), "max_boxes": np.int32(3)}
        | {"per_class_suppression": np.bool_(True)},
        (3, 3, 2, 1),
    ),
]
DAMAGE: list[Any] = [
    np.int32(2**31 - 1),
    np.int32(-(2**31)),
    np.int32(-7),
    np.int32(0),
    np.int32(3),
    np.float32(np.nan),
    np.float32(-np.inf),
    np.float32(1e30),
    np.bool_(True),
    "text",
    np.array([1, 2, 3], np.int32),
    np.zeros(0, np.int32),
    np.zeros((2, 2, 2), np.float32),
    np.full((1, 1), 2**31 - 1, np.int32),
]
INTEGERS = ("topk", "argsort")


def program(kind: str, arrays: dict[str, Any], constants: dict[str, Any], ranks: tuple[int, ...]) -> Any:
    types = ["float32"] * len(ranks)
    if kind in INTEGERS:
        types[-1] = "int32"
    if kind == "non_maximum_suppression":
        types[2:] = ["int32", "int32"]
    outputs = {
        f"out{index}": (dtype, (None,) * rank) for index, (dtype, rank) in enumerate(zip(types, ranks, strict=True))
    }
    return program_of_one(kind, arrays, constants, outputs), arrays or UNUSED


def test_all_are_sound_when_undamaged() -> None:
    for operation in OPERATIONS:
        spec, fed = program(*operation)
        Model(spec).predict(fed)


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation[0] for operation in OPERATIONS])
def test_damaged_parameters(operation: Any) -> None:
    kind, arrays, constants, ranks = operation
    refused = 0
    for name in constants:
        for damage in [*DAMAGE, None]:
            changed = {key: given for key, given in constants.items() if key != name}
            if damage is not None:
                changed[name] = damage
            spec, fed = program(kind, arrays, changed, ranks)
            try:
                Model(spec).predict(fed)
            except MLToolkitError:
                refused += 1
            except Exception as error:
                raise AssertionError(f"{kind}: {name} = {damage!r} gives {error!r}") from error
    assert refused, "no damage was found"


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation[0] for operation in OPERATIONS])
def test_inputs_of_other_ranks(operation: Any) -> None:
    kind, arrays, constants, ranks = operation
    for name, array in arrays.items():
        for other in (array[None], array[0], array.reshape(-1)[:1]):
            spec, fed = program(kind, arrays | {name: other}, constants, ranks)
            try:
                Model(spec).predict(fed)
            except MLToolkitError:
                continue
            except Exception as error:
                raise AssertionError(f"{kind}: {name} of shape {other.shape} gives {error!r}") from error
