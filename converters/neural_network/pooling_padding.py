"""The padding of a pooling layer in its three kinds: valid, same and includeLastPixel."""

from __future__ import annotations

from dataclasses import dataclass

from mltoolkit.converters.neural_network.borders import AXES, Borders, read_borders
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.converters.neural_network.windows import (
    NO_PADDING,
    Window,
    check_fit,
    same_amounts,
)
from mltoolkit.errors import InvalidModelError, UnsupportedModelError


@dataclass(frozen=True)
class PoolPadding:
    """What surrounds the input of a pooling layer: the padding proper, and elements beyond it that the last
    window covers."""

    amounts: Borders = NO_PADDING
    overhang: Borders = NO_PADDING

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return self != PoolPadding()

    @property
    def even(self) -> bool:
        """The same amount on all four sides, and no overhang."""
        sides = {amount for axis in self.amounts for amount in axis}
        return len(sides) == 1 and self.overhang == NO_PADDING

    def all_amounts(self) -> Borders:
        """Padding and overhang together."""
        height, width = (
            (start + over_start, end + over_end)
            for (start, end), (over_start, over_end) in zip(self.amounts, self.overhang, strict=True)
        )
        return height, width


def read_padding(context: LayerContext, sizes: tuple[int, int], window: Window) -> PoolPadding:
    """The padding of the current pooling layer for an input of height and width ``sizes``.

    Raises:
        InvalidModelError: no window fits, or the padding cannot be read.
        UnsupportedModelError: some window sees nothing but padding.
    """
    params = context.params
    kind = params.WhichOneof("PoolingPaddingType")
    if kind is None:
        raise InvalidModelError("the padding type is not set", where=context.where)
    if kind == "same":
        return PoolPadding(same_amounts(sizes, window, params.same.asymmetryMode))
    if kind == "valid":
        padding = PoolPadding(read_borders(context, "paddingAmounts", params.valid.paddingAmounts))
        check_fit(context, sizes, window, padding.amounts)
    else:
        padding = _include_last_pixel(context, sizes, window)
    for name, kernel, borders in zip(AXES, window.kernel, padding.all_amounts(), strict=True):
        if max(borders) >= kernel:
            raise UnsupportedModelError(
                f"the padding of {max(borders)} along the {name} is not smaller than the kernel of {kernel}: "
                "windows that see nothing but padding have no value",
                where=context.where,
            )
    return padding


def _include_last_pixel(context: LayerContext, sizes: tuple[int, int], window: Window) -> PoolPadding:
    padding = _symmetric_amounts(context)
    amounts, overhang = [], []
    for name, size, kernel, stride, border in zip(AXES, sizes, window.kernel, window.stride, padding, strict=True):
        count = -((size + 2 * border - kernel) // -stride) + 1
        # "if there is padding", on either axis, no window starts beyond the input
        if any(padding) and (count - 1) * stride >= size + border:
            count -= 1
        if count < 1:
            raise InvalidModelError(
                f"the kernel spans {kernel} elements along the {name} but the padded input has only "
                f"{size + 2 * border}",
                where=context.where,
            )
        # Where the last window ends before the end padding does, only a part of that is needed.
        beyond = (count - 1) * stride + kernel - size - 2 * border
        amounts.append((border, max(0, border + min(0, beyond))))
        overhang.append((0, max(0, beyond)))
    return PoolPadding((amounts[0], amounts[1]), (overhang[0], overhang[1]))


def _symmetric_amounts(context: LayerContext) -> tuple[int, int]:
    name = "paddingAmounts"
    stated = context.params.includeLastPixel.paddingAmounts
    values = [stated_size(context, name, value, minimum=0) for value in stated]
    if len(values) not in (0, 2):
        raise InvalidModelError(f"{name} has {len(values)} entries where 2, [H, W], are needed", where=context.where)
    return (values[0], values[1]) if values else (0, 0)
