"""Which operations of a float16 program stay float32: those that compute whole numbers.

Some MIL operations take no integers, so these travel as floats for a while. Float16 holds whole numbers up to 2048
only, and none above 65504: the sums of a quantized convolution, or the number of a pixel, would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

_ROUNDING = ("add", "ceil", "clip", "floor", "maximum", "minimum", "round", "sub")


def half_precision_selector() -> Callable[[Any], bool]:
    """The option ``op_selector`` of coremltools' pass to float16: false for what shall stay float32."""
    kept: set[Any] | None = None

    def may_be_half(operation: Any) -> bool:
        nonlocal kept
        if kept is None:
            # Once, before the pass changes anything.
            kept = whole_number_operations(list(_all_operations(_outermost(operation))))
        return operation not in kept

    return may_be_half


def _outermost(operation: Any) -> Any:
    block = operation.enclosing_block
    while block.outer_op is not None:
        block = block.outer_op.enclosing_block
    return block


def _all_operations(block: Any) -> Iterator[Any]:
    """The operations of a block and of those within, in order."""
    for operation in block.operations:
        for inner in operation.blocks:
            yield from _all_operations(inner)
        yield operation


def whole_number_operations(operations: list[Any]) -> set[Any]:
    """The operations on floats whose every input comes from integers, and whose result becomes integers again.

    What only rounds and limits a result that becomes integers, wherever it comes from, is one of them, too.
    """
    whole: set[Any] = set()
    for operation in operations:
        computed = [var for var in _floats(operation.get_flattened_inputs()) if var.val is None]
        results = _floats(operation.outputs)
        of_integers = operation.op_type == "cast" and not _floats([operation.x])
        if of_integers or (computed and all(var in whole for var in computed)):
            whole.update(results)
    needed: set[Any] = set()
    rounded: set[Any] = set()
    kept: set[Any] = set()
    for operation in reversed(operations):
        computed = [var for var in _floats(operation.get_flattened_inputs()) if var in whole]
        if operation.op_type == "cast" and not _floats(operation.outputs):
            needed.update(computed)
            rounded.update(_floats(operation.get_flattened_inputs()))
            continue
        if any(var in needed for var in operation.outputs):
            needed.update(computed)
            kept.add(operation)
        if operation.op_type in _ROUNDING and any(var in rounded for var in operation.outputs):
            rounded.update(_floats(operation.get_flattened_inputs()))
            kept.add(operation)
    return kept


def _floats(variables: Any) -> list[Any]:
    from coremltools.converters.mil.mil import types

    return [
        var
        for var in variables
        if not types.is_list(var.sym_type) and types.is_float(var.dtype) and not types.is_str(var.dtype)
    ]
