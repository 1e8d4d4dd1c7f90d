"""``keras.ops.rearrange``: einops' notation for splitting, reordering and joining axes."""

from __future__ import annotations

import math
import re

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.reshaping import permuted, reshaped
from mltoolkit.converters.keras.tensors import Tensor

Groups = list[list[str]]


@converts_operation("Rearrange")
def convert_rearrange(context: LayerContext) -> Tensor:
    """``"b (h s) c -> b h (s c)"``: a reshape, a transpose and a reshape."""
    x = context.tensor()
    left, _, right = str(context.argument("pattern")).partition("->")
    before, after = _groups(left), _groups(right)
    given = {name: int(size) for name, size in context.kwargs.items() if isinstance(size, int)}
    sizes = _sizes(context, x, before, given)
    names = [name for group in before for name in group]
    order = [names.index(name) for group in after for name in group]
    x = _in_shape(context, x, [sizes[name] for name in names])
    x = permuted(context, x, order)
    return _in_shape(context, x, [math.prod(sizes[name] for name in group) for group in after])


def _groups(pattern: str) -> Groups:
    """The names of each axis; several where they stand in parentheses."""
    return [part.strip("()").split() for part in re.findall(r"\([^)]*\)|\S+", pattern)]


def _sizes(context: LayerContext, x: Tensor, groups: Groups, given: dict[str, int]) -> dict[str, int]:
    sizes = dict(given)
    for group, size in zip(groups, x.shape, strict=True):
        open_names = [name for name in group if name not in sizes]
        if not isinstance(size, int) or len(open_names) > 1:
            context.refuse("the sizes of its axes are only known when the model runs", "an input of fixed size")
        if open_names:
            sizes[open_names[0]] = size // math.prod(sizes[name] for name in group if name in sizes)
    return sizes


def _in_shape(context: LayerContext, x: Tensor, sizes: list[int]) -> Tensor:
    return x if list(x.shape) == sizes else reshaped(context, x, sizes)
