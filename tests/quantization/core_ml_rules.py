"""What Core ML's validator demands of weights, written down from its source as an oracle for the tests.

apple/coremltools, mlmodel/src/Validation/NeuralNetwork: NeuralNetworkLayerValidator.cpp,
NeuralNetworkValidatorUtils.hpp and mlmodel/src/QuantizationValidationUtils.cpp. It knows nothing of the
library's own table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NO_CODES = ("convolution3d", "layerNormalization")
NO_HALVES = ("layerNormalization",)
# How many scales a weight may have besides one: the size of the output.
OUTPUTS = {
    "convolution": ("outputChannels", ("weights",)),
    "innerProduct": ("outputChannels", ("weights",)),
    "batchedMatmul": ("weightMatrixSecondDimension", ("weights",)),
    "embedding": ("outputChannels", ("weights",)),
    "embeddingND": ("embeddingSize", ("weights",)),
    "simpleRecurrent": ("outputVectorSize", ("weightMatrix", "recursionMatrix")),
    "gru": ("outputVectorSize", ("WeightMatrix", "RecursionMatrix")),
    "uniDirectionalLSTM": ("outputVectorSize", ("WeightMatrix", "RecursionMatrix")),
    "biDirectionalLSTM": ("outputVectorSize", ("WeightMatrix", "RecursionMatrix")),
}


def violations(spec: Any) -> list[str]:
    """What Core ML would refuse about a model's weights."""
    return list(_of_model(spec))


def _of_model(spec: Any) -> Iterator[str]:
    kind = spec.WhichOneof("Type")
    if kind.startswith("pipeline"):
        pipeline = spec.pipeline if kind == "pipeline" else getattr(spec, kind).pipeline
        for model in pipeline.models:
            yield from _of_model(model)
            if model.specificationVersion > spec.specificationVersion:
                yield "a stage is of a newer version than its pipeline"
    elif kind.startswith("neuralNetwork"):
        yield from _of_network(getattr(spec, kind), spec.specificationVersion)


def _of_network(network: Any, version: int) -> Iterator[str]:
    for layer in network.layers:
        kind = layer.WhichOneof("layer")
        message = getattr(layer, kind)
        if kind == "branch":
            for side in (message.ifBranch, message.elseBranch):
                yield from _of_network(side, version)
        elif kind == "loop":
            for side in (message.conditionNetwork, message.bodyNetwork):
                yield from _of_network(side, version)
        elif kind != "custom":
            for problem in _of_layer(kind, message, version):
                yield f"{layer.name}: {problem}"


def _weights(message: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        for index, item in enumerate([value] if hasattr(value, "DESCRIPTOR") else value):
            name = f"{prefix}{index}.{field.name}"
            if item.DESCRIPTOR.name == "WeightParams":
                yield name, item
            else:
                yield from _weights(item, name + ".")


def _kind(params: Any) -> str:
    kinds = []
    if len(params.floatValue):
        kinds.append("float32")
    if params.float16Value:
        kinds.append("float16")
    if params.rawValue:
        kinds.append("codes" if params.HasField("quantization") else "raw")
    return "+".join(kinds)


def _of_layer(kind: str, message: Any, version: int) -> Iterator[str]:
    found = {name: _kind(params) for name, params in _weights(message)}
    if {"float32", "float16"} <= set(found.values()):
        yield f"float32 and float16 are mixed: {found}"
    for name, stored in found.items():
        if stored not in ("float32", "float16", "codes"):
            yield f"{name} is stored as {stored or 'nothing'}"
    if kind == "activation" and len(found) == 2 and len(set(found.values())) > 1:
        yield f"alpha and beta differ: {found}"
    if kind in NO_CODES and "codes" in found.values():
        yield "codes are refused here"
    if kind in NO_HALVES and "float16" in found.values():
        yield "float16 is refused here"
    if version < 3 and "codes" in found.values():
        yield f"codes need specification version 3, not {version}"
    if version < 2 and "float16" in found.values():
        yield f"float16 needs specification version 2, not {version}"
    size, per_channel = OUTPUTS.get(kind, ("", ()))
    for name, params in _weights(message):
        if _kind(params) == "codes":
            channels = getattr(message, size) if name.endswith(per_channel) and per_channel else 1
            yield from _of_codes(name, params.quantization, channels)


def _of_codes(name: str, quantization: Any, channels: int) -> Iterator[str]:
    if not 1 <= quantization.numberOfBits <= 8:
        yield f"{name} has {quantization.numberOfBits} bits"
    if quantization.HasField("linearQuantization"):
        scales, biases = quantization.linearQuantization.scale, quantization.linearQuantization.bias
        if len(scales) not in (1, channels):
            yield f"{name} has {len(scales)} scales, not 1 or {channels}"
        if len(biases) not in (0, len(scales)):
            yield f"{name} has {len(biases)} biases and {len(scales)} scales"
    elif len(quantization.lookupTableQuantization.floatValue) != 1 << quantization.numberOfBits:
        yield f"{name} has a table of {len(quantization.lookupTableQuantization.floatValue)}"
