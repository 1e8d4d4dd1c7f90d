"""Custom conversion functions: what a user says a layer becomes.

A hook takes one :class:`HookedLayer` and returns either a description of a custom layer or the values of ONNX nodes
it has built with ``layer.builder``:

>>> def convert_grid_sampler(layer):
...     return CustomLayerDescription("GridSampler", parameters=layer.parameters, weights=layer.weights)
>>> def convert_swish(layer):
...     x = layer.inputs[0]
...     return layer.builder.op("Mul", x, layer.builder.op("Sigmoid", x))
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.hook_result import checked_result
from mltoolkit.converters.unsupported import UnsupportedLayer as UnsupportedLayer
from mltoolkit.converters.unsupported import UnsupportedLayers as UnsupportedLayers
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.custom_layers.protocol import ParameterValue
from mltoolkit.errors import ArgumentError, ConversionHookError, did_you_mean
from mltoolkit.graph.builder import Dimension, GraphBuilder

logger = logging.getLogger(__name__)

HookKey = str | tuple[str, str]


@dataclass(frozen=True)
class HookedLayer:
    """The layer that a hook converts. Feature maps are channels-first (N, C, H, W), whatever the source's order.

    Attributes:
        name: its name in the source; for an ONNX node without one, the name of its first output.
        class_name: Keras class, ONNX operator, Core ML custom layer's ``className`` or else layer type.
        domain: domain of an ONNX operator; "" for ONNX's own and for other sources.
        config: its parameters or attributes by name, as plain Python values (lists of numbers too).
        weights: its weights in the source's order and shapes.
        input_shapes: the inputs' shapes, channels-first; sizes unknown before the model runs are names or None, a
            shape of unknown rank is None as a whole.
        output_shapes: likewise for the outputs.
        source: the Keras layer, ``onnx_ir.Node`` or ``NeuralNetworkLayer`` message.
        inputs: the values in the graph that it reads, channels-first.
        builder: makes ONNX nodes of the hub's opset: ``builder.op("Relu", value)``, ``builder.constant(array)``.
    """

    name: str
    class_name: str
    domain: str
    config: Mapping[str, Any]
    weights: Sequence[NDArray[Any]]
    input_shapes: Sequence[tuple[Dimension, ...] | None]
    output_shapes: Sequence[tuple[Dimension, ...] | None]
    source: Any
    inputs: Sequence[ir.Value]
    builder: GraphBuilder

    @property
    def parameters(self) -> dict[str, ParameterValue]:
        """The numbers, strings and flags of ``config``: what a custom layer can store."""
        plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in self.config.items()}
        return {key: value for key, value in plain.items() if isinstance(value, (bool, int, float, str))}

    @property
    def likely_output_shapes(self) -> list[tuple[Dimension, ...] | None]:
        """``output_shapes``, and that of the first input for those that the source does not say."""
        first = self.input_shapes[0] if self.input_shapes else None
        return [first if shape is None else shape for shape in self.output_shapes]


Hook = Callable[[HookedLayer], "CustomLayerDescription | ir.Value | Sequence[ir.Value]"]


class HookSet:
    """The custom conversion functions given for one conversion.

    Args:
        functions: a layer name, a class name (ONNX operator, custom layer's class name) or an ONNX (domain,
            operator) → the function that converts it. A layer's name goes before (domain, operator), and that
            before a class name.

    Raises:
        ArgumentError: a key or value is none of these.
    """

    def __init__(self, functions: Mapping[HookKey, Hook] | None = None) -> None:
        if functions is not None and not isinstance(functions, Mapping):
            raise ArgumentError(
                f"custom_conversion_functions is a dictionary, not {type(functions).__name__}",
                fix='Give {"ClassName": function} or {("domain", "Operator"): function}',
            )
        self._functions: dict[HookKey, Hook] = {}
        for key, function in (functions or {}).items():
            self._functions[_checked_key(key)] = _checked_function(key, function)
        self._seen: dict[str, None] = {}
        self._used: dict[HookKey, list[str]] = {key: [] for key in self._functions}

    def __len__(self) -> int:
        return len(self._functions)

    def find(self, name: str, class_name: str, domain: str = "") -> Hook | None:
        """The function for a layer, or None; importers ask for every layer of the model.

        Args:
            name: the layer's name.
            class_name: its class, ONNX operator or ``className``.
            domain: domain of an ONNX operator.
        """
        domain = "" if domain == "ai.onnx" else domain
        self._seen.update(dict.fromkeys((name, class_name)))
        for key in (name, (domain, class_name), class_name):
            if key in self._functions and key:
                self._used[key].append(name)
                return self._functions[key]
        return None

    def apply(self, hook: Hook, layer: HookedLayer) -> CustomLayerDescription | tuple[ir.Value, ...]:
        """Call a hook; what it returns is checked and given as a description, or as one value for each output.

        Raises:
            ConversionHookError: it raised (the cause is kept), or returned something else.
        """
        title = getattr(hook, "__name__", type(hook).__name__)
        where = f"layer {layer.name!r} of class {layer.class_name}"
        try:
            with layer.builder.scope(layer.name):
                result = hook(layer)
        except Exception as error:
            raise ConversionHookError(
                f"the custom conversion function {title!r} raised {type(error).__name__}: {error}",
                where=where,
                fix="Correct it; it is called with one argument, the layer",
            ) from error
        return checked_result(result, layer, title, where)

    @property
    def used(self) -> dict[HookKey, tuple[str, ...]]:
        """Key → names of the layers that it matched, for those that matched any."""
        return {key: tuple(names) for key, names in self._used.items() if names}

    @property
    def unused(self) -> dict[HookKey, str]:
        """Key → a hint with the closest names of the model, for functions that matched no layer."""
        hints = {}
        for key, names in self._used.items():
            if not names:
                hints[key] = did_you_mean(key if isinstance(key, str) else key[1], self._seen)
        return hints

    def warn_unused(self) -> None:
        """Log a warning for each function that matched no layer, with the closest names of the model."""
        for key, hint in self.unused.items():
            logger.warning("the custom conversion function for %r matches no layer of the model. %s", key, hint)


def _checked_key(key: object) -> HookKey:
    if isinstance(key, str) and key:
        return key
    if isinstance(key, tuple) and len(key) == 2 and all(isinstance(part, str) for part in key) and key[1]:
        return ("" if key[0] == "ai.onnx" else key[0], key[1])
    raise ArgumentError(
        f"a custom conversion function stands under a layer name, a class name or (domain, operator), not {key!r}",
        fix='Write "GridSampler", "layer_12" or ("com.example", "GridSampler")',
    )


def _checked_function(key: object, function: object) -> Hook:
    if not callable(function) or isinstance(function, type):
        raise ArgumentError(
            f"the custom conversion function for {key!r} is {function!r}",
            fix="Give a function of one argument, the layer, that returns a CustomLayerDescription or ONNX values",
        )
    return function
