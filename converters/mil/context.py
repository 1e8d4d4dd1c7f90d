"""What a node's writer works with: the node's inputs as PyMIL values, its attributes, and the MIL builder.

Types in the program, whatever the hub's are: floating types are fp32 (coremltools' pass makes them fp16 where the
target's precision asks for it), integers int32, bool is bool. Results of narrow integer types do not wrap by
themselves; see :mod:`mltoolkit.converters.mil.integers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.mil.refusal import Refusal

if TYPE_CHECKING:
    from coremltools.converters.mil.mil import Builder, Var

    from mltoolkit.converters.mil.program import ProgramWriter

_REQUIRED: Any = object()
_INT32 = np.iinfo(np.int32)
# Above this, float32, which neural networks compute everything in, does not hold every integer.
_EXACT_IN_FLOAT32 = 1 << 24


class NodeContext:
    """One ONNX node while it is written.

    Attributes:
        node: the node.
        op_type: its operator.
        outputs: its output values, with types and shapes as far as the hub knows them.
        mb: PyMIL's builder.
        format: ``mlmodel`` or ``mlpackage``.
        precision: of the computation, ``float32`` or ``float16``.
        opset: the specification version whose operations may be used (8 is iOS 17's).
        description: of a custom layer.
    """

    def __init__(self, node: ir.Node, program: ProgramWriter) -> None:
        from coremltools.converters.mil.mil import Builder

        self.node = node
        self.op_type = node.op_type
        self.outputs = node.outputs
        self.mb: type[Builder] = Builder
        self.format = program.format
        self.precision = "float32" if program.format == "mlmodel" else program.precision
        self.opset = program.specification_version
        self.description = program.custom_layers.get(node.name or "")
        self._program = program

    # Inputs

    def has(self, index: int) -> bool:
        """Whether the input is given."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def input(self, index: int) -> Var:
        """An input as a PyMIL value; a constant becomes one of the program.

        Raises:
            Refusal: it is not given, or its numbers do not fit the types of Core ML.
        """
        if not self.has(index):
            self.refuse(f"its input {index} is missing")
        return self._program.var(self._value(index))

    def optional(self, index: int) -> Var | None:
        """An input as a PyMIL value, None where it is not given."""
        return self.input(index) if self.has(index) else None

    def inputs(self) -> list[Var]:
        """All inputs as PyMIL values, without those left out."""
        return [self.input(index) for index in range(len(self.node.inputs)) if self.has(index)]

    def constant(self, index: int) -> NDArray[Any] | None:
        """What an input holds, in the hub's own type; None where that is only known when the model runs."""
        return self._program.constant(self._value(index)) if self.has(index) else None

    def needed_constant(self, index: int, name: str) -> NDArray[Any]:
        """What an input holds; ``name`` is what ONNX calls it.

        Raises:
            Refusal: that is only known when the model runs, or the input is not given.
        """
        value = self.constant(index)
        if value is None:
            self.refuse(f"its input {name!r} is computed while the model runs", f"{self.op_type} with constant {name}")
        return value

    def ints(self, index: int, name: str) -> list[int] | None:
        """A constant input of integers as a list, None where it is not given.

        Raises:
            Refusal: it is only known when the model runs.
        """
        if not self.has(index):
            return None
        return [int(value) for value in self.needed_constant(index, name).reshape(-1)]

    def shape(self, index: int) -> tuple[Any, ...]:
        """Sizes of an input: integers, or sympy symbols for those only known when the model runs."""
        value = self._value(index)
        known = self._program.constant(value)
        return tuple(known.shape) if known is not None else tuple(self._program.var(value).shape)

    def rank(self, index: int) -> int:
        """Number of dimensions of an input."""
        return len(self.shape(index))

    def static_shape(self, index: int, why: str = "", first: int = 0) -> tuple[int, ...]:
        """Sizes of an input from axis ``first`` on, all known.

        Raises:
            Refusal: one is only known when the model runs.
        """
        shape = self.shape(index)[first:]
        if not all(isinstance(size, (int, np.integer)) for size in shape):
            self.refuse(
                f"its input {index} has the flexible sizes {shape}" + (f"; {why}" if why else ""), "fixed input shapes"
            )
        return tuple(int(size) for size in shape)

    def dtype(self, index: int) -> ir.DataType:
        """The hub's type of an input."""
        return _known_dtype(self._value(index))

    def output_dtype(self, index: int = 0) -> ir.DataType:
        """The hub's type of an output."""
        return _known_dtype(self.outputs[index])

    def _value(self, index: int) -> ir.Value:
        value = self.node.inputs[index]
        assert value is not None
        return value

    # Attributes

    def attribute(self, name: str, default: Any = _REQUIRED) -> Any:
        """An attribute as a Python value (a tensor as an array, a graph as ``ir.Graph``).

        Raises:
            Refusal: it is not given and there is no default.
        """
        attribute = self.node.attributes.get(name)
        if attribute is None:
            if default is _REQUIRED:
                self.refuse(f"its attribute {name!r} is missing")
            return default
        if attribute.type == ir.AttributeType.TENSOR:
            return attribute.as_tensor().numpy()
        if attribute.type in (ir.AttributeType.INTS, ir.AttributeType.FLOATS, ir.AttributeType.STRINGS):
            return list(attribute.value)
        return attribute.value

    # Writing

    @property
    def name(self) -> str:
        """A name for the node's operation: that of its first output."""
        return self.outputs[0].name or self.node.name or self.op_type

    @property
    def is_network(self) -> bool:
        """Whether a neural network is written, which has the operations of iOS 13 and computes in float32 only."""
        return self.format == "mlmodel"

    @property
    def least_epsilon(self) -> np.float32:
        """What to add to a value that nothing shall be added to: a neural network takes 0 for its default, 1e-6."""
        return np.float32(1e-45 if self.is_network else 0)

    def const(self, array: NDArray[Any] | float | int | bool | Sequence[Any], name: str = "") -> Var:
        """A constant of the program; int64 becomes int32 and double float32.

        Raises:
            Refusal: its numbers do not fit.
        """
        value = self._program.in_mil_type(np.asarray(array))
        # coremltools takes NumPy's scalars for scalars, arrays without axes only here and there.
        return self.mb.const(val=value if value.ndim else value[()], **({"name": name} if name else {}))

    def weight(self, index: int, array: NDArray[Any]) -> Any:
        """A constant made of the input ``index``, transposed, cut or reordered.

        Returns:
            A Var, compressed as the source stores the input where that can be; else the array itself.
        """
        from mltoolkit.converters.mil.compressed_weights import compressed_var

        value = self._value(index)
        found = compressed_var(value, array, self._program, f"{self.name}_weight_{index}", rearranged=True)
        return array if found is None else found

    def subgraph(self, graph: ir.Graph, inputs: Sequence[Var]) -> list[Var]:
        """Write the nodes of a body (of If, Loop, Scan) into the current block.

        Args:
            graph: the body.
            inputs: what its inputs stand for.

        Returns:
            Its outputs.
        """
        return self._program.write_body(graph, inputs)

    def needs(self, specification_version: int, operation: str) -> None:
        """Refuse unless the target has what came with a specification (7: iOS 16, 8: iOS 17, 9: iOS 18).

        Raises:
            Refusal: the target is older, or a neural network.
        """
        if self.opset >= specification_version:
            return
        release = f"iOS{specification_version + 9}"
        if self.is_network:
            self.refuse(f"a neural network has no operation like {operation}", "format='mlpackage'")
        self.refuse(f"it needs {operation}, which came with {release}", f"minimum_deployment_target={release!r}")

    def refuse(self, reason: str, closest: str = "") -> NoReturn:
        """Say that the node cannot be written, and why.

        Raises:
            Refusal: always.
        """
        raise Refusal(reason, closest)


def _known_dtype(value: ir.Value) -> ir.DataType:
    if value.dtype is None:
        raise Refusal(f"the type of {value.name!r} is not known")
    return value.dtype


def in_mil_type(array: NDArray[Any], network: bool) -> NDArray[Any]:
    """An array in a type of MIL: fp32, int32, bool.

    Raises:
        Refusal: a number of it does not fit, or it holds texts.
    """
    kind = array.dtype.kind
    if kind == "b":
        return array
    if kind in "iu":
        if array.size and (array.max() > _INT32.max or array.min() < _INT32.min):
            raise Refusal("it has integers beyond 32 bits, which Core ML does not hold")
        if network and array.size and max(abs(int(array.max())), abs(int(array.min()))) > _EXACT_IN_FLOAT32:
            raise Refusal("it has integers that float32, all that neural networks compute in, does not hold")
        return array.astype(np.int32)
    if kind == "f" or array.dtype.name == "bfloat16":
        return array if array.dtype == np.float32 else _float32(array)
    raise Refusal(f"it has values of type {array.dtype}, which Core ML does not hold")


def _float32(array: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
