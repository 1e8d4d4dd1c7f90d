"""Resize, GridSample, RoiAlign, NonMaxSuppression and other operators of images, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from checking import check_onnx, check_refused, one_node
from onnx.reference import ReferenceEvaluator

RNG = np.random.default_rng(43)
IMAGE = RNG.standard_normal((1, 2, 5, 6)).astype(np.float32)
TRANSFORMATIONS = ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"]


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def resize(
    feeds: dict[str, np.ndarray],
    scales: list[float] | None = None,
    sizes: list[int] | None = None,
    shapes: Any = None,
    **attributes: Any,
) -> Any:
    constants = {"scales": np.array(scales, np.float32)} if scales else {"sizes": np.array(sizes)}
    order = ["x", "", "scales"] if scales else ["x", "", "", "sizes"]
    return one_node("Resize", feeds, constants, order, shapes=shapes, **attributes)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_sizes_that_no_factor_gives(mode: str, transformation: str) -> None:
    model = resize(
        {"x": IMAGE}, sizes=[1, 2, 8, 4], mode=mode, coordinate_transformation_mode=transformation, antialias=0
    )
    check_onnx(model, {"x": IMAGE})


@pytest.mark.parametrize(
    ("transformation", "rounding"),
    [
        ("half_pixel", "round_prefer_floor"),
        ("half_pixel", "ceil"),
        ("align_corners", "round_prefer_ceil"),
        ("asymmetric", "floor"),
    ],
)
def test_nearest(transformation: str, rounding: str) -> None:
    model = resize(
        {"x": IMAGE},
        sizes=[1, 2, 8, 4],
        mode="nearest",
        coordinate_transformation_mode=transformation,
        nearest_mode=rounding,
    )
    check_onnx(model, {"x": IMAGE})


@pytest.mark.parametrize(
    ("attributes", "operation"),
    [
        ({"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, "nearest"),
        ({"mode": "nearest"}, "nearest"),
        ({"mode": "linear"}, "bilinear"),
        ({"mode": "linear", "coordinate_transformation_mode": "align_corners"}, "bilinear"),
        ({"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, "bilinear"),
    ],
)
@pytest.mark.parametrize("height", [5, "h"])
def test_core_ml_resizes_what_it_can_itself(attributes: dict[str, Any], operation: str, height: Any) -> None:
    transformation = attributes.get("coordinate_transformation_mode")
    model = resize({"x": IMAGE}, scales=[1, 1, 2, 3], shapes={"x": [1, 2, height, 6]}, **attributes)
    checked = check_onnx(model, {"x": IMAGE})
    if height == "h" and operation == "bilinear" and transformation == "asymmetric":
        return
    for result in checked.values():
        assert "matmul" not in result.written.operations
        assert "gather" not in result.written.operations


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_smaller_without_aliasing(mode: str) -> None:
    model = resize({"x": IMAGE}, scales=[1, 1, 0.6, 0.5], mode=mode, antialias=1)
    check_onnx(model, {"x": IMAGE})


def test_volumes_and_integers() -> None:
    volume = random(1, 2, 3, 4, 3)
    check_onnx(resize({"x": volume}, sizes=[1, 2, 5, 6, 7], mode="linear"), {"x": volume})
    numbers = {"x": RNG.integers(0, 255, (1, 1, 3, 4)).astype(np.int32)}
    check_onnx(resize(numbers, scales=[1, 1, 2, 1.5], mode="nearest"), numbers)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("aligned", [0, 1])
def test_grid_sample(mode: str, padding: str, aligned: int) -> None:
    image, grid = random(2, 3, 5, 6), RNG.uniform(-1.6, 1.6, (2, 4, 3, 2)).astype(np.float32)
    feeds = {"x": image, "g": grid}
    check_onnx(one_node("GridSample", feeds, mode=mode, padding_mode=padding, align_corners=aligned), feeds)


@pytest.mark.parametrize(("padding", "aligned"), [("zeros", 0), ("reflection", 1)])
def test_cubic_grid_sample(padding: str, aligned: int) -> None:
    feeds = {"x": random(1, 2, 5, 6), "g": RNG.uniform(-1.6, 1.6, (1, 4, 3, 2)).astype(np.float32)}
    check_onnx(one_node("GridSample", feeds, mode="cubic", padding_mode=padding, align_corners=aligned), feeds)


def test_grid_sample_of_a_volume() -> None:
    feeds = {"x": random(1, 2, 3, 4, 5), "g": RNG.uniform(-1.2, 1.2, (1, 2, 3, 2, 3)).astype(np.float32)}
    check_onnx(one_node("GridSample", feeds, mode="linear", align_corners=1), feeds)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("transformation", ["half_pixel", "output_half_pixel"])
def test_roi_align(mode: str, transformation: str) -> None:
    boxes = np.array([[0.3, 0.2, 4.1, 3.9], [-3.0, -2.0, 9.5, 8.0], [2.0, 2.5, 2.2, 2.6]], np.float32)
    feeds = {"x": random(2, 2, 5, 6), "b": boxes, "n": np.array([0, 1, 1])}
    model = one_node(
        "RoiAlign",
        feeds,
        output_height=3,
        output_width=2,
        sampling_ratio=2,
        spatial_scale=0.8,
        mode=mode,
        coordinate_transformation_mode=transformation,
    )
    # onnxruntime computes the samples' weights in another order; at integers that makes a difference of 1e-6.
    check_onnx(model, feeds)


@pytest.mark.parametrize("system", ["iOS15", "iOS17"])
@pytest.mark.parametrize(("images", "classes", "centre"), [(1, 1, 0), (2, 3, 0), (1, 2, 1)])
def test_non_max_suppression(system: str, images: int, classes: int, centre: int) -> None:
    corners = RNG.uniform(0, 1, (images, 12, 2))
    boxes = np.concatenate([corners, corners + RNG.uniform(0.1, 0.5, (images, 12, 2))], axis=2).astype(np.float32)
    if not centre:
        boxes[:, ::3] = boxes[:, ::3, [2, 1, 0, 3]]
    feeds = {"b": boxes, "s": RNG.uniform(0, 1, (images, classes, 12)).astype(np.float32)}
    limits = {"m": np.array([5]), "i": np.array([0.3], np.float32), "t": np.array([0.4], np.float32)}
    model = one_node("NonMaxSuppression", feeds, limits, center_point_box=centre)
    formats = ["mlpackage", "mlmodel"] if system == "iOS15" else ["mlpackage"]
    check_onnx(model, feeds, formats=formats, minimum_deployment_target=system)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str) -> None:
    feeds = {"x": random(2, 8, 3, 4)}
    check_onnx(one_node("DepthToSpace", feeds, blocksize=2, mode=mode), feeds)


def test_space_to_depth() -> None:
    feeds = {"x": random(2, 3, 4, 6)}
    check_onnx(one_node("SpaceToDepth", feeds, blocksize=2), feeds)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.bool_])
def test_center_crop_pad(kind: Any) -> None:
    feeds = {"x": (RNG.standard_normal((3, 8, 5)) * 3).astype(kind)}
    model = one_node("CenterCropPad", feeds, {"s": np.array([6, 5, 8])})
    x = feeds["x"]
    expected = np.zeros((6, 5, 8), dtype=kind)
    expected[1:4, :, 1:6] = x[:, 1:6]
    check_onnx(model, feeds, expected={"y": expected})


def test_affine_grid() -> None:
    feeds = {"t": random(2, 2, 3)}
    for aligned in (0, 1):
        check_onnx(one_node("AffineGrid", feeds, {"s": np.array([2, 3, 4, 5])}, align_corners=aligned), feeds)
    check_refused(one_node("AffineGrid", feeds, {"s": np.array([2, 3, 1, 5])}, align_corners=1), "single point")


@pytest.mark.parametrize(("groups", "parts"), [(1, 1), (2, 2)])
def test_deformed_convolution(groups: int, parts: int) -> None:
    feeds = {"x": random(2, 4, 5, 6), "o": random(2, parts * 2 * 3 * 2, 4, 5) * 2, "m": random(2, parts * 6, 4, 5)}
    constants = {"w": random(6, 4 // groups, 2, 3), "b": random(6)}
    model = one_node(
        "DeformConv",
        feeds,
        constants,
        ["x", "w", "o", "b", "m"],
        group=groups,
        offset_group=parts,
        pads=[0, 1, 1, 0],
        dilations=[2, 1],
        strides=[1, 1],
    )
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    check_onnx(model, feeds, expected={"y": expected})


@pytest.mark.parametrize(
    ("mode", "transformation", "rounding"),
    [
        ("nearest", "asymmetric", "floor"),
        ("nearest", "half_pixel", "round_prefer_floor"),
        ("linear", "half_pixel", "floor"),
        ("linear", "align_corners", "floor"),
        ("linear", "asymmetric", "floor"),
    ],
)
def test_to_the_size_of_another_tensor(mode: str, transformation: str, rounding: str) -> None:
    """As the decoders of segmentation networks do."""
    attributes = f'mode = "{mode}", coordinate_transformation_mode = "{transformation}", nearest_mode = "{rounding}"'
    text = f"""
    <ir_version: 10, opset_import: ["" : 21]>
    agraph (float[1,2,h,w] x, float[1,3,k,l] other) => (float[1,2,k,l] y)
    <int64[1] two = {{2}}, int64[1] zero = {{0}}, int64[1] four = {{4}}>
    {{
      shape = Shape(other)
      space = Slice(shape, two, four)
      own = Shape(x)
      before = Slice(own, zero, two)
      sizes = Concat<axis = 0>(before, space)
      y = Resize<{attributes}>(x, , , sizes)
    }}
    """
    model = onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text), data_prop=True)
    check_onnx(model, {"x": IMAGE, "other": random(1, 3, 9, 13)})
    check_onnx(model, {"x": IMAGE, "other": random(1, 3, 10, 4)}, formats=["mlpackage"])


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_flexible_sizes_by_broken_factors_and_to_fixed_sizes(mode: str) -> None:
    shapes = {"x": [1, 2, "h", "w"]}
    check_onnx(resize({"x": IMAGE}, scales=[1, 1, 1.5, 0.5], shapes=shapes, mode=mode), {"x": IMAGE})
    check_onnx(resize({"x": IMAGE}, sizes=[1, 2, 7, 4], shapes=shapes, mode=mode), {"x": IMAGE})
    checked = check_onnx(
        resize({"x": IMAGE}, sizes=[1, 2, 7, 4], shapes=shapes, mode=mode),
        {"x": IMAGE},
        formats=["mlpackage"],
        precision="float16",
        minimum=50,
    )
    assert checked


def test_sizes_that_onnx_and_onnxruntime_disagree_about_are_refused() -> None:
    """10 · 0.7 is 6 for onnx's shape inference, which multiplies in double, and 7 for onnxruntime and PyTorch."""
    check_refused(resize({"x": random(1, 1, 10, 10)}, scales=[1, 1, 0.7, 0.7], mode="nearest"), "would have the shape")
