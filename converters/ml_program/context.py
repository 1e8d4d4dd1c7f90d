"""What an operation's converter works with: the operation's inputs and constants, and the graph builder.

Types in the hub, whatever the program's own are:

- floating types (float16, float32, bfloat16, …) are float32. A program in float16 therefore runs in higher
  precision here than on a Mac; casts between floating types do nothing.
- integer types (int8 … uint32) are int64, ONNX's type of shapes, axes and indices, so that converters never
  cast. A ``cast`` to a narrow integer type wraps as that type does. Inputs and outputs of the model are
  int32.
- bool is bool. Texts are only ever constants.

Every value handed over with :meth:`MilContext.output` is checked against the type that the program declares
for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.bindings import Constant, Decoded, Scopes, in_hub_type
from mltoolkit.converters.ml_program.declared import agree
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.formats.mil_types import MilType, TensorType, read_type
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.ml_program import operation_name
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import Dimension, GraphBuilder, dtype_of, shape_of
from mltoolkit.graph.model_graph import GraphLayer
from mltoolkit.graph.quantization_record import Float16Record, QuantizationRecord, attach_record, record_of

_REQUIRED: Any = object()
# Arrays from this size on are not held in a wider type than that of the file.
_LARGE_BYTES = 1 << 16


class MilContext:
    """The state of one function of a program while its operations are converted.

    Attributes:
        builder: emits ONNX nodes; inside a branch or loop body, that body's builder.
        weights: the program's weight files.
        operation: the operation being converted (message Operation).
        scopes: what the program's names stand for.
        states: name of the state → the graph value that holds its present content.
        written_states: the states that the program writes.
        probabilities: what a ``classify`` operation was given, of shape (classes,).
        inner_layers: the operations of the current operation's blocks, by the block's number.
    """

    def __init__(self, builder: GraphBuilder, weights: WeightFolder) -> None:
        self.builder = builder
        self.weights = weights
        self.operation: Any = None
        self.scopes = Scopes()
        self.states: dict[str, ir.Value] = {}
        self.written_states: set[str] = set()
        self.probabilities: ir.Value | None = None
        self.inner_layers: dict[int, list[GraphLayer]] = {}
        self._named: set[ir.Value] = set()
        self._initializers: dict[Constant, ir.Value] = {}

    @property
    def where(self) -> str:
        """The current operation, for errors."""
        return f"operation {operation_name(self.operation)!r} ({self.operation.type})"

    # Reading what the operation is given

    def has(self, name: str) -> bool:
        """Whether the operation is given the input ``name``."""
        return bool(
            (name in self.operation.inputs and self.operation.inputs[name].arguments)
            or name in self.operation.attributes
        )

    def bound(self, name: str) -> list[Any]:
        """What the operation is given as ``name``: graph values, constants, whatever converters bind."""
        operation = self.operation
        if name in operation.inputs:
            return [self._binding(name, argument) for argument in operation.inputs[name].arguments]
        if name in operation.attributes:
            message = operation.attributes[name]
            return [Constant(f"{operation_name(operation)}/{name}", lambda: self._read(message, name))]
        return []

    def _binding(self, name: str, argument: Any) -> Any:
        kind = argument.WhichOneof("binding")
        if kind == "name":
            return self.scopes.find(argument.name, self.where)
        if kind == "value":
            message = argument.value
            label = f"{operation_name(self.operation)}/{name}"
            return Constant(label, lambda: self._read(message, name))
        raise InvalidModelError(f"the input {name!r} is bound to nothing", where=self.where)

    def _read(self, message: Any, name: str) -> Any:
        try:
            return read_value(message, self.weights)
        except InvalidModelError as error:
            place = f"{self.where}, {name}" + (f", {error.where}" if error.where else "")
            raise InvalidModelError(error.what, where=place, fix=error.fix) from error

    def values(self, name: str) -> list[ir.Value]:
        """The graph values of an input that takes several, such as ``values`` of ``concat``."""
        return [self._as_value(bound, name) for bound in self.bound(name)]

    def value(self, name: str) -> ir.Value:
        """The graph value of an input; a constant becomes an initializer.

        Raises:
            InvalidModelError: the operation is not given it, or given no tensor.
        """
        return self._as_value(self._only(name), name)

    def optional(self, name: str) -> ir.Value | None:
        """The graph value of an input, None where the operation is not given it."""
        return self.value(name) if self.has(name) else None

    def _only(self, name: str) -> Any:
        bound = self.bound(name)
        if len(bound) != 1:
            raise InvalidModelError(
                f"the operation needs one {name!r} but has {len(bound) or 'none'}", where=self.where
            )
        return bound[0]

    def _as_value(self, bound: Any, name: str) -> ir.Value:
        if isinstance(bound, Constant):
            bound = self.tensor(bound)
        if not isinstance(bound, ir.Value):
            raise InvalidModelError(f"the input {name!r} is no tensor", where=self.where)
        return bound

    def tensor(self, constant: Constant) -> ir.Value | None:
        """A constant as an initializer, the same one each time; None where it is no tensor."""
        if constant not in self._initializers:
            stored = constant if isinstance(constant, Decoded) else constant.stored
            if not isinstance(stored, (Decoded, np.ndarray)) or stored.dtype == object:
                return None
            value = self._initializers[constant] = self._initializer(constant, stored)
            if record_of(value) is None:
                attach_record(value, Float16Record() if stored.dtype == np.float16 else constant.record)
        return self._initializers[constant]

    def _initializer(self, constant: Constant, stored: Decoded | NDArray[Any]) -> ir.Value:
        dtype = in_hub_type(np.empty(0, stored.dtype)).dtype
        if isinstance(stored, Decoded) or (stored.dtype != dtype and stored.nbytes >= _LARGE_BYTES):
            # The graph holds what the file holds; a session is given the numbers, one weight at a time.
            return self.builder.constant_on_demand(
                lambda: in_hub_type(constant.stored), dtype, stored.shape, constant.name
            )
        return self.builder.constant(in_hub_type(stored), name=constant.name)

    def is_const(self, name: str) -> bool:
        """Whether the input is given and known before the model runs."""
        bound = self.bound(name)
        return len(bound) == 1 and (
            isinstance(bound[0], Constant) or (isinstance(bound[0], ir.Value) and bound[0].const_value is not None)
        )

    def stored(self, name: str) -> Any:
        """A constant input as it is stored: an array in its own type (shape () for a scalar), a text, a list.

        Raises:
            UnsupportedModelError: it is only known when the model runs.
        """
        bound = self._only(name)
        if isinstance(bound, Constant):
            return bound.stored
        if isinstance(bound, ir.Value) and bound.const_value is not None:
            return bound.const_value.numpy()
        raise UnsupportedModelError(f"the input {name!r} is only known when the model runs", where=self.where)

    def const(self, name: str, default: Any = _REQUIRED) -> Any:
        """A constant input as Python or NumPy sees it.

        Args:
            name: the input.
            default: what it is where the operation is not given it.

        Returns:
            A scalar as ``int``, ``float``, ``bool`` or ``str``; a tensor as float32, int64 or bool array.

        Raises:
            InvalidModelError: the operation is not given it, and there is no default.
            UnsupportedModelError: it is only known when the model runs.
        """
        if default is not _REQUIRED and not self.has(name):
            return default
        stored = self.stored(name)
        if not isinstance(stored, np.ndarray):
            return stored
        array = in_hub_type(stored)
        return array.item() if array.ndim == 0 else array

    def ints(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        """A constant input as whole numbers; a scalar counts as one. See :meth:`const`."""
        if default is not None and not self.has(name):
            return list(default)
        numbers = np.asarray(self.const(name))
        if numbers.dtype.kind not in "ib":
            raise InvalidModelError(f"{name} must be whole numbers", where=self.where)
        return [int(number) for number in numbers.reshape(-1)]

    # Shapes

    def shape(self, value: ir.Value | str) -> tuple[Dimension, ...]:
        """The shape of a value, or of the input of that name; None or a symbol where a size is unknown."""
        return shape_of(self.value(value) if isinstance(value, str) else value)

    def rank(self, value: ir.Value | str) -> int:
        """The number of dimensions."""
        return len(self.shape(value))

    def static_shape(self, value: ir.Value | str) -> tuple[int, ...]:
        """A shape that is known altogether.

        Raises:
            UnsupportedModelError: a size is only known when the model runs.
        """
        sizes = []
        for axis, size in enumerate(self.shape(value)):
            if not isinstance(size, int):
                raise UnsupportedModelError(
                    f"the size of axis {axis} of an input must be known before the model runs",
                    where=self.where,
                )
            sizes.append(size)
        return tuple(sizes)

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front: onnxruntime's layout pass skips nodes with negative ones.

        Raises:
            InvalidModelError: there is no such axis.
        """
        if not -rank <= axis < rank:
            raise InvalidModelError(f"there is no axis {axis} in rank {rank}", where=self.where)
        return axis % rank

    def axes(self, name: str, rank: int) -> list[int] | None:
        """A constant input that names axes, counted from the front; None where it is not given."""
        if not self.has(name):
            return None
        return [self.axis(axis, rank) for axis in self.ints(name)]

    # Emitting

    def op(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Emit an ONNX node with one output; attributes as keywords."""
        return self.builder.op(op_type, *inputs, attributes=attributes)

    def constant(self, array: NDArray[Any] | Sequence[int] | Sequence[float] | float | int, name: str = "") -> ir.Value:
        """A constant of the graph: Python integers become int64, floats float32."""
        return self.builder.constant(array, name=f"{operation_name(self.operation)}/{name}" if name else "")

    def like(self, number: float, value: ir.Value) -> ir.Value:
        """A scalar constant of a value's type."""
        return self.builder.constant(np.array(number, dtype=dtype_of(value)))

    def cast(self, value: ir.Value, dtype: Any) -> ir.Value:
        """The value in another NumPy type; itself where it has that type already."""
        if dtype_of(value) == np.dtype(dtype):
            return value
        return self.op("Cast", value, to=ir.DataType.from_numpy(np.dtype(dtype)))

    # Handing over results

    def declared(self, index: int = 0) -> MilType:
        """The type that the program declares for the operation's output number ``index``."""
        return read_type(self._declaration(index).type)

    def _declaration(self, index: int) -> Any:
        if index >= len(self.operation.outputs):
            raise InvalidModelError(
                f"the operation needs at least {index + 1} outputs but has {len(self.operation.outputs)}",
                where=self.where,
            )
        return self.operation.outputs[index]

    def output(self, value: ir.Value | NDArray[Any], index: int = 0, record: QuantizationRecord | None = None) -> None:
        """Make ``value`` the operation's output number ``index``.

        Args:
            value: a graph value; or an array, which stays a constant in its own type until a graph value is
                needed.
            index: which output.
            record: how the program stores the array.

        Raises:
            InvalidModelError: the operation has fewer outputs, or the program declares another type or shape.
        """
        declaration = self._declaration(index)
        declared = read_type(declaration.type)
        if isinstance(declared, TensorType):
            agree(value, declared, f"{self.where}, output {declaration.name!r}")
        if isinstance(value, np.ndarray):
            array = value
            self.scopes.bind(declaration.name, Constant(declaration.name, lambda: array, record))
            return
        # An operation may hand on what an earlier one made, or an input of the model.
        if value.producer() is not None and value not in self._named:
            self.builder.rename(value, declaration.name)
            self._named.add(value)
        self.scopes.bind(declaration.name, value)

    def output_decoded(self, make: Callable[[], NDArray[Any]], record: Callable[[], QuantizationRecord | None]) -> None:
        """Make an array the operation's first output that can be made anew; see :meth:`output`.

        Args:
            make: makes the array, the same each time. It is called now, for what it may raise, and whenever the
                array is asked for.
            record: tells how the program stores the array; called once it has been made.
        """
        made = make()
        if made.nbytes < _LARGE_BYTES:
            self.output(made, record=record())
            return
        declaration = self._declaration(0)
        declared = read_type(declaration.type)
        if isinstance(declared, TensorType):
            agree(made, declared, f"{self.where}, output {declaration.name!r}")
        self.scopes.bind(declaration.name, Decoded(declaration.name, make, made, record()))

    def output_bound(self, bound: Any, index: int = 0) -> None:
        """Let an output stand for something that is no tensor, such as a list; unchecked."""
        self.scopes.bind(self._declaration(index).name, bound)
