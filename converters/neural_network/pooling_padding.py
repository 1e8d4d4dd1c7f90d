"""The padding of a pooling layer in its three kinds: valid, same and includeLastPixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mltoolkit.converters.neural_network.borders import AXES, Borders, read_borders
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.converters.neural_network.windows import (
    NO_PADDING,
    TOP_LEFT_HEAVY,
    Window,
    check_fit,
    onnx_pads,
    same_amounts,
)
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.graph.builder import Dimension


@dataclass(frozen=True)
class PoolPadding:
    """What surrounds the input of a pooling layer.

    Args:
        amounts: the padding proper.
        overhang: elements beyond it that the last window covers.
        ceil_mode: the overhang is only known when the model runs.
        auto_pad: ONNX's name of a ``same`` padding that is only known when the model runs.
    """

    amounts: Borders = NO_PADDING
    overhang: Borders = NO_PADDING
    ceil_mode: bool = False
    auto_pad: str = ""

    @property
    def even(self) -> bool:
        """The same amount on all four sides, and nothing else."""
        return len({amount for axis in self.amounts for amount in axis}) == 1 and self == PoolPadding(
            self.amounts
        )

    def all_amounts(self) -> Borders:
        """Padding and overhang together."""
        height, width = (
            (start + over_start, end + over_end)
            for (start, end), (over_start, over_end) in zip(self.amounts, self.overhang, strict=True)
        )
        return height, width

    def attributes(self) -> dict[str, Any]:
        """Attributes of an ONNX pooling operation that pads so."""
        if self.auto_pad:
            return {"auto_pad": self.auto_pad}
        return {"pads": onnx_pads(self.all_amounts()), "ceil_mode": int(self.ceil_mode)}


def read_padding(
    context: LayerContext, sizes: tuple[Dimension, Dimension], window: Window, sees_padding: bool
) -> PoolPadding:
    """The padding of the current pooling layer for an input of height and width ``sizes``.

    Args:
        context: the layer's context.
        sizes: height and width, not integers where they are unknown.
        window: the pooling window.
        sees_padding: padded elements count as zeros.

    Raises:
        InvalidModelError: no window fits, or the padding cannot be read.
        UnsupportedModelError: some window sees nothing but padding that does not count.
    """
    params = context.params
    kind = params.WhichOneof("PoolingPaddingType")
    if kind is None:
        raise InvalidModelError("the padding type is not set", where=context.where)
    if kind == "same":
        mode = params.same.asymmetryMode
        same = same_amounts(sizes, window, mode)
        if same is not None:
            return PoolPadding(same)
        return PoolPadding(auto_pad="SAME_LOWER" if mode == TOP_LEFT_HEAVY else "SAME_UPPER")
    if kind == "valid":
        padding = PoolPadding(read_borders(context, "paddingAmounts", params.valid.paddingAmounts))
        check_fit(context, sizes, window, padding.amounts)
    else:
        padding = _include_last_pixel(context, sizes, window)
    if not sees_padding:
        _check_windows(context, window, padding)
    return padding


def _include_last_pixel(
    context: LayerContext, sizes: tuple[Dimension, Dimension], window: Window
) -> PoolPadding:
    padding = _symmetric_amounts(context)
    amounts = ((padding[0], padding[0]), (padding[1], padding[1]))
    overhang = []
    for name, size, kernel, stride, border in zip(
        AXES, sizes, window.kernel, window.stride, padding, strict=True
    ):
        if not isinstance(size, int):
            return PoolPadding(amounts, ceil_mode=True)
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
        overhang.append((count - 1) * stride + kernel - size - 2 * border)
    # A negative overhang: the last window ends before the end padding does, of which a part is needed then.
    ends = [border + min(0, over) for border, over in zip(padding, overhang, strict=True)]
    return PoolPadding(
        ((padding[0], max(0, ends[0])), (padding[1], max(0, ends[1]))),
        ((0, max(0, overhang[0])), (0, max(0, overhang[1]))),
    )


def _symmetric_amounts(context: LayerContext) -> tuple[int, int]:
    name = "paddingAmounts"
    values = [
        stated_size(context, name, value, minimum=0)
        for value in context.params.includeLastPixel.paddingAmounts
    ]
    if len(values) not in (0, 2):
        raise InvalidModelError(
            f"{name} has {len(values)} entries where 2, [H, W], are needed", where=context.where
        )
    return (values[0], values[1]) if values else (0, 0)


def _check_windows(context: LayerContext, window: Window, padding: PoolPadding) -> None:
    for name, kernel, (start, end) in zip(AXES, window.kernel, padding.all_amounts(), strict=True):
        if max(start, end) >= kernel:
            raise UnsupportedModelError(
                f"the padding of {max(start, end)} along the {name} is not smaller than the kernel of "
                f"{kernel}: windows that see nothing but padding have no value",
                where=context.where,
            )
