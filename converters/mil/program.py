"""The walk over a hub graph that makes a PyMIL program of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.mil.context import NodeContext, in_mil_type
from mltoolkit.converters.mil.refusal import Refusal
from mltoolkit.converters.mil.registry import writers
from mltoolkit.converters.mil.tensor_sequence import TensorSequence
from mltoolkit.converters.unsupported import UnsupportedLayers
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import MLToolkitError
from mltoolkit.graph.builder import CUSTOM_DOMAIN
from mltoolkit.graph.folding import fold

if TYPE_CHECKING:
    from coremltools.converters.mil.mil import Function, Var

    from mltoolkit.converters.mil.target import CoreMLTarget

_INTEGERS = frozenset(
    getattr(ir.DataType, name) for name in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
)
_FLOATS = frozenset(getattr(ir.DataType, name) for name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"))


def kind_of(dtype: ir.DataType | None) -> str | None:
    """The type of MIL for one of the hub: ``fp32``, ``int32``, ``bool``; None where MIL has none."""
    if dtype in _INTEGERS:
        return "int32"
    if dtype in _FLOATS:
        return "fp32"
    return "bool" if dtype == ir.DataType.BOOL else None


class ProgramWriter:
    """Writes the nodes of one graph into the current PyMIL block, and collects those that it cannot.

    Args:
        target: what is written.
        custom_layers: the descriptions of custom layers by the name of their node.
    """

    def __init__(self, target: CoreMLTarget, custom_layers: dict[str, CustomLayerDescription]) -> None:
        self.format = target.format
        self.specification_version = target.specification_version
        self.precision = target.precision
        self.custom_layers = custom_layers
        self.unsupported = UnsupportedLayers()
        # Vars, and sequences of them, which only exist while the program is written.
        self._vars: dict[ir.Value, Any] = {}
        self._bound: set[int] = set()
        self._constants: dict[ir.Value, NDArray[Any]] = {}
        # Values that stand for results of nodes that were refused.
        self._made_up: set[ir.Value] = set()
        self._in_body = False
        self._refused_nodes: set[ir.Node] = set()
        self._lost: set[ir.Value] = set()

    def bind(self, value: ir.Value, var: Any) -> None:
        """Let a value of the hub be a PyMIL value."""
        self._vars[value] = var
        self._bound.add(id(var))

    def constant(self, value: ir.Value) -> NDArray[Any] | None:
        """What a value holds, None where that is only known when the model runs."""
        if value in self._constants:
            return self._constants[value]
        if value.const_value is not None and value not in self._vars:
            # Attributes keep read-only views; large weights are not copied.
            return value.const_value.numpy()
        var = self._vars.get(value)
        known = None if var is None or isinstance(var, TensorSequence) or var.op is None else var.val
        if known is None:
            return None
        return np.asarray(known).astype(value.dtype.numpy() if value.dtype is not None else None)

    def var(self, value: ir.Value) -> Var:
        """The PyMIL value of a value of the hub; a constant is made one of the program at its first use."""
        if value not in self._vars:
            known = self.constant(value)
            if known is None:
                raise Refusal(f"its input {value.name!r} is made nowhere")
            if not known.size:
                raise Refusal(f"its input {value.name!r} is empty, and Core ML holds no empty tensors")
            from mltoolkit.converters.mil.weights import weight_var

            self._vars[value] = weight_var(value, self.in_mil_type(known), self)
        return self._vars[value]

    def in_mil_type(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array in a type that the written format holds."""
        return in_mil_type(array, network=self.format == "mlmodel")

    def write_graph(self, graph: ir.Graph) -> None:
        """Write all nodes of a graph whose inputs are bound."""
        for node in graph:
            self._write(node)

    def write_body(self, graph: ir.Graph, inputs: Sequence[Var]) -> list[Var]:
        """Write a body into the current block and give its outputs; see :meth:`NodeContext.subgraph`."""
        # What a body makes, constants too, is seen in its block only; a loop that is unrolled makes it several times.
        known = self._vars, self._constants, self._in_body
        self._vars, self._constants, self._in_body = dict(self._vars), dict(self._constants), True
        try:
            for value, var in zip(graph.inputs, inputs, strict=True):
                self.bind(value, var)
            for node in graph:
                self._write(node)
            lost = [value.name for value in graph.outputs if value in self._lost]
            if lost:
                raise Refusal(f"its body cannot be written: {', '.join(map(repr, lost))}")
            return [self.var(value) for value in graph.outputs]
        finally:
            self._vars, self._constants, self._in_body = known

    def _write(self, node: ir.Node) -> None:
        writer = writers().get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if node.domain == CUSTOM_DOMAIN:
            from mltoolkit.converters.mil.custom import write_custom

            writer = write_custom
        if writer is None:
            self._refused(node, Refusal("Core ML has no form of it that is known here"))
            return
        if any(value in self._lost for value in node.inputs if value is not None):
            self._lost.update(node.outputs)
            return
        try:
            results = self._folded(node)
            if results is None:
                results = writer(NodeContext(node, self))
            self._keep(node, results)
        except Refusal as error:
            self._refused(node, error)
        except (MemoryError, MLToolkitError):
            raise
        except Exception as error:  # coremltools raises whatever comes up: ValueError, TypeError, AssertionError, …
            if any(value in self._made_up for value in node.inputs):
                self._lost.update(node.outputs)
                return
            text = " ".join(str(error).split())
            refusal = Refusal(f"coremltools refuses it: {type(error).__name__}: {text[:300]}")
            refusal.__cause__ = error
            self._refused(node, refusal)

    def _folded(self, node: ir.Node) -> list[NDArray[Any]] | None:
        """The outputs of a node of constants."""
        arrays = [None if value is None else self.constant(value) for value in node.inputs]
        # Decoded codes keep how they were stored, for a compressed weight.
        if not node.inputs or node.domain == CUSTOM_DOMAIN or node.op_type == "DequantizeLinear":
            return None
        if any(array is None and value is not None for array, value in zip(arrays, node.inputs, strict=True)):
            return None
        if any(array is not None and array.size > 4096 for array in arrays):
            return None
        if any(attribute.type == ir.AttributeType.GRAPH for attribute in node.attributes.values()):
            return None
        stand_ins = [
            None if array is None else ir.Value(name=f"c{index}", const_value=ir.Tensor(array))
            for index, array in enumerate(arrays)
        ]
        attributes = {name: attribute.value for name, attribute in node.attributes.items()}
        return fold(node.op_type, stand_ins, attributes, len(node.outputs))

    def _keep(self, node: ir.Node, results: Any) -> None:
        results = list(results) if isinstance(results, (list, tuple)) else [results]
        if len(results) > len(node.outputs):
            results = results[: len(node.outputs)]
        for value, result in zip(node.outputs, results, strict=True):
            if isinstance(result, (np.ndarray, np.generic)):
                array = np.asarray(result)
                dtype = value.dtype.numpy() if value.dtype is not None else array.dtype
                self._constants[value] = array.astype(dtype, copy=False)
            elif isinstance(result, TensorSequence):
                self._vars[value] = result
            elif result is not None:
                _check(value, result, sizes=not node.attributes.get("ceil_mode"))
                self._name(value, result)
                self.bind(value, result)
        if any(value in self._made_up for value in node.inputs):
            self._made_up.update(node.outputs)

    def _name(self, value: ir.Value, var: Var) -> None:
        """Call a new result what the hub calls it."""
        operation = var.op
        if operation is None or operation.op_type == "const" or id(var) in self._bound or not value.name:
            return
        if self._in_body:
            # A body may be written several times, and names are given once.
            return
        var.name = value.name
        if operation.outputs[0] is var:
            operation.name = value.name

    def _refused(self, node: ir.Node, refusal: Refusal) -> None:
        domain = "" if node.domain in ("", "ai.onnx", CUSTOM_DOMAIN) else node.domain
        name = node.metadata_props.get("layer") or node.name or node.outputs[0].name or node.op_type
        if node not in self._refused_nodes:
            # A body is written several times where a loop is unrolled.
            self._refused_nodes.add(node)
            self.unsupported.add(name, node.op_type, refusal.reason, refusal.closest, domain=domain)
        for value in node.outputs:
            self._make_up(value)

    def _make_up(self, value: ir.Value) -> None:
        """Give the result of a refused node its known shape, so that what follows can be looked at too."""
        from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

        kind = kind_of(value.dtype)
        if value.shape is None or kind is None or not value.shape.is_static():
            self._lost.add(value)
            return
        shape = [int(size) for size in value.shape]  # type: ignore[arg-type]  # static, as was asked
        self._vars[value] = mb.placeholder(shape, mil_type(kind), allow_rank0_input=True).outputs[0]
        self._made_up.add(value)


def mil_type(kind: str) -> Any:
    """The PyMIL type of a kind (``fp32``, ``int32``, ``bool``)."""
    from coremltools.converters.mil.mil import types

    return getattr(types, kind)


def _check(value: ir.Value, var: Var, sizes: bool) -> None:
    """Refuse a result that has another type or shape than the hub's inference gives it.

    Of a pooling with ceil_mode the rank alone counts: ONNX's inference keeps windows that start in the padding, which
    its specification drops.
    """
    from coremltools.converters.mil.mil import types

    if types.is_list(var.sym_type):
        return
    expected, given = kind_of(value.dtype), types.builtin_to_string(var.dtype)
    if expected is not None and given != expected:
        raise Refusal(f"its result {value.name!r} would have the type {given}, where {expected} is due")
    if value.shape is None:
        return
    known = [size if isinstance(size, int) else None for size in value.shape]
    made = [int(size) if isinstance(size, (int, np.integer)) else None for size in var.shape]
    if 0 in made:
        raise Refusal(f"its result {value.name!r} is empty: it has the shape {tuple(var.shape)}")
    agree = len(known) == len(made) and all(
        size is None or other is None or size == other or not sizes for size, other in zip(known, made, strict=False)
    )
    if not agree:
        raise Refusal(f"its result {value.name!r} would have the shape {tuple(var.shape)}, not {tuple(known)}")


def new_function(placeholders: dict[str, Any], specification_version: int) -> Function:
    """A PyMIL function with inputs, for operations of a specification."""
    import coremltools as ct
    from coremltools.converters.mil.mil import Function as MilFunction

    return MilFunction(placeholders, opset_version=ct.target(specification_version))
