"""The node tests that the installed onnx package generates, and which of them Core ML's arrays can hold."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

# What a multi-array holds: floating numbers and integers. float64 is rounded to float32; bool and the other integers
# become int32.
HELD_TYPES = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT8,
    TensorProto.UINT8,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.BOOL,
)
# Tests whose expected outputs are those of NumPy's random generator.
_RANDOM = ("test_bernoulli", "test_training_dropout")
_INT32 = np.iinfo(np.int32)

# Inputs that published models store as constants: weights, shapes, axes, sizes. A test feeds them when the model
# runs; where that form is refused, the test is tried again with these as constants.
PARAMETERS: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BatchNormalization": (1, 2, 3, 4),
    "BitShift": (1,),
    "BlackmanWindow": (0,),
    "CausalConvWithState": (1, 2),
    "CenterCropPad": (1,),
    "Clip": (1, 2),
    "Col2Im": (1, 2),
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "Conv": (1, 2),
    "ConvInteger": (1, 2, 3),
    "ConvTranspose": (1, 2),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "DeformConv": (1, 3),
    "DequantizeLinear": (1, 2),
    "Dropout": (1, 2),
    "Expand": (1,),
    "GRU": (1, 2, 3, 4),
    "Gemm": (1, 2),
    "GroupNormalization": (1, 2),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "If": (0,),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3, 4, 7),
    "LayerNormalization": (1, 2),
    "Loop": (0, 1),
    "MatMulInteger": (1, 2, 3),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "NegativeLogLikelihoodLoss": (2,),
    "NonMaxSuppression": (2, 3, 4),
    "OneHot": (1, 2),
    "PRelu": (1,),
    "Pad": (1, 2, 3),
    "QLinearConv": (1, 2, 3, 4, 5, 6, 7, 8),
    "QLinearMatMul": (1, 2, 3, 4, 5, 6, 7),
    "QuantizeLinear": (1, 2),
    "RMSNormalization": (1,),
    "RNN": (1, 2, 3, 4),
    "Range": (0, 1, 2),
    "ReduceL1": (1,),
    "ReduceL2": (1,),
    "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceMin": (1,),
    "ReduceProd": (1,),
    "ReduceSum": (1,),
    "ReduceSumSquare": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "ReverseSequence": (1,),
    "RotaryEmbedding": (1, 2, 3),
    "STFT": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "SoftmaxCrossEntropyLoss": (2,),
    "Split": (1,),
    "SplitToSequence": (1,),
    "Squeeze": (1,),
    "TensorScatter": (2,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}


@dataclass(frozen=True)
class Case:
    """A node test.

    Attributes:
        name: ONNX's name of it.
        operator: the operator that it is about.
        model: the model.
        inputs: arrays by name.
        outputs: what ONNX expects, by name.
        rtol: relative tolerance.
        atol: absolute tolerance.
        excluded: why Core ML cannot hold its inputs or outputs, "" if it can.
    """

    name: str
    operator: str
    model: onnx.ModelProto
    inputs: dict[str, NDArray[Any]]
    outputs: dict[str, NDArray[Any]]
    rtol: float
    atol: float
    excluded: str

    def with_constants(self) -> Case | None:
        """The test with its parameters as constants; None where it has none."""
        places = PARAMETERS.get(self.operator, ())
        values = list(self.model.graph.input)
        frozen = [values[place].name for place in places if place < len(values)]
        if not frozen:
            return None
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.input[:]
        model.graph.input.extend(value for value in values if value.name not in frozen)
        model.graph.initializer.extend(onnx.numpy_helper.from_array(self.inputs[name], name) for name in frozen)
        rest = {name: array for name, array in self.inputs.items() if name not in frozen}
        return Case(self.name, self.operator, model, rest, self.outputs, self.rtol, self.atol, self.excluded)


@cache
def load_cases() -> tuple[Case, ...]:
    """All node tests, those that are excluded too."""
    with warnings.catch_warnings():
        # ONNX's generators divide by zero on purpose.
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        tests = load_model_tests(kind="node")
    operators = {test.name: _operator(test.model) for test in tests}
    return tuple(_case(test, _operator_of(test.name, operators)) for test in tests)


def _operator(model: onnx.ModelProto) -> str:
    return str(model.graph.node[0].op_type)


def _operator_of(name: str, operators: dict[str, str]) -> str:
    """An expanded test is about the operator of the test that it expands."""
    base = name.split("_expanded")[0]
    if base != name and base in operators:
        return operators[base]
    names = sorted(set(operators.values()), key=len, reverse=True)
    if name.startswith("test_sequence_map"):
        return "SequenceMap"
    plain = base.removeprefix("test_").replace("_", "")
    return operators[name] if base == name else next((n for n in names if plain.startswith(n.lower())), operators[name])


def _case(test: Any, operator: str) -> Case:
    values = [*test.model.graph.input, *test.model.graph.output]
    excluded = next((reason for value in values if (reason := _unheld(value))), "")
    arrays: list[dict[str, NDArray[Any]]] = [{}, {}]
    if not excluded:
        given, expected = test.data_sets[0]
        for into, infos, data in (
            (arrays[0], test.model.graph.input, given),
            (arrays[1], test.model.graph.output, expected),
        ):
            for info, value in zip(infos, data, strict=True):
                into[info.name] = (
                    onnx.numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)
                )
        excluded = _unheld_values((*arrays[0].values(), *arrays[1].values()))
        if not excluded and test.name.startswith(_RANDOM) and "zero_ratio" not in test.name:
            excluded = "expects the numbers of NumPy's random generator"
    return Case(test.name, operator, test.model, arrays[0], arrays[1], test.rtol, test.atol, excluded)


def _unheld(value: onnx.ValueInfoProto) -> str:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"{kind.removesuffix('_type')} instead of a tensor"
    element = value.type.tensor_type.elem_type
    return "" if element in HELD_TYPES else f"type {TensorProto.DataType.Name(element).lower()}"


def _unheld_values(arrays: Iterable[NDArray[Any]]) -> str:
    for array in arrays:
        if array.size == 0:
            return "an array without elements"
        if array.dtype.kind in "iu" and (array.min() < _INT32.min or array.max() > _INT32.max):
            return "integers beyond int32"
    return ""
