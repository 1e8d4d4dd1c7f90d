"""Between blobs and the (sequence, batch, features) arrays of ONNX's recurrent operators.

1. A blob [S, B, C, 1, 1] is a sequence of S vectors, as NeuralNetwork.proto describes it. With rank-5 mapping
   it is held as [S · B, C, 1, 1]; with exact mapping it has rank 5.
2. A blob [N, C, H, W] with H · W > 1, which the format does not describe, is read as kraken writes it, the
   one tool known to store such layers: each row of each image is a sequence along W. The output is
   [N, features, H, W], or [N, features, H, 1] for a layer that gives its last output only. It has no states.

States are [B, features, 1, 1] (rank-5 mapping) or [1, B, features, 1, 1]; coremltools also writes
[B, features, 1, 1, 1].

A layer with ``reverseInput`` gives its outputs in the order in which it computes them, the last vector's
first; so Apple's tests of all recurrent layers expect it (coremltools, test_recurrent.py). The outputs of a
bidirectional LSTM are in the order of the inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.sizes import MAX_SIZE, stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import GraphBuilder, shape_of


@dataclass(frozen=True)
class SequenceInput:
    """The input of a recurrent layer.

    Attributes:
        context: the layer's context.
        vectors: (S, B, C), in the order in which the layer reads them.
        image: the size of [N, C, H, W] if the rows of images are the sequences.
    """

    context: LayerContext
    vectors: ir.Value
    image: tuple[int, ...] | None = None

    @property
    def steps(self) -> int:
        """S."""
        return self.context.size(self.vectors, 0)

    @property
    def batch(self) -> int:
        """B."""
        return self.context.size(self.vectors, 1)

    def state(self, index: int, features: int) -> ir.Value:
        """The layer's input number ``index``, a state, as (1, B, features)."""
        value = self.context.input(index)
        name, shape = self.context.layer.input[index], self.context.static_shape(value)
        if self.image:
            raise InvalidModelError(
                f"a layer on images can have no states, yet {name!r} is one", where=self.context.where
            )
        if math.prod(shape) != self.batch * features:
            raise InvalidModelError(
                f"the state {name!r} has shape {shape} where {self.batch} × {features} elements are needed",
                where=self.context.where,
            )
        return self._reshape(value, [1, self.batch, features])

    def sequence_blob(self, value: ir.Value, features: int) -> ir.Value:
        """The blob of outputs at every step, given elements in the order (S, B, features)."""
        if self.image:
            number, _, height, width = self.image
            rows = self._reshape(value, [width, number, height, features])
            return self.context.builder.op("Transpose", rows, attributes={"perm": [1, 3, 2, 0]})
        return self._vectors_blob(value, self.steps, features)

    def last_blob(self, value: ir.Value, features: int) -> ir.Value:
        """The blob of the last output or of a state, given elements in the order (B, features)."""
        if self.image:
            number, _, height, _ = self.image
            rows = self._reshape(value, [number, height, features, 1])
            return self.context.builder.op("Transpose", rows, attributes={"perm": [0, 2, 1, 3]})
        return self._vectors_blob(value, 1, features)

    def _vectors_blob(self, value: ir.Value, steps: int, features: int) -> ir.Value:
        if self.context.rank5:
            return self._reshape(value, [steps * self.batch, features, 1, 1])
        return self._reshape(value, [steps, self.batch, features, 1, 1])

    def _reshape(self, value: ir.Value, shape: list[int]) -> ir.Value:
        if shape_of(value) == tuple(shape):
            return value
        return self.context.builder.op("Reshape", value, self.context.builder.constant(shape))


def read_sequence(context: LayerContext, input_size: int, output_size: int, *, reverse: bool = False) -> SequenceInput:
    """The current layer's first input as a sequence of vectors.

    Args:
        context: the layer's context.
        input_size: inputVectorSize.
        output_size: outputVectorSize, checked here too.
        reverse: reverseInput.

    Raises:
        InvalidModelError: the blob is no sequence of such vectors, or a vector size is 0 or absurd.
        UnsupportedModelError: a size is only known when the model runs.
    """
    stated_size(context, "inputVectorSize", input_size)
    stated_size(context, "outputVectorSize", output_size)
    value = context.input()
    shape = context.static_shape(value)
    expected_rank = 4 if context.rank5 else 5
    if len(shape) != expected_rank:
        raise InvalidModelError(
            f"the layer needs a blob of rank {expected_rank} but gets rank {len(shape)}", where=context.where
        )
    context.check_channels(value, input_size)
    builder = context.builder
    if shape[HEIGHT] * shape[WIDTH] == 1:
        batch = context.batch if context.rank5 else shape[1]
        if context.rank5 and shape[0] % batch:
            raise InvalidModelError(
                f"{shape[0]} vectors cannot be a sequence with batch size {batch}", where=context.where
            )
        steps = shape[0] // batch if context.rank5 else shape[0]
        vectors = builder.op("Reshape", value, builder.constant([steps, batch, input_size]))
        return SequenceInput(context, _in_reading_order(builder, vectors, reverse))
    if not context.rank5:
        raise InvalidModelError(
            f"the layer needs a blob of shape (S, B, {input_size}, 1, 1) but gets {shape}",
            where=context.where,
        )
    number, channels, height, width = shape
    along_width = builder.op("Transpose", value, attributes={"perm": [3, 0, 2, 1]})
    vectors = builder.op("Reshape", along_width, builder.constant([width, number * height, channels]))
    return SequenceInput(context, _in_reading_order(builder, vectors, reverse), shape)


def _in_reading_order(builder: GraphBuilder, vectors: ir.Value, reverse: bool) -> ir.Value:
    if not reverse:
        return vectors
    last, before_first = builder.constant([-1]), builder.constant([-MAX_SIZE])
    return builder.op("Slice", vectors, last, before_first, builder.constant([0]), builder.constant([-1]))
