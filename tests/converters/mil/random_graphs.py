"""Seeded random graphs of the hub, for finding what coremltools' fusions of neighbouring operations get wrong."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from mltoolkit.graph.builder import GraphBuilder

SHAPES = [(1, 4, 6, 8), (2, 3, 8, 6), (1, 8, 5, 5), (2, 6, 4), (3, 10)]


class RandomGraph:
    """A chain with branches of operators that networks have, over one float32 input ``x``.

    Attributes:
        shape: the input's shape.
        model: the graph; its outputs are ``y0`` and perhaps ``y1``.
        operators: what it is made of, in order.
    """

    def __init__(self, seed: int) -> None:
        self._choice = random.Random(seed)
        self._numbers = np.random.default_rng(seed)
        self._builder = GraphBuilder("random")
        self.shape = self._choice.choice(SHAPES)
        self._values = [self._builder.input("x", np.float32, self.shape)]
        steps: list[Callable[[ir.Value, list[int]], None]] = [
            *(self._convolution, self._normalization, self._activation, self._arithmetic, self._join, self._rearrange),
            *(self._cut, self._pool, self._reduce, self._product, self._written_out, self._transposed),
        ]
        for _ in range(self._choice.randint(3, 14)):
            value = self._choice.choice(self._values[-4:])
            self._choice.choice(steps)(value, [int(size) for size in value.shape or ()])
        ends = dict.fromkeys([self._values[-1], self._choice.choice(self._values)])
        outputs = [self._builder.op("Identity", value, name=f"y{place}") for place, value in enumerate(ends)]
        self.model = self._builder.finish(outputs)
        self.operators = [node.op_type for node in self.model.graph]

    def _constant(self, *shape: int, low: float = -0.7, high: float = 0.7) -> ir.Value:
        return self._builder.constant(self._numbers.uniform(low, high, shape).astype(np.float32))

    def _ints(self, *values: int) -> ir.Value:
        return self._builder.constant(np.array(values, np.int64))

    def _emit(self, op_type: str, *inputs: ir.Value, **attributes: object) -> ir.Value:
        self._values.append(self._builder.op(op_type, *inputs, attributes=attributes))
        return self._values[-1]

    def _operand(self, sizes: list[int], low: float, high: float) -> ir.Value:
        """A constant that broadcasts against a value."""
        channels = [sizes[1]] + [1] * (len(sizes) - 2) if len(sizes) > 1 else []
        shape = self._choice.choice([sizes, [1] * len(sizes), sizes[-1:], channels, []])
        return self._constant(*shape, low=low, high=high)

    def _convolution(self, x: ir.Value, sizes: list[int]) -> None:
        if len(sizes) != 4:
            return
        kind = self._choice.choice(["plain", "depthwise", "transposed"])
        if kind == "plain":
            kernel = self._constant(self._choice.choice([2, 4]), sizes[1], self._choice.choice([1, 3]), 3)
            self._emit("Conv", x, kernel, pads=[1, 1, 1, 1], strides=self._choice.choice([[1, 1], [2, 1]]))
        elif kind == "depthwise":
            self._emit("Conv", x, self._constant(sizes[1], 1, 3, 3), pads=[1, 0, 1, 2], group=sizes[1])
        else:
            self._emit("ConvTranspose", x, self._constant(sizes[1], 3, 2, 2), strides=[2, 2])

    def _normalization(self, x: ir.Value, sizes: list[int]) -> None:
        if len(sizes) > 1:
            parts = [self._constant(sizes[1]) for _ in range(3)]
            self._emit("BatchNormalization", x, *parts, self._constant(sizes[1], low=0.5, high=2))

    def _activation(self, x: ir.Value, sizes: list[int]) -> None:
        kinds = ["Relu", "Sigmoid", "Tanh", "Elu", "HardSwish", "Softplus", "HardSigmoid", "Neg", "Abs"]
        self._emit(self._choice.choice(kinds), x)

    def _arithmetic(self, x: ir.Value, sizes: list[int]) -> None:
        if self._choice.random() < 0.5:
            self._emit(self._choice.choice(["Add", "Sub"]), x, self._operand(sizes, -1, 1))
        else:
            self._emit(self._choice.choice(["Mul", "Div"]), x, self._operand(sizes, 0.5, 1.5))

    def _join(self, x: ir.Value, sizes: list[int]) -> None:
        same = [value for value in self._values if value.shape == x.shape]
        other = self._choice.choice(same)
        if self._choice.random() < 0.5 or not sizes:
            self._emit(self._choice.choice(["Add", "Mul", "Max"]), x, other)
        else:
            self._emit("Concat", x, other, axis=self._choice.randrange(len(sizes)))

    def _rearrange(self, x: ir.Value, sizes: list[int]) -> None:
        kind = self._choice.choice(["transpose", "reshape", "flatten", "unsqueeze"])
        if kind == "transpose" and len(sizes) > 1:
            self._emit("Transpose", x, perm=self._choice.sample(range(len(sizes)), len(sizes)))
        elif kind == "reshape":
            total = int(np.prod(sizes))
            rows = self._choice.choice([count for count in range(1, total + 1) if total % count == 0])
            self._emit("Reshape", x, self._ints(*self._choice.choice([[rows, -1], [1, rows, -1], [rows, 1, 1, -1]])))
        elif kind == "flatten":
            self._emit("Flatten", x, axis=self._choice.randint(0, len(sizes)))
        elif len(sizes) < 4:
            self._emit("Unsqueeze", x, self._ints(self._choice.randint(0, len(sizes))))

    def _cut(self, x: ir.Value, sizes: list[int]) -> None:
        if not sizes:
            return
        axis = self._choice.randrange(len(sizes))
        start = self._choice.randrange(sizes[axis])
        kind = self._choice.choice(["slice", "pad", "split"])
        if kind == "slice":
            end, step = self._choice.randint(start + 1, sizes[axis]), self._choice.choice([1, 2])
            self._emit("Slice", x, *(self._ints(number) for number in (start, end, axis, step)))
        elif kind == "pad":
            pads = [self._choice.choice([0, 0, 1]) for _ in range(2 * len(sizes))]
            self._emit("Pad", x, self._ints(*pads), mode=self._choice.choice(["constant", "edge"]))
        elif start:
            parts = self._ints(start, sizes[axis] - start)
            self._values += self._builder.ops("Split", x, parts, attributes={"axis": axis}, names=("", ""))

    def _pool(self, x: ir.Value, sizes: list[int]) -> None:
        if len(sizes) == 4 and min(sizes[2:]) > 1:
            attributes = {
                "strides": self._choice.choice([[1, 1], [2, 2]]),
                "pads": self._choice.choice([[0] * 4, [1] * 4]),
            }
            self._emit(self._choice.choice(["MaxPool", "AveragePool"]), x, kernel_shape=[2, 2], **attributes)

    def _reduce(self, x: ir.Value, sizes: list[int]) -> None:
        if len(sizes) > 1:
            axes = sorted(self._choice.sample(range(len(sizes)), self._choice.randint(1, len(sizes) - 1)))
            kind = self._choice.choice(["ReduceMean", "ReduceMax", "ReduceSum"])
            self._emit(kind, x, self._ints(*axes), keepdims=self._choice.choice([0, 1]))
            self._emit("Softmax", x, axis=self._choice.randrange(len(sizes)))

    def _product(self, x: ir.Value, sizes: list[int]) -> None:
        if len(sizes) > 1:
            product = self._emit("MatMul", x, self._constant(sizes[-1], 4))
            if self._choice.random() < 0.5:
                self._emit("Add", product, self._constant(4))

    def _written_out(self, x: ir.Value, sizes: list[int]) -> None:
        """What exporters write where a framework has one layer: GELU, swish, normalisations."""
        number = self._builder.constant
        kind = self._choice.choice(["gelu", "swish", "normalization"])
        if kind == "swish":
            self._emit("Mul", x, self._emit("Sigmoid", x))
        elif kind == "gelu":
            grown = self._emit("Add", self._emit("Erf", self._emit("Mul", x, number(0.70710678))), number(1.0))
            self._emit("Mul", self._emit("Mul", x, grown), number(0.5))
        elif len(sizes) > 1:
            axes = self._ints(*self._choice.choice([[len(sizes) - 1], [1], list(range(1, len(sizes)))]))
            centred = self._emit("Sub", x, self._emit("ReduceMean", x, axes))
            variance = self._emit("ReduceMean", self._emit("Mul", centred, centred), axes)
            scaled = self._emit("Div", centred, self._emit("Sqrt", self._emit("Add", variance, number(1e-3))))
            self._emit("Add", self._emit("Mul", scaled, self._constant(sizes[-1])), self._constant(sizes[-1]))

    def _transposed(self, x: ir.Value, sizes: list[int]) -> None:
        """Something done channels-last between two transpositions."""
        if len(sizes) == 4:
            inner = self._emit("Transpose", x, perm=[0, 2, 3, 1])
            inner = self._emit(self._choice.choice(["Relu", "Sigmoid", "Neg"]), inner)
            if self._choice.random() < 0.5:
                inner = self._emit("Add", inner, self._constant(sizes[1]))
            self._emit("Transpose", inner, perm=[0, 3, 1, 2])
