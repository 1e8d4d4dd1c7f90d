"""Walks the nodes of a source and emits each in the hub's opset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from mltoolkit.converters.hooks import HookSet, UnsupportedLayers
from mltoolkit.converters.onnx_import.custom import apply_hook
from mltoolkit.converters.onnx_import.functions import body_of_operator, body_of_schema, call
from mltoolkit.converters.onnx_import.hub_form import emit_as_is
from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode, UnknownOperator
from mltoolkit.converters.onnx_import.partial_values import elements_of
from mltoolkit.converters.onnx_import.registry import find_adapter
from mltoolkit.converters.onnx_import.schemas import why_unknown
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import InvalidModelError, MLToolkitError, UnsupportedModelError
from mltoolkit.graph.builder import GraphBuilder, known_shape


class Walker:
    """Emits a source's nodes into a builder.

    Args:
        builder: receives them.
        hooks: custom conversion functions.
        functions: the model's own functions by (domain, name, overload).
        ir_version: of the source.

    Attributes:
        builder: where nodes go at the moment: a body's own builder while that is walked.
        unsupported: what could not be converted.
        custom_layers: descriptions that hooks gave, by node name.
        sequences: the members of values that stand for a sequence.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        hooks: HookSet,
        functions: Mapping[Any, ir.Function],
        ir_version: int,
    ) -> None:
        self.builder = builder
        self.unsupported = UnsupportedLayers()
        self.custom_layers: dict[str, CustomLayerDescription] = {}
        self.sequences: dict[ir.Value, tuple[ir.Value, ...]] = {}
        self._hooks = hooks
        self._functions = functions
        self._ir_version = ir_version
        self._values: dict[ir.Value, ir.Value | None] = {}
        # Values that stand for what unsupported nodes would have made.
        self._placeholders: set[ir.Value] = set()
        self._opsets: Mapping[str, int] = {}
        self._attributes: Mapping[str, ir.Attr] = {}
        self._scope = ""
        self._inside_function = False

    def bind(self, source: ir.Value, value: ir.Value | None) -> None:
        """Say which value of the hub a value of the source is; None for an input that is left out."""
        self._values[source] = value

    def value(self, source: ir.Value) -> ir.Value | None:
        """The value of the hub that a value of the source is."""
        if source not in self._values and source.const_value is not None:
            self._values[source] = self.constant(source.const_value, source.name or "")
        if source not in self._values:
            raise InvalidModelError(f"nothing makes the value {source.name!r}")
        return self._values[source]

    def constant(self, tensor: ir.TensorProtocol, name: str = "") -> ir.Value:
        """A constant of the source as one of the hub.

        Raises:
            RefusedNode: it holds texts.
            InvalidModelError: it does not hold what its shape says.
        """
        if tensor.dtype in (ir.DataType.STRING, ir.DataType.UNDEFINED):
            raise RefusedNode(f"it uses the constant {name!r} of type {tensor.dtype.name}")
        try:
            array = tensor.numpy()
        except Exception as error:  # NumPy's, mmap's and onnx_ir's own errors
            raise InvalidModelError(
                f"the weight {name!r} does not hold what its shape {list(tensor.shape)} needs: {error}"
            ) from error
        return self.builder.constant(np.asarray(array), name)

    @property
    def opsets(self) -> Mapping[str, int]:
        """The opsets of the nodes that are walked at the moment."""
        return self._opsets

    @contextmanager
    def within(self, *, opsets: Mapping[str, int], attributes: Mapping[str, ir.Attr], scope: str) -> Iterator[None]:
        """Walk the body of a function: its opsets, the attributes of its call, the name before its nodes' names."""
        outer = self._opsets, self._attributes, self._scope, self._inside_function
        self._opsets, self._attributes, self._scope, self._inside_function = opsets, attributes, scope, bool(scope)
        try:
            yield
        finally:
            self._opsets, self._attributes, self._scope, self._inside_function = outer

    @contextmanager
    def building(self, builder: GraphBuilder) -> Iterator[GraphBuilder]:
        """Send nodes to another builder: that of a body."""
        outer, self.builder = self.builder, builder
        known = set(self._values)
        try:
            yield builder
        finally:
            self.builder = outer
            # Values made inside a body are not there outside it.
            for source in set(self._values) - known:
                value = self._values[source]
                if value is None or value.const_value is None:
                    del self._values[source]

    def walk(self, nodes: Iterable[ir.Node]) -> Iterator[tuple[SourceNode, tuple[ir.Value, ...]]]:
        """Emit nodes, and give each with its outputs."""
        for source in nodes:
            name = self._node_name(source)
            node, outputs = self._emit(source, name)
            for output, value in zip(source.outputs, outputs, strict=False):
                self._values[output] = value
            if node is not None:
                yield node, outputs

    def walk_graph(self, graph: ir.Graph) -> list[ir.Value]:
        """Emit the nodes of a body; the values of its outputs."""
        for _ in self.walk(graph):
            pass
        return [self._needed(value) for value in graph.outputs]

    def _needed(self, source: ir.Value) -> ir.Value:
        value = self.value(source)
        if value is None:
            raise RefusedNode(f"the output {source.name!r} is an optional input that is left out")
        return value

    def _node_name(self, source: ir.Node) -> str:
        named = [output.name for output in source.outputs if output.name]
        name = source.name or (named[0] if named else source.op_type) or source.op_type
        return f"{self._scope}/{name}" if self._scope else name

    def _emit(self, source: ir.Node, name: str) -> tuple[SourceNode | None, tuple[ir.Value, ...]]:
        inputs: list[ir.Value | None] = []
        domain = "" if source.domain == "ai.onnx" else source.domain
        try:
            inputs = [None if value is None or value.name == "" else self.value(value) for value in source.inputs]
            node = SourceNode(source, name, domain, self._version(domain), inputs, self._resolved(source), self)
            with self.builder.scope(name):
                return node, tuple(self._known(value) for value in self._convert(node))
        except UnsupportedModelError as error:
            if isinstance(error, UnknownOperator) or not self._follows_unsupported(inputs):
                closest = error.closest if isinstance(error, RefusedNode) else ""
                self.unsupported.add(name, source.op_type, error.what, closest, domain=domain)
        except MLToolkitError as error:
            # After an unsupported node much is only wrong because of that.
            if not self._follows_unsupported(inputs):
                if not isinstance(error, InvalidModelError) or error.where is not None:
                    raise
                raise InvalidModelError(error.what, where=f"node {name!r} ({source.op_type})", fix=error.fix) from error
        except Exception as error:  # attributes of wrong types and sizes fail in as many ways
            if not self._follows_unsupported(inputs):
                raise InvalidModelError(
                    f"the node does not fit its definition: {type(error).__name__}: {error}",
                    where=f"node {name!r} ({source.op_type})",
                ) from error
        return None, tuple(self._placeholder(output) for output in source.outputs)

    def _known(self, value: ir.Value) -> ir.Value:
        """A shape computation of which all is known, as a constant."""
        if value.const_value is not None or value.dtype != ir.DataType.INT64 or value.producer() is None:
            return value
        shape, elements = known_shape(value), elements_of(value)
        if shape is None or len(shape) > 1 or elements is None or not all(isinstance(size, int) for size in elements):
            return value
        return self.builder.constant(np.asarray(elements, dtype=np.int64).reshape([-1] if shape else []))

    def _follows_unsupported(self, inputs: Iterable[ir.Value | None]) -> bool:
        return any(value in self._placeholders for value in inputs if value is not None)

    def _placeholder(self, output: ir.Value) -> ir.Value:
        value = ir.Value(name=self.builder.unique_name(output.name or "missing"), type=output.type, shape=output.shape)
        self._placeholders.add(value)
        return value

    def _version(self, domain: str) -> int:
        version = self._opsets.get(domain)
        if version is None and not domain:
            version = self._opsets.get("ai.onnx")
        return version if version is not None else 1

    def _resolved(self, source: ir.Node) -> dict[str, ir.Attr]:
        resolved: dict[str, ir.Attr] = {}
        for name, attribute in source.attributes.items():
            if not attribute.is_ref():
                resolved[name] = attribute
            elif (given := self._attributes.get(attribute.ref_attr_name or "")) is not None:
                resolved[name] = ir.Attr(name, given.type, given.value)
        return resolved

    def _convert(self, node: SourceNode) -> tuple[ir.Value, ...]:
        hook = self._hooks.find(node.name, node.op_type, node.domain)
        if hook is not None:
            return apply_hook(self._hooks, hook, node)
        own = self._functions.get((node.source.domain, node.op_type, node.source.overload))
        if own is not None:
            return call(self, node, own)
        adapter = find_adapter(node.domain, node.op_type, node.version)
        if adapter is not None:
            return tuple(adapter(node))
        unknown = why_unknown(node)
        if unknown is not None:
            raise unknown
        if not self._inside_function:
            self._check(node)
        body = body_of_operator(node)
        if body is not None:
            return call(self, node, body)
        result = emit_as_is(node)
        return result if result is not None else call(self, node, body_of_schema(node))

    def _check(self, node: SourceNode) -> None:
        context = onnx.checker.C.CheckerContext()
        context.ir_version = self._ir_version
        context.opset_imports = {"": node.version, **self._opsets}
        try:
            onnx.checker.check_node(ir.to_proto(node.source), context)
        except onnx.checker.ValidationError as error:
            first = (str(error).strip().splitlines() or ["it is wrong"])[0]
            raise InvalidModelError(f"the node does not fit its definition: {first}") from error
