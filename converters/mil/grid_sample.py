"""GridSample and AffineGrid.

MIL's ``resample`` (ML Programs) knows images of two axes, nearest and linear; neural networks, volumes and cubic
interpolation read each tap for itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sampling import inside, pixel_rows, read_rows, row_numbers, within
from mltoolkit.converters.mil.sizes import is_known, known_shape

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_MODES = {"linear": "bilinear", "bilinear": "bilinear", "nearest": "nearest", "cubic": "cubic", "bicubic": "cubic"}
_CUBIC = -0.75


@writes("GridSample")
def write_grid_sample(node: NodeContext) -> Any:
    """[N, C, *sizes] at the points of a grid [N, *target, axes] → [N, C, *target]."""
    x, grid = node.input(0), node.input(1)
    mode = _MODES.get(node.attribute("mode", "linear"))
    padding = node.attribute("padding_mode", "zeros")
    aligned = bool(node.attribute("align_corners", 0))
    if mode is None or padding not in ("zeros", "border", "reflection"):
        node.refuse(f"there is no mode {node.attribute('mode', 'linear')!r} with padding {padding!r}")
    if node.is_network or x.rank != 4 or mode == "cubic":
        return _read_each(node, x, grid, mode, padding, aligned)
    names = {"zeros": "constant", "border": "border", "reflection": "reflection" if aligned else "symmetric"}
    return node.mb.resample(
        x=x,
        coordinates=grid,
        sampling_mode=mode,
        padding_mode=names[padding],
        padding_value=np.float32(0),
        coordinates_mode="normalized_minus_one_to_one",
        align_corners=aligned,
    )


def _read_each(node: NodeContext, x: Any, grid: Any, mode: str, padding: str, aligned: bool) -> Any:
    """Every tap of every point read for itself."""
    mb = node.mb
    shape, target = known_shape(node, x, "GridSample"), known_shape(node, grid, "GridSample")
    sizes, points = shape[2:], int(np.prod(target[1:-1]))
    flat = mb.reshape(x=grid, shape=[target[0], points, len(sizes)])
    coordinates = []
    # The grid names the last axis first.
    for number, size in enumerate(sizes):
        at = len(sizes) - 1 - number
        values = mb.slice_by_index(x=flat, begin=[0, 0, at], end=[target[0], points, at + 1])
        values = mb.squeeze(x=values, axes=[2])
        # −1 … 1 spans the centres of the first and the last pixel, or the image from edge to edge.
        factor, shift = ((size - 1) / 2, (size - 1) / 2) if aligned else (size / 2, (size - 1) / 2)
        coordinates.append(mb.add(x=mb.mul(x=values, y=np.float32(factor)), y=np.float32(shift)))
    if mode != "cubic" and padding != "zeros":
        coordinates = [
            _padded(node, values, size, padding, aligned) for values, size in zip(coordinates, sizes, strict=True)
        ]
    taps = [_taps(node, values, mode) for values in coordinates]
    rows = pixel_rows(node, x, shape)
    image = np.arange(shape[0], dtype=np.int32).reshape(-1, 1) if shape[0] > 1 else None
    total: Any = None
    for combination in itertools.product(*taps):
        value = _tap(node, rows, combination, sizes, image, padding, aligned)
        total = value if total is None else mb.add(x=total, y=value)
    by_image = mb.reshape(x=total, shape=[shape[0], points, shape[1]])
    result = mb.transpose(x=by_image, perm=[0, 2, 1])
    return mb.reshape(x=result, shape=[shape[0], shape[1], *target[1:-1]])


def _tap(
    node: NodeContext,
    rows: Any,
    combination: Sequence[tuple[Any, Any]],
    sizes: Sequence[int],
    image: Any,
    padding: str,
    aligned: bool,
) -> Any:
    """One pixel for every point, times its weight; (N · P, C)."""
    mb = node.mb
    weight: Any = None
    places = []
    for (place, share), size in zip(combination, sizes, strict=True):
        factor = share
        if padding == "zeros":
            here = inside(node, place, 0, size - 1)
            factor = here if factor is None else mb.mul(x=factor, y=here)
        if factor is not None:
            weight = factor if weight is None else mb.mul(x=weight, y=factor)
        places.append(within(node, _padded(node, place, size, padding, aligned), size))
    values = read_rows(node, rows, row_numbers(node, places, sizes, image))
    if weight is None:
        return values
    return mb.mul(x=values, y=mb.reshape(x=weight, shape=[-1, 1]))


def _taps(node: NodeContext, x: Any, mode: str) -> list[tuple[Any, Any]]:
    """The pixels of an axis that count for a point, and how much; None for all."""
    mb = node.mb
    if mode == "nearest":
        # Half pixels go to the even one.
        return [(mb.round(x=x), None)]
    below = mb.floor(x=x)
    share = mb.sub(x=x, y=below)
    if mode == "bilinear":
        return [(below, mb.sub(x=np.float32(1), y=share)), (mb.add(x=below, y=np.float32(1)), share)]
    taps = []
    for offset in (-1, 0, 1, 2):
        far = mb.abs(x=mb.sub(x=share, y=np.float32(offset)))
        taps.append((mb.add(x=below, y=np.float32(offset)), _cubic(node, far, near=offset in (0, 1))))
    return taps


def _cubic(node: NodeContext, far: Any, *, near: bool) -> Any:
    """Keys' cubic at a distance of at most 1, or of 1 to 2."""
    a = _CUBIC
    factors = (a + 2, -(a + 3), 0.0, 1.0) if near else (a, -5 * a, 8 * a, -4 * a)
    mb = node.mb
    value: Any = None
    for factor in factors:
        value = np.float32(factor) if value is None else mb.add(x=mb.mul(x=far, y=value), y=np.float32(factor))
    return value


def _padded(node: NodeContext, x: Any, size: int, padding: str, aligned: bool) -> Any:
    """Coordinates brought into an axis as the padding asks; those of zeros stay."""
    mb = node.mb
    if padding == "zeros":
        return x
    if padding == "border":
        return within(node, x, size)
    low = 0.0 if aligned else -0.5
    span = float(size - 1) if aligned else float(size)
    if span == 0:
        return mb.mul(x=x, y=np.float32(0))
    # Folded at both ends: the distance from the first end, modulo twice the span.
    far = mb.abs(x=mb.sub(x=x, y=np.float32(low)))
    folded = mb.mod(x=far, y=np.float32(2 * span))
    mirrored = mb.sub(x=np.float32(2 * span), y=folded)
    return within(node, mb.add(x=mb.minimum(x=folded, y=mirrored), y=np.float32(low)), size)


@writes("AffineGrid")
def write_affine_grid(node: NodeContext) -> Any:
    """The points θ · (x, y, 1), or in space, of a target of constant size: [N, *target, axes]."""
    size = node.ints(1, "size") or []
    theta, aligned = node.input(0), bool(node.attribute("align_corners", 0))
    target = size[2:]
    axes = []
    for count in target:
        if aligned:
            # The reference divides by zero for a single point; onnxruntime gives −1.
            if count == 1:
                node.refuse("an axis of the target has a single point", "align_corners=0, or a target of 2 or more")
            axes.append(np.linspace(-1, 1, count))
        else:
            axes.append((2 * np.arange(count) + 1) / count - 1)
    grids = np.meshgrid(*axes, indexing="ij")
    base = np.stack([*(grid.reshape(-1) for grid in reversed(grids)), np.ones(grids[0].size)]).astype(np.float32)
    # (axes + 1, P)
    points = node.mb.transpose(x=node.mb.matmul(x=theta, y=base[np.newaxis]), perm=[0, 2, 1])
    batch = int(theta.shape[0]) if is_known(theta.shape[0]) else size[0]
    return node.mb.reshape(x=points, shape=[batch, *target, len(target)])
