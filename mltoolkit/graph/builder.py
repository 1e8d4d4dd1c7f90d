"""Building a typed ONNX graph node by node.

Every emitted node is given its output types at once by ONNX's own inference for single nodes, so that a
converter always knows the shapes it works with and an impossible node is refused where it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import shape_inference

from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.graph.attributes import to_attributes
from mltoolkit.graph.captured import inner_nodes
from mltoolkit.graph.folding import fold
from mltoolkit.graph.opset import OPSET as OPSET

# IR version 10 goes with opset 21.
IR_VERSION = 10
# ONNX domain of nodes that stand for custom layers; the runtime cuts the graph at them.
CUSTOM_DOMAIN = "mltoolkit.custom"
# Constants up to this many elements are shown to shape inference (shapes, axes, pads, sizes).
_INFERENCE_ELEMENTS = 64

Dimension = int | str | None


class GraphBuilder:
    """Collects nodes, constants and inputs, and closes them into a model.

    Args:
        name: the graph's name.
        fold_constants: compute nodes at once whose inputs are all small constants.

    >>> builder = GraphBuilder("example")
    >>> x = builder.input("x", np.float32, (1, 3))
    >>> y = builder.op("Relu", x)
    >>> shape_of(y)
    (1, 3)
    """

    def __init__(self, name: str, *, fold_constants: bool = False) -> None:
        self._name = name
        self._nodes: list[ir.Node] = []
        self._inputs: list[ir.Value] = []
        self._initializers: list[ir.Value] = []
        self._small_constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
        self._names: set[str] = set()
        self._scope = ""
        self._fold_constants = fold_constants

    def subgraph(self, name: str) -> GraphBuilder:
        """A builder for the body of an If or Loop.

        Its nodes may use the values of this builder; its constants and names are kept by the outermost one.
        Close it with :meth:`body` and give that to :meth:`control_flow`.
        """
        inner = GraphBuilder(name, fold_constants=self._fold_constants)
        inner._initializers, inner._small_constants = self._initializers, self._small_constants
        inner._names, inner._scope = self._names, self._scope
        return inner

    def body(self, outputs: Sequence[ir.Value]) -> ir.Graph:
        """Close a builder made by :meth:`subgraph`.

        ONNX wants each output to be made inside the body, once; where one is not, an Identity is added.
        """
        made = {value for node in self._nodes for value in node.outputs}
        finals: list[ir.Value] = []
        for value in outputs:
            if value not in made or value in finals:
                value = self._emit("Identity", (value,), {}, ("",))[0]
            finals.append(value)
        return ir.Graph(self._inputs, finals, nodes=self._nodes, name=self._name)

    def discard(self) -> None:
        """Give up a builder made by :meth:`subgraph`: its nodes no longer count as users of any value."""
        for node in self._nodes:
            for user in (node, *inner_nodes(node)):
                for index in range(len(user.inputs)):
                    user.replace_input_with(index, None)

    def control_flow(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        bodies: Mapping[str, ir.Graph],
        outputs: Sequence[ir.Value],
    ) -> tuple[ir.Value, ...]:
        """Emit an If or Loop.

        Args:
            op_type: ``If`` or ``Loop``.
            inputs: the node's inputs.
            bodies: closed bodies by the name of their attribute.
            outputs: for each output a value whose type and shape it has.
        """
        scope = self._scope or "graph"
        node_name = self.unique_name(f"{scope}/{op_type}")
        results = [
            ir.Value(name=self.unique_name(f"{node_name}/out"), type=value.type, shape=value.shape) for value in outputs
        ]
        node = ir.node(op_type, list(inputs), dict(bodies), outputs=results, name=node_name)
        node.metadata_props["layer"] = self._scope
        self._nodes.append(node)
        return tuple(results)

    @contextmanager
    def scope(self, layer: str) -> Iterator[None]:
        """Name the nodes emitted inside after ``layer`` and mark them as belonging to it."""
        outer, self._scope = self._scope, layer
        try:
            yield
        finally:
            self._scope = outer

    def unique_name(self, wanted: str) -> str:
        """``wanted``, or the first of ``wanted_2``, ``wanted_3``, … that is free; the name is then taken."""
        name, number = wanted, 1
        while name in self._names or not name:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name

    def reserve(self, names: Iterable[str]) -> None:
        """Keep names free for values that will be given them at the end."""
        self._names.update(names)

    def input(self, name: str, dtype: Any, shape: Sequence[Dimension] | None) -> ir.Value:
        """Declare a graph input; ``dtype`` is a NumPy type, symbolic dimensions are names or None.

        The shape of a body's input may be None as a whole, which leaves even the rank open.
        """
        value = ir.Value(
            name=self.unique_name(name),
            type=ir.TensorType(ir.DataType.from_numpy(np.dtype(dtype))),
            shape=ir.Shape(list(shape)) if shape is not None else None,
        )
        self._inputs.append(value)
        return value

    def constant(self, array: NDArray[Any] | Sequence[int] | Sequence[float] | float | int, name: str = "") -> ir.Value:
        """A constant tensor, stored as initializer.

        Python integers become int64 and floats float32; arrays keep their type. Small constants are shared.
        """
        if not isinstance(array, np.ndarray):
            array = np.asarray(array)
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= _INFERENCE_ELEMENTS else None
        if key is not None and key in self._small_constants:
            return self._small_constants[key]
        name = self.unique_name(name or f"{self._scope or 'graph'}/constant")
        # ONNX files are little-endian and row-major.
        tensor = ir.Tensor(np.ascontiguousarray(array).reshape(array.shape), name=name)
        value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
        self._initializers.append(value)
        if key is not None:
            self._small_constants[key] = value
        return value

    def constant_on_demand(
        self, read: Callable[[], NDArray[Any]], dtype: np.dtype[Any], shape: Sequence[int], name: str
    ) -> ir.Value:
        """A large constant whose numbers are made each time they are asked for, and not kept.

        Args:
            read: makes the array.
            dtype: its type.
            shape: its shape.
            name: its name, where that is free.
        """
        name = self.unique_name(name)
        tensor = ir.LazyTensor(
            lambda: ir.Tensor(np.ascontiguousarray(read())),
            dtype=ir.DataType.from_numpy(dtype),
            shape=ir.Shape(shape),
            cache=False,
            name=name,
        )
        value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
        self._initializers.append(value)
        return value

    def op(
        self,
        op_type: str,
        *inputs: ir.Value | None,
        attributes: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> ir.Value:
        """Emit a node of the standard ONNX domain with one output.

        Args:
            op_type: ONNX operator.
            inputs: its inputs; None for an optional input that is left out.
            attributes: ONNX attributes by name, as Python values.
            name: name of the output; one is made up when empty.

        Raises:
            InvalidModelError: ONNX's type and shape inference refuses the node.
        """
        return self.ops(op_type, *inputs, attributes=attributes, names=(name,))[0]

    def ops(
        self,
        op_type: str,
        *inputs: ir.Value | None,
        attributes: Mapping[str, Any] | None = None,
        names: Sequence[str],
    ) -> tuple[ir.Value, ...]:
        """Emit a node with ``len(names)`` outputs (an empty name is made up); see :meth:`op`.

        With ``fold_constants`` a node whose inputs are all small constants is computed at once, so that
        shapes which a model computes from shapes are known; its outputs are constants then.
        """
        if self._fold_constants and inputs and all(_is_small_constant(value) for value in inputs):
            folded = fold(op_type, inputs, dict(attributes or {}), len(names))
            if folded is not None:
                return tuple(self.constant(array) for array in folded)
        return self._emit(op_type, inputs, attributes or {}, names)

    def _emit(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any],
        names: Sequence[str],
    ) -> tuple[ir.Value, ...]:
        scope = self._scope or "graph"
        node_name = self.unique_name(f"{scope}/{op_type}")
        outputs = [ir.Value(name=self.unique_name(name or f"{node_name}/out")) for name in names]
        node = ir.node(op_type, list(inputs), to_attributes(attributes), outputs=outputs, name=node_name)
        if self._scope:
            node.metadata_props["layer"] = self._scope
        self._infer(node)
        self._nodes.append(node)
        return tuple(outputs)

    def custom_op(
        self, class_name: str, inputs: Sequence[ir.Value], outputs: Sequence[tuple[str, Sequence[Dimension]]]
    ) -> tuple[ir.Node, tuple[ir.Value, ...]]:
        """Emit a node of :data:`CUSTOM_DOMAIN` with float32 outputs, each given by (name, shape)."""
        node_name = self.unique_name(f"{self._scope or 'graph'}/{class_name}")
        values = [
            ir.Value(
                name=self.unique_name(name or f"{node_name}/out"),
                type=ir.TensorType(ir.DataType.FLOAT),
                shape=ir.Shape(list(shape)),
            )
            for name, shape in outputs
        ]
        node = ir.node(class_name, list(inputs), domain=CUSTOM_DOMAIN, outputs=values, name=node_name)
        node.metadata_props["layer"] = self._scope
        self._nodes.append(node)
        return node, tuple(values)

    def holds(self, value: ir.Value) -> bool:
        """Whether a value is an input or constant of this builder, or the output of one of its nodes."""
        producer = value.producer()
        if producer is not None:
            return any(node is producer for node in reversed(self._nodes))
        return any(known is value for known in (*self._inputs, *self._initializers))

    def rename(self, value: ir.Value, wanted: str) -> None:
        """Give a value the name ``wanted`` if it is still free."""
        if wanted and wanted not in self._names:
            self._names.add(wanted)
            value.name = wanted

    def splice(self, graph: ir.Graph, before: ir.Node) -> None:
        """Put the collected nodes and constants into a graph that their inputs come from, before one of its nodes."""
        for value in self._initializers:
            graph.register_initializer(value)
        graph.insert_before(before, self._nodes)

    def finish(self, outputs: Sequence[ir.Value]) -> ir.Model:
        """Close the graph. ``outputs`` must carry their final names."""
        graph = ir.Graph(
            self._inputs,
            list(outputs),
            nodes=self._nodes,
            initializers=self._initializers,
            opset_imports={"": OPSET, CUSTOM_DOMAIN: 1},
            name=self._name,
        )
        return ir.Model(graph, ir_version=IR_VERSION, producer_name="mltoolkit")

    def _infer(self, node: ir.Node) -> None:
        types, data = {}, {}
        for value in node.inputs:
            if value is None or value.name in types:
                continue
            assert value.name is not None
            if value.type is not None:
                types[value.name] = _type_proto(value)
            tensor = value.const_value
            if tensor is not None and tensor.size <= _INFERENCE_ELEMENTS:
                data[value.name] = ir.serde.serialize_tensor(tensor)
        try:
            inferred = shape_inference.infer_node_outputs(
                onnx.defs.get_schema(node.op_type, OPSET, ""),
                ir.serde.serialize_node(node),
                types,
                data,
                opset_imports=[onnx.helper.make_opsetid("", OPSET)],
                ir_version=IR_VERSION,
            )
        except (shape_inference.InferenceError, onnx.checker.ValidationError, onnx.defs.SchemaError) as error:
            shapes = ", ".join(str(shape_of(value)) for value in node.inputs if value is not None)
            raise InvalidModelError(
                f"the ONNX operation {node.op_type} cannot take inputs of shape {shapes}: {str(error).splitlines()[0]}",
                where=f"layer {self._scope!r}" if self._scope else None,
            ) from error
        for value in node.outputs:
            proto = inferred.get(value.name or "")
            if proto is not None:
                value.type = ir.serde.deserialize_type_proto_for_type(proto)
                value.shape = ir.serde.deserialize_type_proto_for_shape(proto)


def _is_small_constant(value: ir.Value | None) -> bool:
    return value is None or (value.const_value is not None and value.const_value.size <= _INFERENCE_ELEMENTS)


def _type_proto(value: ir.Value) -> onnx.TypeProto:
    proto = onnx.TypeProto()
    assert value.type is not None
    ir.serde.serialize_type_into(proto, value.type)
    if value.shape is not None:
        ir.serde.serialize_shape_into(proto, value.shape)
    return proto


def shape_of(value: ir.Value) -> tuple[Dimension, ...]:
    """A value's shape: integers, names of symbolic dimensions, None where nothing is known.

    Raises:
        UnsupportedModelError: not even the rank is known.
    """
    if value.shape is None:
        raise UnsupportedModelError(f"the rank of {value.name!r} is only known when the model runs")
    return tuple(size if isinstance(size, int) else size.value for size in value.shape)


def known_shape(value: ir.Value) -> tuple[Dimension, ...] | None:
    """A value's shape as :func:`shape_of` gives it; None where not even the rank is known."""
    return shape_of(value) if value.shape is not None else None


def dtype_of(value: ir.Value) -> np.dtype[Any]:
    """A value's NumPy type."""
    if value.dtype is None:
        raise InvalidModelError(f"the type of {value.name!r} cannot be inferred")
    return value.dtype.numpy()
