"""What the converter of a layer family works with: the Keras layer, its inputs, and the graph under construction."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.refusal import LayerRefused
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import dtype_of

if TYPE_CHECKING:
    from mltoolkit.converters.keras.walk import ModelWalk


class LayerContext:
    """One call of a Keras layer or operation.

    Attributes:
        walk: the walk over the model.
        source: the Keras layer or operation.
        name: its name, after those of the models around it.
        class_name: its class in Keras.
        args: the positional arguments of the call, with a :class:`Tensor` for each of Keras' symbolic tensors.
        kwargs: the named ones.
        inputs: all tensors among the arguments, in order.
        output_shapes: Keras' shapes of the outputs; None for sizes that it does not know. Empty where Keras was not
            asked, for layers inside of layers.
    """

    def __init__(
        self,
        walk: ModelWalk,
        source: Any,
        name: str,
        class_name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        output_shapes: Sequence[tuple[int | None, ...]] = (),
    ) -> None:
        self.walk = walk
        self.source = source
        self.name = name
        self.class_name = class_name
        self.args = tuple(args)
        self.kwargs = dict(kwargs)
        self.inputs = tuple(tensors_in((self.args, self.kwargs)))
        self.output_shapes = tuple(output_shapes)
        self.builder = walk.builder
        self.layouts = walk.layouts

    def tensor(self, index: int = 0) -> Tensor:
        """An input as it is stored."""
        return self.inputs[index]

    def logical(self, index: int = 0) -> ir.Value:
        """An input in Keras' order of axes."""
        return self.layouts.logical(self.inputs[index])

    def feature_map(self, index: int = 0) -> ir.Value:
        """An input channels-first, of a layer that has a ``data_format``."""
        if self.channels_last:
            return self.layouts.channels_first(self.inputs[index])
        return self.layouts.logical(self.inputs[index])

    def feature_result(self, value: ir.Value) -> Tensor:
        """The output of such a layer, from its channels-first value."""
        return Tensor(value, self.channels_last and len(value.shape or ()) >= 3)

    @property
    def channels_last(self) -> bool:
        """Whether a layer with a ``data_format`` expects its channels at the end."""
        stated = self.source.data_format or self.walk.keras.config.image_data_format()
        return bool(stated == "channels_last")

    def like_input(self, value: ir.Value, index: int = 0) -> Tensor:
        """An output whose axes are those of an input, as it is stored."""
        return Tensor(value, self.inputs[index].moved)

    def argument(self, name: str, default: Any = None) -> Any:
        """An argument of the call by its name in ``call``, or what that has as default."""
        if name in self.kwargs:
            return self.kwargs[name]
        names = list(inspect.signature(self.source.call).parameters)
        if name in names and names.index(name) < len(self.args):
            return self.args[names.index(name)]
        return default

    def weight(self, attribute: str) -> NDArray[np.float32] | None:
        """A weight of the layer, or what it computes from its weights (LoRA), as float32; None where it has none."""
        variable = getattr(self.source, attribute, None)
        return None if variable is None else self.array(variable)

    def needed_weight(self, attribute: str) -> NDArray[np.float32]:
        """A weight that the layer must have."""
        weight = self.weight(attribute)
        if weight is None:
            self.refuse(f"it has no {attribute}; it was never built")
        return weight

    def array(self, value: Any) -> NDArray[Any]:
        """A number, array, variable or tensor of Keras' backend: floating types as float32, integers as int32."""
        array = self.walk.to_numpy(value)
        if array.dtype == np.bool_:
            return array
        return array.astype(np.int32 if array.dtype.kind in "iu" else np.float32)

    def operand(self, value: Any, like: Tensor | None = None) -> Tensor:
        """A tensor of the graph, or anything else as a constant; numbers get the type of ``like``."""
        if isinstance(value, Tensor):
            return value
        array = self.array(value)
        if like is not None and (isinstance(value, (bool, int, float)) or array.ndim == 0):
            array = array.astype(dtype_of(like.value))
        return Tensor(self.builder.constant(array))

    def each_axis(self, given: int | Sequence[int] | None, value: ir.Value) -> list[int]:
        """A size given for each spatial axis of a channels-first value, or once for all; None: 1."""
        if given is None or isinstance(given, int):
            return [1 if given is None else int(given)] * (len(value.shape or ()) - 2)
        return [int(one) for one in given]

    def op(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Emit a node with one output; see :meth:`GraphBuilder.op`."""
        return self.builder.op(op_type, *inputs, attributes=attributes)

    def constant(self, array: NDArray[Any] | Sequence[int] | Sequence[float] | float | int) -> ir.Value:
        """A constant; see :meth:`GraphBuilder.constant`."""
        return self.builder.constant(array)

    def apply(self, source: Any, *args: Any, name: str = "", **kwargs: Any) -> list[Tensor]:
        """Convert another layer, operation or function of Keras that this layer calls."""
        return self.walk.convert(source, args, kwargs, within=self.name, name=name)

    def refuse(self, reason: str, closest: str = "") -> NoReturn:
        """Say that this layer cannot be converted; ``closest`` is the closest form that can."""
        raise LayerRefused(reason, closest)


def tensors_in(structure: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dictionaries, in Keras' order."""
    if isinstance(structure, Tensor):
        return [structure]
    if isinstance(structure, dict):
        return [tensor for key in structure for tensor in tensors_in(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [tensor for item in structure for tensor in tensors_in(item)]
    return []
