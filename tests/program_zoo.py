"""Small ML Programs with seeded weights in a weight file, written as protobuf: no coremltools needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from mil_programs import Ref, add_operation, value

import mltoolkit as mlt
from mltoolkit.formats.deployment import opset_version
from mltoolkit.formats.mil_value_writing import array_value, tensor_type, text_value
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_blob_writing import WeightFileWriter
from mltoolkit.quantization.rewriting import open_rewriter

SIZE = (1, 8, 12, 12)
_ARRAYS = {"float32": 65568, "float16": 65552}


class ProgramBuilder:
    """A program of one function ``main`` with an input ``x`` and an output ``y``, both float32."""

    def __init__(self, opset: str = "CoreML6", *, half: bool = False, shape: tuple[int, ...] = SIZE) -> None:
        self.element = "float16" if half else "float32"
        self.writer = WeightFileWriter()
        self.spec = new_model()
        self.spec.specificationVersion = opset_version(opset)
        self.spec.mlProgram.version = 1
        function = self.spec.mlProgram.functions["main"]
        function.opset = opset
        function.inputs.add(name="x", type=tensor_type("float32", shape))
        self.block = function.block_specializations[opset]
        self.rng = np.random.default_rng(7)
        feature = self.spec.description.input.add(name="x")
        feature.type.multiArrayType.dataType = _ARRAYS["float32"]
        feature.type.multiArrayType.shape.extend(shape)

    def weight(self, name: str, *shape: int, block: Any = None, values: np.ndarray | None = None) -> Ref:
        """A constant in the weight file, normally distributed if no values are given."""
        array = self.rng.standard_normal(shape).astype(np.float32) if values is None else values
        constant = (self.block if block is None else block).operations.add(type="const")
        constant.attributes["name"].CopyFrom(text_value(name))
        constant.attributes["val"].CopyFrom(array_value(array.astype(self.element), self.element, self.writer))
        constant.outputs.add(name=name, type=tensor_type(self.element, array.shape))
        return Ref(name)

    def flag(self, name: str, content: Any) -> Ref:
        """A small constant in the program."""
        message = value(content)
        constant = self.block.operations.add(type="const")
        constant.attributes["name"].CopyFrom(text_value(name))
        constant.attributes["val"].CopyFrom(message)
        constant.outputs.add(name=name, type=message.type)
        return Ref(name)

    def add(self, kind: str, made: str, size: tuple[int, ...], block: Any = None, **inputs: Any) -> Ref:
        """An operation with one result."""
        add_operation(self.block if block is None else block, kind, inputs, {made: (self.element, size)})
        return Ref(made)

    def finish(self, last: Ref, shape: tuple[int, ...]) -> mlt.Model:
        """The model, whose output ``y`` is ``last``."""
        add_operation(self.block, "cast", {"x": last, "dtype": "fp32"}, {"y": ("float32", shape)})
        self.block.outputs.append("y")
        feature = self.spec.description.output.add(name="y")
        feature.type.multiArrayType.dataType = _ARRAYS["float32"]
        feature.type.multiArrayType.shape.extend(shape)
        return mlt.Model(self.spec, weights_dir=self.writer.finish())


def convolution(build: ProgramBuilder, x: Ref, name: str = "conv", *, groups: int = 1, bias: bool = True) -> Ref:
    """A 3 × 3 convolution from 8 to 16 channels that keeps the size."""
    given: dict[str, Any] = {"weight": build.weight(f"{name}_weight", 16, 8 // groups, 3, 3)}
    if bias:
        given["bias"] = build.weight(f"{name}_bias", 16)
    return build.add(
        "conv",
        name,
        (1, 16, 12, 12),
        x=x,
        **given,
        pad_type="same",
        strides=np.int32([1, 1]),
        pad=np.int32([0, 0, 0, 0]),
        dilations=np.int32([1, 1]),
        groups=build.flag(f"{name}_groups", np.int32(groups)),
    )


def chain(opset: str = "CoreML6", *, half: bool = False) -> mlt.Model:
    """Convolution, transposed convolution, matmul, linear and a shift for each token, one after the other."""
    build = ProgramBuilder(opset, half=half)
    x = build.add("cast", "x_cast", SIZE, x=Ref("x"), dtype="fp16" if half else "fp32")
    x = build.add("relu", "relu", (1, 16, 12, 12), x=convolution(build, x))
    x = build.add(
        "conv_transpose",
        "up",
        (1, 4, 24, 24),
        x=x,
        weight=build.weight("up_weight", 16, 4, 2, 2),
        strides=np.int32([2, 2]),
        pad_type="valid",
        pad=np.int32([0, 0, 0, 0]),
        dilations=np.int32([1, 1]),
        groups=np.int32(1),
    )
    x = build.add("reshape", "tokens", (1, 24, 96), x=x, shape=np.int32([1, 24, 96]))
    x = build.add("add", "placed", (1, 24, 96), x=x, y=build.weight("places", 1, 24, 96))
    flags = {name: build.flag(f"mm_{name}", np.bool_(False)) for name in ("transpose_x", "transpose_y")}
    x = build.add("matmul", "mm", (1, 24, 32), x=x, y=build.weight("mm_y", 96, 32), **flags)
    x = build.add(
        "linear", "dense", (1, 24, 16), x=x, weight=build.weight("dense_w", 16, 32), bias=build.weight("dense_b", 16)
    )
    return build.finish(build.add("tanh", "t", (1, 24, 16), x=x), (1, 24, 16))


def sample() -> dict[str, np.ndarray]:
    """An input of these programs."""
    return {"x": np.random.default_rng(3).normal(0, 0.05, SIZE).astype(np.float32)}


def report_of(model: mlt.Model) -> mlt.QuantizationReport:
    """What quantization did to a model."""
    assert model.quantization_report is not None
    return model.quantization_report


def values_of(model: mlt.Model) -> dict[str, np.ndarray]:
    """operation.input → the values of each weight."""
    rewriter = open_rewriter(model)
    return {slot.key: rewriter.values(slot).copy() for slot in rewriter.slots}
