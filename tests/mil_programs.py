"""Small ML Programs written directly as protobuf, for tests: no coremltools needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model, proto_module

# MIL.proto, enum DataType; FeatureTypes.proto, enum ArrayDataType.
_DATA_TYPES = {
    "bool": 1,
    "string": 2,
    "float16": 10,
    "float32": 11,
    "int8": 21,
    "int16": 22,
    "int32": 23,
    "uint8": 31,
}
_FEATURE_TYPES = {"float32": 65568, "int32": 131104, "float16": 65552}
Sizes = Sequence[int | None]


def tensor_type(dtype: str, shape: Sizes) -> Any:
    """A ValueType; None stands for an unknown size."""
    mil = proto_module("MIL_pb2")
    message = mil.ValueType()
    message.tensorType.dataType = _DATA_TYPES[dtype]
    message.tensorType.rank = len(shape)
    for size in shape:
        dimension = message.tensorType.dimensions.add()
        if size is None:
            dimension.unknown.variadic = False
        else:
            dimension.constant.size = size
    return message


def value(content: Any) -> Any:
    """An immediate Value of an array, number, bool, text or list of texts."""
    mil = proto_module("MIL_pb2")
    message = mil.Value()
    if isinstance(content, list) and content and isinstance(content[0], str):
        message.type.listType.type.CopyFrom(tensor_type("string", ()))
        message.type.listType.length.constant.size = len(content)
        for text in content:
            message.immediateValue.list.values.add().CopyFrom(value(text))
        return message
    if isinstance(content, str):
        message.type.CopyFrom(tensor_type("string", ()))
        message.immediateValue.tensor.strings.values.append(content)
        return message
    array = np.asarray(content)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    if array.dtype == np.int64:
        array = array.astype(np.int32)
    message.type.CopyFrom(tensor_type(array.dtype.name, array.shape))
    tensor = message.immediateValue.tensor
    if array.dtype.name in ("float16", "int8", "uint8"):
        tensor.bytes.values = array.tobytes()
    else:
        field = {"f": tensor.floats, "i": tensor.ints, "b": tensor.bools}[array.dtype.kind]
        field.SetInParent()
        field.values.extend(array.reshape(-1).tolist())
    return message


class Ref(str):
    """The name of a value, where an operation's input is no constant."""


def add_operation(
    block: Any,
    kind: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, tuple[str, Sizes]],
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Append an operation.

    Args:
        block: the Block message.
        kind: its type.
        inputs: a :class:`Ref`, a list of them, or a constant for each parameter.
        outputs: (type, shape) by name.
        attributes: constants.
    """
    operation = block.operations.add()
    operation.type = kind
    for name, given in inputs.items():
        refs = given if isinstance(given, list) and given and isinstance(given[0], Ref) else [given]
        for ref in refs:
            binding = operation.inputs[name].arguments.add()
            if isinstance(ref, Ref):
                binding.name = str(ref)
            else:
                binding.value.CopyFrom(value(ref))
    for name, described in outputs.items():
        operation.outputs.add(name=name, type=tensor_type(*described))
    for name, given in (attributes or {}).items():
        operation.attributes[name].CopyFrom(value(given))
    return operation


def new_program(
    inputs: Mapping[str, tuple[str, Sequence[int]]],
    outputs: Mapping[str, tuple[str, Sizes]],
    *,
    unknown: bool = False,
) -> tuple[Any, Any]:
    """A model with an ML Program of one function, and that function's block, still without operations.

    Args:
        inputs: (type, shape) by name.
        outputs: likewise; sizes of None are described as unknown.
        unknown: leave all sizes of the program's inputs open (the description has them).
    """
    spec = new_model()
    spec.specificationVersion = 8
    function = spec.mlProgram.functions["main"]
    spec.mlProgram.version = 1
    function.opset = "CoreML7"
    block = function.block_specializations["CoreML7"]
    for name, (dtype, shape) in inputs.items():
        sizes: Sizes = [None] * len(shape) if unknown else shape
        function.inputs.add(name=name, type=tensor_type(dtype, sizes))
        _describe(spec.description.input.add(), name, dtype, shape)
    for name, (dtype, shape) in outputs.items():
        block.outputs.append(name)
        known = [size for size in shape if size is not None]
        _describe(spec.description.output.add(), name, dtype, known if len(known) == len(shape) else ())
    return spec, block


def _describe(feature: Any, name: str, dtype: str, shape: Sequence[int]) -> None:
    feature.name = name
    feature.type.multiArrayType.dataType = _FEATURE_TYPES.get(dtype, _FEATURE_TYPES["int32"])
    feature.type.multiArrayType.shape.extend(shape)


def one_operation(
    kind: str,
    arrays: Mapping[str, np.ndarray],
    constants: Mapping[str, Any],
    output: tuple[str, Sizes],
) -> Any:
    """A model of one operation: arrays are its inputs (by parameter), its output is called ``out``."""
    spec, block = new_program(
        {name: (array.dtype.name, array.shape) for name, array in arrays.items()}, {"out": output}
    )
    inputs = {name: Ref(name) for name in arrays} | dict(constants)
    add_operation(block, kind, inputs, {"out": output})
    return spec


def counter() -> Any:
    """Adds x to a float16 state and gives the sum out."""
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    function = spec.mlProgram.functions["main"]
    argument = function.inputs.add(name="total")
    argument.type.stateType.wrappedType.CopyFrom(tensor_type("float16", (2,)))
    feature = spec.description.state.add(name="total").type.stateType.arrayType
    feature.dataType = 65552
    feature.shape.append(2)
    add_operation(block, "read_state", {"input": Ref("total")}, {"before": ("float16", (2,))})
    add_operation(block, "add", {"x": Ref("before"), "y": Ref("x")}, {"sum": ("float16", (2,))})
    add_operation(block, "write_state", {"input": Ref("total"), "data": Ref("sum")}, {})
    add_operation(block, "read_state", {"input": Ref("total")}, {"y": ("float32", (2,))})
    return spec
