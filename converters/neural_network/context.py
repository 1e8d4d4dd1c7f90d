"""What a layer converter works with: its layer's inputs, outputs and weights, and the graph builder.

Blobs of specification ≤ 3 (``RANK5_ARRAY_MAPPING``) have rank 5, [Sequence, Batch, C, H, W]. They are held here as
rank 4, [N, C, H, W] with N = Sequence · Batch (sequence-major) and the batch size the same everywhere in the network,
so that convolutions need no reshaping. With ``EXACT_ARRAY_MAPPING`` (specification ≥ 4) blobs keep their own rank.
Axes in the format count from the end (W −1, H −2, C −3), so most converters serve both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.blob_uses import BlobUses
from mltoolkit.converters.neural_network.sizes import check_elements
from mltoolkit.converters.neural_network.storage import record_of_weight
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import InvalidModelError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.weights import Encoding, check_size, encoding_of, read_weight
from mltoolkit.graph.builder import Dimension, GraphBuilder, shape_of
from mltoolkit.graph.model_graph import CustomNode, GraphLayer
from mltoolkit.graph.quantization_record import QuantizationRecord, attach_record, joined, record_of

if TYPE_CHECKING:
    from mltoolkit.converters.hooks import HookSet

CHANNEL, HEIGHT, WIDTH = -3, -2, -1
# Core ML's arrays have up to 5 axes; a stated rank beyond this comes from a damaged file.
_MAX_RANK = 16


class Exits(NamedTuple):
    """Two bool scalars: whether this iteration of a loop was left, and whether the loop was."""

    iteration: ir.Value
    loop: ir.Value


# Arrays from this size on are not held besides the message that stores them.
_LARGE_BYTES = 1 << 16


class LayerContext:
    """The state of one network while its layers are converted.

    Attributes:
        builder: emits ONNX nodes.
        rank5: blobs are [Sequence, Batch, C, H, W], held as [N, C, H, W]; else they have their own rank.
        batch: the batch size B in N = S · B (only meaningful with ``rank5``).
        layer: the layer being converted (a NeuralNetworkLayer message).
        values: the graph value that currently holds each blob, by blob name (names are not single-assignment).
        custom_layer_classes: where custom layers find their Python class.
        custom_nodes: the custom layers converted so far that can run here, by node name.
        custom_descriptions: what the model file says, or a hook, of every custom layer, by node name.
        hooks: the caller's conversion functions; None without any.
        native_layers: whether custom layers that mltoolkit brings are built of ONNX operators.
        uses: which layers read which blobs; None where that is not known.
        exits: whether the iteration of the loop that is being converted was left; None outside loops.
        in_body: whether ``builder`` makes the body of a branch or loop.
        nested: the layers inside the current layer, as far as they were converted.
        loop_bodies: how often a body of a loop was converted so far.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        *,
        rank5: bool,
        batch: int = 1,
        custom_layers: CustomLayerSet | None = None,
        uses: BlobUses | None = None,
        hooks: HookSet | None = None,
        native_layers: bool = False,
    ) -> None:
        self.builder = builder
        self.rank5 = rank5
        self.batch = batch
        self.layer: Any = None
        self.values: dict[str, ir.Value] = {}
        self.custom_layer_classes = custom_layers or CustomLayerSet()
        self.custom_nodes: dict[str, CustomNode] = {}
        self.custom_descriptions: dict[str, CustomLayerDescription] = {}
        self.hooks = hooks
        self.native_layers = native_layers
        self.uses = uses
        self.exits: Exits | None = None
        self.in_body = False
        self.nested: list[GraphLayer] = []
        self.loop_bodies = 0
        self._records: dict[tuple[str, str], dict[str, list[QuantizationRecord | None]]] = {}

    @property
    def where(self) -> str:
        """The current layer, for errors."""
        return f"layer {self.layer.name!r} ({self.layer.WhichOneof('layer')})"

    @property
    def params(self) -> Any:
        """The parameters of the current layer."""
        return getattr(self.layer, self.layer.WhichOneof("layer"))

    def input(self, index: int = 0) -> ir.Value:
        """The value of the layer's input blob.

        Raises:
            InvalidModelError: the layer has fewer inputs, or no earlier layer or model input makes that blob.
        """
        if index >= len(self.layer.input):
            raise InvalidModelError(
                f"the layer needs at least {index + 1} inputs but has {len(self.layer.input)}",
                where=self.where,
            )
        name = self.layer.input[index]
        if name not in self.values:
            raise InvalidModelError(
                f"nothing before the layer makes its input {name!r}",
                where=self.where,
                fix=did_you_mean(name, self.values),
            )
        return self.values[name]

    def inputs(self) -> list[ir.Value]:
        """The values of all input blobs."""
        return [self.input(index) for index in range(len(self.layer.input))]

    def output(self, value: ir.Value, index: int = 0) -> None:
        """Make ``value`` the layer's output blob number ``index``.

        Raises:
            InvalidModelError: the layer has fewer outputs, or the blob would not fit into memory.
        """
        if index >= len(self.layer.output):
            raise InvalidModelError(
                f"the layer needs at least {index + 1} outputs but has {len(self.layer.output)}",
                where=self.where,
            )
        if value.shape is None:
            value.shape = self._stated_rank(index)
        if value.shape is not None:
            check_elements(self, shape_of(value))
        self.values[self.layer.output[index]] = value

    def _stated_rank(self, index: int) -> ir.Shape | None:
        """Unknown sizes, as many as the file states for an output blob, for want of a better source."""
        if index >= len(self.layer.outputTensor):
            return None
        rank = min(self.layer.outputTensor[index].rank, _MAX_RANK)
        return ir.Shape([None] * rank) if rank else None

    def output_value(self, name: str) -> ir.Value:
        """The value of an output blob that the layer's converter must have made."""
        if name not in self.values:
            raise InvalidModelError(f"the layer does not make its output {name!r}", where=self.where)
        return self.values[name]

    def weight(
        self, field: str, shape: Sequence[int], *, channel_axis: int = 0, params: Any = None
    ) -> NDArray[np.float32]:
        """The values of a weight of the layer as float32 of the given shape, whatever its encoding.

        Args:
            field: name of the ``WeightParams`` field in ``params`` (by default the layer's parameters).
            shape: the shape it must have.
            channel_axis: axis along which per-channel quantization scales lie.
        """
        weight = getattr(self.params if params is None else params, field)
        self.note_storage(field, [weight])
        return read_weight(weight, tuple(shape), f"{self.where}, {field}", channel_axis)

    def note_storage(self, field: str, weights: Sequence[Any], owner: str = "") -> None:
        """Remember how the weights are stored that :meth:`weight_constant` will be given as ``field``.

        Args:
            field: what the constant is called.
            weights: one ``WeightParams`` message, or those of equal parts that are put together.
            owner: which of several groups of parts these are; the constant is put together of all.
        """
        noted = self._records.setdefault((self.layer.name, field), {})
        noted[owner] = [record_of_weight(weight) for weight in weights]

    def stored_constant(self, field: str, shape: Sequence[int], *, channel_axis: int = 0) -> ir.Value:
        """A weight as a named constant of the graph, just as the file holds it; see :meth:`weight`.

        The graph holds no large one: it is checked now, and read whenever it is asked for.
        """
        if 4 * math.prod(shape) < _LARGE_BYTES:
            return self.weight_constant(self.weight(field, shape, channel_axis=channel_axis), field)
        weight, where = getattr(self.params, field), f"{self.where}, {field}"
        self.note_storage(field, [weight])

        def read() -> NDArray[np.float32]:
            return read_weight(weight, tuple(shape), where, channel_axis)

        if encoding_of(weight) in (Encoding.FLOAT32, Encoding.FLOAT16):
            check_size(weight, math.prod(shape), where)
        else:
            read()
        name = f"{self.layer.name}/{field}"
        return self._recorded(self.builder.constant_on_demand(read, np.dtype(np.float32), shape, name), field)

    def weight_constant(self, values: NDArray[np.float32], field: str) -> ir.Value:
        """A weight as a named constant of the graph; it carries the record of how the file stores it."""
        return self._recorded(self.builder.constant(values, name=f"{self.layer.name}/{field}"), field)

    def _recorded(self, value: ir.Value, field: str) -> ir.Value:
        # A small constant may serve several layers.
        if record_of(value) is None:
            noted = self._records.get((self.layer.name, field), {})
            attach_record(value, joined([record for parts in noted.values() for record in parts]))
        return value

    def axis(self, value: ir.Value, axis: int) -> int:
        """A negative axis of a blob as the non-negative axis of its value.

        onnxruntime's NCHWc layout pass skips nodes with negative axes.

        Raises:
            InvalidModelError: the blob has too few dimensions.
        """
        rank = len(shape_of(value))
        if not -rank <= axis < rank:
            raise InvalidModelError(f"the layer needs axis {axis} of a blob of rank {rank}", where=self.where)
        return axis % rank

    def size(self, value: ir.Value, axis: int) -> int:
        """The static size of an axis.

        Raises:
            UnsupportedModelError: the size is only known when the model runs.
        """
        size = shape_of(value)[self.axis(value, axis)]
        if not isinstance(size, int):
            raise UnsupportedModelError(
                f"the layer needs to know the size of axis {axis} of its input before the model runs",
                where=self.where,
            )
        return size

    def static_shape(self, value: ir.Value) -> tuple[int, ...]:
        """The whole static shape of a value; see :meth:`size`."""
        return tuple(self.size(value, axis) for axis in range(len(shape_of(value))))

    def shape(self, value: ir.Value) -> tuple[Dimension, ...]:
        """The shape of a value, unknown sizes included."""
        return shape_of(value)

    def check_channels(self, value: ir.Value, expected: int) -> None:
        """Check that the channel axis of a blob has ``expected`` elements, where that is known.

        Raises:
            InvalidModelError: it has another size.
        """
        size = shape_of(value)[self.axis(value, CHANNEL)]
        if isinstance(size, int) and size != expected:
            raise InvalidModelError(f"the layer expects {expected} input channels but gets {size}", where=self.where)
