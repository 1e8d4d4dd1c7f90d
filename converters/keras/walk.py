"""The walk over a Keras model: every call of a layer or operation becomes nodes of the graph."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.hooks import HookSet, UnsupportedLayers
from mltoolkit.converters.keras.context import LayerContext, tensors_in
from mltoolkit.converters.keras.hooking import apply_hook
from mltoolkit.converters.keras.keras_module import keras_class
from mltoolkit.converters.keras.masking import refuse_masks, with_masks
from mltoolkit.converters.keras.records import LayerRecords
from mltoolkit.converters.keras.refusal import LayerRefused
from mltoolkit.converters.keras.registry import Registered, layer_converters, operation_converters
from mltoolkit.converters.keras.tensors import Layouts, Tensor
from mltoolkit.converters.keras.tracing import trace
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.graph.builder import GraphBuilder

logger = logging.getLogger(__name__)


class ModelWalk:
    """Converts the calls of a model in order.

    Args:
        keras: the module ``keras``.
        builder: receives the nodes.
        hooks: custom conversion functions, asked before every layer.
        channels_last: whether Keras' feature maps have their channels at the end.

    Attributes:
        unsupported: what could not be converted so far.
        custom_layers: descriptions that hooks gave, by the name of the node.
        records: the layers converted so far, with their outputs.
    """

    def __init__(self, keras: Any, builder: GraphBuilder, hooks: HookSet, *, channels_last: bool) -> None:
        self.keras = keras
        self.builder = builder
        self.hooks = hooks
        self.channels_last = channels_last
        self.layouts = Layouts(builder)
        self.unsupported = UnsupportedLayers()
        self.custom_layers: dict[str, CustomLayerDescription] = {}
        self.records = LayerRecords()
        # How many layers around the current one are followed call by call: what cannot be converted in one of
        # those is a reason to refuse the layer as a whole.
        self._followed = 0

    def to_numpy(self, value: Any) -> NDArray[Any]:
        """A number, array, variable or tensor of Keras' backend as NumPy array."""
        if isinstance(value, np.ndarray):
            return value
        array: NDArray[Any] = np.asarray(self.keras.ops.convert_to_numpy(value))
        return array

    def run(self, function: Any, inputs: Sequence[Tensor], within: str = "") -> list[Tensor]:
        """Convert a graph of calls (``keras.Function``: a functional model, the inside of a sequential one).

        Args:
            function: the graph.
            inputs: what its inputs stand for.
            within: name of the model around it, "" for the outermost.

        Returns:
            One tensor for each of its outputs.
        """
        tensors = {id(symbol): tensor for symbol, tensor in zip(function.inputs, inputs, strict=True)}
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if node.is_input or any(id(symbol) not in tensors for symbol in node.input_tensors):
                    continue
                args, kwargs = node.arguments.fill_in(tensors)
                shapes = [tuple(symbol.shape) for symbol in node.outputs]
                outputs = self.convert(node.operation, args, kwargs, within=within, output_shapes=shapes)
                tensors.update({id(symbol): tensor for symbol, tensor in zip(node.outputs, outputs, strict=True)})
        return [tensors[id(symbol)] for symbol in function.outputs]

    def convert(
        self,
        source: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        within: str = "",
        name: str = "",
        output_shapes: Sequence[tuple[int | None, ...]] = (),
    ) -> list[Tensor]:
        """Convert one call of a layer, model, operation or function.

        Args:
            source: what is called.
            args: positional arguments, with a :class:`Tensor` for each symbolic tensor.
            kwargs: named ones.
            within: name of what is around it.
            name: its name, if it is not that of the source.
            output_shapes: Keras' shapes of its outputs, as far as known.
        """
        plain = str(name or getattr(source, "name", "") or getattr(source, "__name__", type(source).__name__))
        path = f"{within}/{plain}" if within else plain
        kind = keras_class(source)
        class_name = kind.__name__ if kind else type(source).__name__
        context = LayerContext(self, source, path, class_name, args, kwargs, output_shapes)
        hook = self.hooks.find(plain, class_name) or (self.hooks.find(path, class_name) if within else None)
        try:
            with self.builder.scope(path):
                if hook is not None:
                    return self._recorded(context, apply_hook(context, hook))
                inner = _inner_graph(source, kind)
                if inner is not None:
                    return self.run(inner, _model_inputs(context, inner), within=path)
                registered = self._registered(source, kind)
                if registered is None:
                    return self._traced(context)
                _refuse_quantized(context)
                if not registered.masks:
                    refuse_masks(context)
                result = registered.convert(context)
                outputs = [result] if isinstance(result, Tensor) else list(result)
                return self._recorded(context, with_masks(context, outputs))
        except LayerRefused as refusal:
            if self._followed:
                what = "keras.ops" if _is_operation(self.keras, source) else "layer"
                raise LayerRefused(
                    f"its call uses the {what} {class_name}: {refusal.reason}", refusal.closest
                ) from None
            if not output_shapes:
                raise  # a layer inside of a layer: the outer one is refused
            self.unsupported.add(path, class_name, refusal.reason, refusal.closest)
        except (InvalidModelError, UnsupportedModelError) as error:
            if not len(self.unsupported):
                raise
            # What follows an unsupported layer works with shapes that are only half known.
            logger.debug("%s is passed over, after unsupported layers: %s", path, error)
        return [self._placeholder(path, shape) for shape in output_shapes]

    def _registered(self, source: Any, kind: type | None) -> Registered | None:
        if kind is None:
            return None
        converters = operation_converters() if _is_operation(self.keras, source) else layer_converters()
        return converters.get(kind.__name__)

    def _traced(self, context: LayerContext) -> list[Tensor]:
        """Convert a layer that has no converter through the Keras layers and operations that its call is made of."""
        if _is_operation(self.keras, context.source):
            context.refuse("this operation of keras.ops has no conversion")
        not_followed: tuple[str, str] | None = getattr(context.source, "not_followed", None)
        if not_followed is not None:
            context.refuse(*not_followed)
        function, inputs = trace(context, self.keras)
        self._followed += 1
        try:
            outputs = self.run(function, inputs, within=context.name)
        finally:
            self._followed -= 1
        logger.debug("%s (%s) is converted by what its call is made of", context.name, context.class_name)
        return self._recorded(context, with_masks(context, outputs))

    def _recorded(self, context: LayerContext, outputs: list[Tensor]) -> list[Tensor]:
        _check_shapes(context, outputs)
        self.records.add(self.builder, context, outputs)
        return outputs

    def _placeholder(self, name: str, shape: Sequence[int | None]) -> Tensor:
        sizes = [1 if size is None and axis == 0 else size for axis, size in enumerate(shape)]
        return Tensor(
            ir.Value(name=self.builder.unique_name(name), type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(sizes))
        )


def _refuse_quantized(context: LayerContext) -> None:
    mode = getattr(context.source, "quantization_mode", None)
    if mode is not None:
        context.refuse(
            f"it is quantized ({mode}), which Keras computes with rounded inputs",
            "the model before model.quantize(); quantize the Core ML model instead",
        )


def _is_operation(keras: Any, source: Any) -> bool:
    return isinstance(source, keras.Operation) and not isinstance(source, keras.layers.Layer)


def _inner_graph(source: Any, kind: type | None) -> Any:
    """The graph of a functional or sequential model; None for anything else."""
    if kind is None:
        return None
    if kind.__name__ == "Sequential":
        return source._functional
    return source if kind.__name__ in ("Functional", "Function") else None


def _model_inputs(context: LayerContext, inner: Any) -> list[Tensor]:
    """The tensors that a model inside a model is called with, in the order of its inputs."""
    given = context.args[0] if context.args else next(iter(context.kwargs.values()), None)
    if isinstance(given, dict):
        names = [symbol.name for symbol in inner.inputs]
        if set(names) <= set(given):
            return [given[name] for name in names]
        return [given[name] for name in sorted(given)]
    tensors = tensors_in(given)
    for tensor, symbol in zip(tensors, inner.inputs, strict=False):
        if tensor.rank != len(symbol.shape):
            context.refuse(f"its input {symbol.name!r} of rank {len(symbol.shape)} is given one of {tensor.rank}")
    if len(tensors) != len(inner.inputs):
        context.refuse(f"it has {len(inner.inputs)} inputs and is called with {len(tensors)}")
    return tensors


def _check_shapes(context: LayerContext, outputs: Sequence[Tensor]) -> None:
    """Compare with what Keras says, so that a wrong conversion stops where it is made."""
    wanted = context.output_shapes
    if not wanted:
        return
    fits = len(wanted) == len(outputs) and all(
        len(shape) == output.rank
        and all(
            made == size or not isinstance(made, int) or size is None
            for made, size in zip(output.shape, shape, strict=True)
        )
        for output, shape in zip(outputs, wanted, strict=True)
    )
    if not fits:
        made = ", ".join(str(output.shape) for output in outputs)
        raise InvalidModelError(
            f"its conversion gives the shape {made}, where Keras says {', '.join(map(str, wanted))}",
            where=f"layer {context.name!r} of class {context.class_name}",
        )
