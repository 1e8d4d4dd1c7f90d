"""Pad in all modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import as_floats, kind_of
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known


@writes("Pad")
def write_pad(node: NodeContext) -> Any:
    """Pad; negative pads cut."""
    x, mode = node.input(0), node.attribute("mode", "constant")
    flat = node.ints(1, "pads") or []
    axes = node.ints(3, "axes")
    axes = [axis + x.rank if axis < 0 else axis for axis in (axes if axes is not None else range(x.rank))]
    pads = [(0, 0)] * x.rank
    for place, axis in enumerate(axes):
        pads[axis] = (flat[place], flat[place + len(axes)])
    x = _cut(node, x, pads)
    pads = [(max(before, 0), max(after, 0)) for before, after in pads]
    if not any(size for pair in pads for size in pair):
        return node.mb.identity(x=x)
    if mode == "constant":
        return _pad_with_constant(node, x, pads)
    if mode in ("reflect", "edge") and not any(size for pair in pads[:-2] for size in pair) and x.rank >= 2:
        return _pad_image(node, x, pads, mode)
    for axis, (before, after) in enumerate(pads):
        if before or after:
            x = _pad_by_index(node, x, axis, before, after, mode)
    return x


def _cut(node: NodeContext, x: Any, pads: list[tuple[int, int]]) -> Any:
    begin = [max(-before, 0) for before, _ in pads]
    end = [min(after, 0) for _, after in pads]
    if not any(begin) and not any(end):
        return x
    return node.mb.slice_by_index(
        x=x,
        begin=begin,
        end=end,
        begin_mask=[start == 0 for start in begin],
        end_mask=[stop == 0 for stop in end],
    )


def _pad_with_constant(node: NodeContext, x: Any, pads: list[tuple[int, int]]) -> Any:
    known = node.constant(2)
    if node.has(2) and known is None:
        return _pad_with_computed_value(node, x, pads)
    value = np.float32(0) if known is None else known.reshape(())
    flat = [size for pair in pads for size in pair]
    number = np.float32(value)
    return as_floats(node, x, lambda values: node.mb.pad(x=values, pad=flat, mode="constant", constant_val=number))


def _pad_with_computed_value(node: NodeContext, x: Any, pads: list[tuple[int, int]]) -> Any:
    """A border of zeros, filled with a value that is only known when the model runs."""
    if not all(is_known(size) for size in x.shape):
        node.refuse("it pads a flexible size with a computed value", "a constant value")
    border = np.pad(np.zeros([int(size) for size in x.shape], bool), pads, constant_values=True)
    flat = [size for pair in pads for size in pair]
    padded = as_floats(node, x, lambda values: node.mb.pad(x=values, pad=flat, mode="constant"))
    value = node.mb.reshape(x=node.input(2), shape=[1] * x.rank)
    if kind_of(x) == "b":
        node.refuse("it pads truth values with a computed one", "a constant value")
    return node.mb.select(cond=border, a=value, b=padded)


def _pad_image(node: NodeContext, x: Any, pads: list[tuple[int, int]], mode: str) -> Any:
    """The last two axes by MIL's own modes, which take no more than the image has."""
    least = [size if mode == "edge" else size + 1 for size in (max(pair) for pair in pads[-2:])]
    if any(is_known(size) and size < needed for size, needed in zip(x.shape[-2:], least, strict=True)):
        for axis in (x.rank - 2, x.rank - 1):
            before, after = pads[axis]
            x = _pad_by_index(node, x, axis, before, after, mode)
        return x
    name = "reflect" if mode == "reflect" else "replicate"
    flat = [size for pair in pads[-2:] for size in pair]
    return as_floats(node, x, lambda values: node.mb.pad(x=values, pad=flat, mode=name))


def _pad_by_index(node: NodeContext, x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """Any mode along one axis, by gathering what stands where."""
    if not before and not after:
        return x
    if not is_known(x.shape[axis]):
        node.refuse(f"it pads axis {axis}, of flexible size, in mode {mode}", "fixed input shapes")
    indices = np.pad(np.arange(int(x.shape[axis]), dtype=np.int32), (before, after), mode=_NUMPY_MODES[mode])
    return as_floats(node, x, lambda values: node.mb.gather(x=values, indices=indices, axis=axis))


_NUMPY_MODES: dict[str, Any] = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
