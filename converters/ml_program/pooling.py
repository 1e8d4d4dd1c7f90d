"""Pooling over one, two or three spatial axes: maximum, average and L2 norm of windows.

What windows at the border see is told in :mod:`mltoolkit.converters.pooling`. With ``ceil_mode`` the last window may
overhang the padded input, but not start beyond it, as in PyTorch.
"""

from __future__ import annotations

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.converters.ml_program.windows import padding_amounts, read_pad_type, read_window, spatial_sizes
from mltoolkit.converters.pooling import PoolAxis, average_pool, l2_pool, max_pool
from mltoolkit.errors import InvalidModelError


def _read(context: MilContext) -> list[PoolAxis]:
    sizes = spatial_sizes(context)
    window = read_window(context, tuple(context.ints("kernel_sizes")))
    if len(window.kernel) != len(sizes):
        raise InvalidModelError(
            f"a kernel of {len(window.kernel)} axes does not fit an input of {len(sizes)}",
            where=context.where,
        )
    padding = padding_amounts(context, read_pad_type(context), sizes, window)
    axes = []
    for axis, (size, taps, stride, (before, after)) in enumerate(
        zip(sizes, window.kernel, window.strides, padding, strict=True), 2
    ):
        room = size + before + after - taps
        count = room // stride + 1
        if context.const("ceil_mode", False):
            count = -(room // -stride) + 1
            if (count - 1) * stride >= size + before and before + after > 0:
                count -= 1
        if count < 1:
            raise InvalidModelError(
                f"the kernel spans {taps} elements along axis {axis} but the padded input has only "
                f"{size + before + after}",
                where=context.where,
            )
        axes.append(PoolAxis(f"axis {axis}", size, taps, stride, before, after, count))
    return axes


@converts("max_pool")
def convert_max_pool(context: MilContext) -> None:
    """MaxPool, (N, C, *D) → (N, C, *D_out)."""
    context.output(max_pool(context.builder, context.value("x"), _read(context), context.where))


@converts("avg_pool")
def convert_avg_pool(context: MilContext) -> None:
    """AveragePool, (N, C, *D) → (N, C, *D_out)."""
    axes, counts_padding = _read(context), not context.const("exclude_padding_from_average", False)
    context.output(
        average_pool(context.builder, context.value("x"), axes, context.where, counts_padding=counts_padding)
    )


@converts("l2_pool")
def convert_l2_pool(context: MilContext) -> None:
    """√(Σ x²) of each window, (N, C, *D) → (N, C, *D_out)."""
    context.output(l2_pool(context.builder, context.value("x"), _read(context), context.where))
