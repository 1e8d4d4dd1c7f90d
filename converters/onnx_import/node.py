"""What an adapter sees: a node of the source whose inputs are values of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import UnsupportedModelError
from mltoolkit.graph.builder import Dimension, GraphBuilder, known_shape, shape_of

if TYPE_CHECKING:
    from mltoolkit.converters.onnx_import.walk import Walker


class RefusedNode(UnsupportedModelError):
    """A node that has no form in the hub; the walk collects these.

    Args:
        reason: why, without the final stop.
        closest: the closest form that has one.
    """

    def __init__(self, reason: str, closest: str = "") -> None:
        super().__init__(reason)
        self.closest = closest


class UnknownOperator(RefusedNode):
    """A node that has no form in the hub whatever its inputs are."""


@dataclass(frozen=True)
class SourceNode:
    """A node of the source.

    Attributes:
        source: the node as it was read.
        name: its name, made up where it has none.
        domain: "" for ONNX's own.
        version: the opset of its domain.
        inputs: values of the hub; None for an optional input that is left out.
        attributes: attributes by name, references to a function's attributes resolved.
        walker: walks bodies and functions.
    """

    source: ir.Node
    name: str
    domain: str
    version: int
    inputs: Sequence[ir.Value | None]
    attributes: Mapping[str, ir.Attr]
    walker: Walker

    @property
    def op_type(self) -> str:
        """The operator."""
        return self.source.op_type

    @property
    def builder(self) -> GraphBuilder:
        """Receives what the node becomes."""
        return self.walker.builder

    @property
    def output_count(self) -> int:
        """How many outputs it has, those without a name included."""
        return len(self.source.outputs)

    def has_output(self, index: int) -> bool:
        """Whether an optional output is asked for."""
        return index < len(self.source.outputs) and bool(self.source.outputs[index].name)

    def input(self, index: int) -> ir.Value:
        """An input that must be there."""
        value = self.optional_input(index)
        if value is None:
            raise RefusedNode(f"its input {index} is missing")
        return value

    def optional_input(self, index: int) -> ir.Value | None:
        """An input, or None."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> NDArray[Any] | None:
        """The value of a constant input; None where it is left out or not constant."""
        value = self.optional_input(index)
        return None if value is None or value.const_value is None else value.const_value.numpy()

    def needed_constant(self, index: int, what: str) -> NDArray[Any]:
        """The value of an input that must be constant here.

        Raises:
            RefusedNode: it is only known when the model runs.
        """
        array = self.constant(index)
        if array is None:
            raise RefusedNode(f"its {what} are only known when the model runs", f"constant {what}")
        return array

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute as a Python value; strings are str, tensors ``ir.TensorProtocol``."""
        found = self.attributes.get(name)
        if found is None:
            return default
        value = found.value
        return list(value) if isinstance(value, tuple) else value

    def shape(self, index: int) -> tuple[Dimension, ...]:
        """An input's shape; its rank must be known."""
        return shape_of(self.input(index))

    def rank(self, index: int) -> int:
        """An input's rank, which must be known."""
        return len(self.shape(index))

    def axis(self, default: int, index: int = 0) -> int:
        """The attribute ``axis`` as a non-negative axis of an input."""
        axis, rank = int(self.attribute("axis", default)), self.rank(index)
        if not -rank <= axis < rank:
            raise RefusedNode(f"its axis {axis} does not exist in the shape {self.shape(index)}")
        return axis % rank

    def static_shape(self, index: int) -> tuple[int, ...]:
        """An input's shape, which must be known completely.

        Raises:
            RefusedNode: it is not.
        """
        value = self.input(index)
        sizes = known_shape(value)
        if sizes is None or not all(isinstance(size, int) for size in sizes):
            raise RefusedNode(f"the shape {sizes} of its input {index} is only known when the model runs")
        return tuple(size for size in sizes if isinstance(size, int))

    def op(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Emit a node of the hub with one output."""
        return self.builder.op(op_type, *inputs, attributes=attributes)

    def number(self, value: float, like: ir.Value) -> ir.Value:
        """A scalar constant of another value's type."""
        assert like.dtype is not None
        return self.builder.constant(np.asarray(value, dtype=like.dtype.numpy()))

    def emit(
        self,
        op_type: str | None = None,
        inputs: Sequence[ir.Value | None] | None = None,
        attributes: Mapping[str, Any] | None = None,
        outputs: int | None = None,
    ) -> tuple[ir.Value, ...]:
        """Emit the node in the hub's opset; what is not given stays as it is in the source."""
        return self.builder.ops(
            op_type or self.op_type,
            *(self.inputs if inputs is None else inputs),
            attributes=self.attributes if attributes is None else attributes,
            names=("",) * (outputs or self.output_count),
        )

    def without(self, *names: str) -> dict[str, Any]:
        """The attributes but for some."""
        return {name: value for name, value in self.attributes.items() if name not in names}
