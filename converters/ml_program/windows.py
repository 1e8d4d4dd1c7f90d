"""Windows that slide over the spatial axes of (N, C, *D): kernel, strides, dilations and padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.errors import InvalidModelError, UnsupportedModelError, did_you_mean

PAD_TYPES = ("valid", "same", "same_lower", "custom")
# No axis of a real tensor is longer.
_MAX_SIZE = (1 << 31) - 1


@dataclass(frozen=True)
class Window:
    """A window; one number a spatial axis in each field.

    Attributes:
        kernel: taps.
        strides: step from one window to the next.
        dilations: step from one tap to the next.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @property
    def extents(self) -> tuple[int, ...]:
        """Elements from the first to the last tap, both included."""
        return tuple((taps - 1) * step + 1 for taps, step in zip(self.kernel, self.dilations, strict=True))


def read_window(context: MilContext, kernel: tuple[int, ...]) -> Window:
    """The window of the current operation.

    Raises:
        InvalidModelError: a number is missing or beyond reason.
    """
    ones = [1] * len(kernel)
    window = Window(kernel, tuple(context.ints("strides", ones)), tuple(context.ints("dilations", ones)))
    for name, numbers in (
        ("kernel", kernel),
        ("strides", window.strides),
        ("dilations", window.dilations),
    ):
        if len(numbers) != len(kernel) or not all(1 <= number <= _MAX_SIZE for number in numbers):
            raise InvalidModelError(
                f"{name} is {list(numbers)} where {len(kernel)} positive numbers are needed",
                where=context.where,
            )
    return window


def read_pad_type(context: MilContext) -> str:
    """How the input is padded, one of :data:`PAD_TYPES`."""
    name = str(context.const("pad_type", "valid")).lower()
    if name not in PAD_TYPES:
        raise InvalidModelError(f"there is no padding {name!r}", where=context.where, fix=did_you_mean(name, PAD_TYPES))
    return name


def custom_amounts(context: MilContext, axes: int) -> list[tuple[int, int]]:
    """The constant ``pad`` as (before, after) a spatial axis.

    Raises:
        InvalidModelError: its length is another, or a number is beyond reason.
    """
    numbers = context.ints("pad", [0] * 2 * axes)
    if len(numbers) != 2 * axes or not all(0 <= number <= _MAX_SIZE for number in numbers):
        raise InvalidModelError(f"pad is {numbers} where {2 * axes} numbers from 0 are needed", where=context.where)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def split_total(total: int, *, more_before: bool) -> tuple[int, int]:
    """A padding as (before, after); an odd element goes after, unless ``more_before``."""
    less = total // 2
    return (total - less, less) if more_before else (less, total - less)


def padding_amounts(
    context: MilContext, pad_type: str, sizes: tuple[int, ...], window: Window
) -> list[tuple[int, int]]:
    """The padding as (before, after) a spatial axis.

    Args:
        context: the operation.
        pad_type: one of :data:`PAD_TYPES`. With ``same`` an axis of n elements has ⌈n / stride⌉ windows.
        sizes: spatial sizes of the input.
        window: the window.
    """
    if pad_type == "custom":
        return custom_amounts(context, len(sizes))
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    return [
        split_total(max(0, (size - 1) // stride * stride + extent - size), more_before=pad_type == "same_lower")
        for size, extent, stride in zip(sizes, window.extents, window.strides, strict=True)
    ]


def spatial_sizes(context: MilContext, name: str = "x") -> tuple[int, ...]:
    """The spatial sizes of an input.

    Raises:
        UnsupportedModelError: one is only known when the model runs.
    """
    sizes = []
    for axis, size in enumerate(context.shape(name)[2:], 2):
        if not isinstance(size, int):
            raise UnsupportedModelError(
                f"the size of axis {axis} of {name!r} must be known before the model runs",
                where=context.where,
            )
        sizes.append(size)
    return tuple(sizes)


def attributes(window: Window, amounts: list[tuple[int, int]]) -> dict[str, Any]:
    """The window as ONNX attributes."""
    before, after = zip(*amounts, strict=True)
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.strides),
        "dilations": list(window.dilations),
        "pads": [*before, *after],
    }
