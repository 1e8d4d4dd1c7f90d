"""How many things an integer input chooses from, so that random indices are valid ones."""

from __future__ import annotations

import onnx_ir as ir

# Operators that hand the values of their first input on.
_PASSING = frozenset(
    (
        "Cast",
        "Identity",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Flatten",
        "Expand",
        "Slice",
        "Concat",
        "Split",
    )
)
_DEPTH = 12


def index_limit(value: ir.Value, depth: int = _DEPTH) -> int | None:
    """The smallest number of entries among the tables that an input's values are looked up in; None without any."""
    limits = []
    for use in value.uses():
        node, index = use.node, use.idx
        if node.op_type in ("Gather", "GatherElements") and index == 1:
            limits.append(_table_size(node))
        elif node.op_type in _PASSING and depth:
            limits += [index_limit(output, depth - 1) for output in node.outputs]
    return min((limit for limit in limits if limit is not None), default=None)


def _table_size(node: ir.Node) -> int | None:
    table = node.inputs[0]
    if table is None or table.shape is None:
        return None
    attribute = node.attributes.get("axis")
    size = table.shape[attribute.as_int() if attribute is not None else 0]
    return size if isinstance(size, int) else None
