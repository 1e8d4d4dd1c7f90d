"""Det."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

_LARGEST = 4


@writes("Det")
def write_determinant(node: NodeContext) -> Any:
    """The determinant of each matrix, by expansion along the rows."""
    mb, x = node.mb, node.input(0)
    size = x.shape[-1]
    if not is_known(size) or not 1 <= size <= _LARGEST:
        node.refuse(f"its matrices have {size} rows", f"Det of matrices of at most {_LARGEST} rows")
    size = int(size)

    def element(row: int, column: int) -> Any:
        begin, end = [0] * x.rank, [0] * x.rank
        masks = [True] * (x.rank - 2) + [False, False]
        begin[-2:], end[-2:] = [row, column], [row + 1, column + 1]
        one = mb.slice_by_index(x=x, begin=begin, end=end, begin_mask=masks, end_mask=masks)
        return mb.squeeze(x=one, axes=[x.rank - 2, x.rank - 1])

    @cache
    def minor(row: int, columns: tuple[int, ...]) -> Any:
        """The determinant of the rows from ``row`` on and some columns."""
        total: Any = None
        for place, column in enumerate(columns):
            term = element(row, column)
            rest = (*columns[:place], *columns[place + 1 :])
            if rest:
                term = mb.mul(x=term, y=minor(row + 1, rest))
            combine = mb.sub if place % 2 else mb.add
            total = term if total is None else combine(x=total, y=term)
        return total

    return minor(0, tuple(range(size)))
