"""The padding of a pooling layer in its three kinds: valid, same and includeLastPixel."""

from __future__ import annotations

from mltoolkit.converters.neural_network.borders import AXES, read_borders
from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.converters.neural_network.windows import Window, check_fit, same_amounts
from mltoolkit.converters.pooling import PoolAxis
from mltoolkit.errors import InvalidModelError


def read_axes(context: LayerContext, sizes: tuple[int, int], window: Window) -> list[PoolAxis]:
    """The windows of the current pooling layer along height and width, for an input of these sizes.

    Raises:
        InvalidModelError: no window fits, or the padding cannot be read.
    """
    params = context.params
    kind = params.WhichOneof("PoolingPaddingType")
    if kind is None:
        raise InvalidModelError("the padding type is not set", where=context.where)
    if kind == "includeLastPixel":
        return _include_last_pixel(context, sizes, window)
    if kind == "same":
        amounts = same_amounts(sizes, window, params.same.asymmetryMode)
    else:
        amounts = read_borders(context, "paddingAmounts", params.valid.paddingAmounts)
        check_fit(context, sizes, window, amounts)
    return [
        PoolAxis(f"the {name}", size, kernel, stride, start, end, (size + start + end - kernel) // stride + 1)
        for name, size, kernel, stride, (start, end) in zip(
            AXES, sizes, window.kernel, window.stride, amounts, strict=True
        )
    ]


def _include_last_pixel(context: LayerContext, sizes: tuple[int, int], window: Window) -> list[PoolAxis]:
    padding = _symmetric_amounts(context)
    axes = []
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
        axes.append(PoolAxis(f"the {name}", size, kernel, stride, border, border, count))
    return axes


def _symmetric_amounts(context: LayerContext) -> tuple[int, int]:
    name = "paddingAmounts"
    stated = context.params.includeLastPixel.paddingAmounts
    values = [stated_size(context, name, value, minimum=0) for value in stated]
    if len(values) not in (0, 2):
        raise InvalidModelError(f"{name} has {len(values)} entries where 2, [H, W], are needed", where=context.where)
    return (values[0], values[1]) if values else (0, 0)
