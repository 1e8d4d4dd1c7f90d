"""Every weight of every layer of a model: where it lies, its shape, and how Core ML allows it to be stored.

One row of ``WEIGHT_TABLE`` describes one field of one layer type; shapes are those of NeuralNetwork.proto.
How a weight may be stored follows Core ML's own validator (apple/coremltools,
mlmodel/src/Validation/NeuralNetwork).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from mltoolkit.formats.networks import iter_layers
from mltoolkit.formats.weights import Encoding, encoding_of

Role = Literal["weight", "bias", "normalization"]


class Storage(enum.Enum):
    """What Core ML accepts for a weight."""

    ANY = "float32, float16 or codes"
    FLOATS = "float32 or float16"
    FLOAT32 = "float32"
    PRIVATE = "bytes that a custom layer reads itself"


@dataclass(frozen=True)
class WeightField:
    """One weight of one layer.

    Attributes:
        path: names of the pipeline stages down to the network; empty for a plain network.
        layer: the layer's name.
        layer_type: such as ``convolution``, as the format calls it.
        name: the field inside the layer's message: ``weights``, ``weightParams[1].inputGateWeightMatrix``.
        params: the live ``WeightParams`` message.
        shape: as the format states it. Where it states none (PReLU, parametric softplus, custom layers), the
            number of stored values; for codes of fewer than 8 bits the largest number that fits the bytes.
        counted: whether ``shape`` was found by counting.
        channel_axis: the axis of ``shape`` along which the output channels lie.
        per_channel: whether Core ML takes one scale per output channel; elsewhere it takes a single one.
        role: what the numbers are.
        storage: what Core ML accepts.
        updatable: whether the layer is trained on the device.
    """

    path: tuple[str, ...]
    layer: str
    layer_type: str
    name: str
    params: Any
    shape: tuple[int, ...]
    counted: bool
    channel_axis: int
    per_channel: bool
    role: Role
    storage: Storage
    updatable: bool

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def where(self) -> str:
        """Stage, layer and weight, for messages."""
        stages = "".join(f"stage {stage!r}, " for stage in self.path)
        return f"{stages}layer {self.layer!r}, {self.name}"


@dataclass(frozen=True)
class _Row:
    """A field of a layer's message: dotted path, ``[]`` after a repeated field; no shape if none stated."""

    field: str
    shape: Callable[[Any], tuple[int, ...]] | None
    role: Role = "weight"
    storage: Storage = Storage.ANY
    per_channel: bool = False
    channel_axis: Callable[[Any], int] = lambda params: 0


def _kernel_size(params: Any) -> tuple[int, int]:
    # "If not set, default value [3, 3] is used."
    size = (*params.kernelSize, *(3, 3)[len(params.kernelSize) :])
    return int(size[0]), int(size[1])


def _convolution_shape(params: Any) -> tuple[int, ...]:
    if params.isDeconvolution:
        return (
            int(params.kernelChannels),
            int(params.outputChannels) // (params.nGroups or 1),
            *_kernel_size(params),
        )
    return (int(params.outputChannels), int(params.kernelChannels), *_kernel_size(params))


def _convolution3d_shape(params: Any) -> tuple[int, ...]:
    kernel = (int(params.kernelDepth), int(params.kernelHeight), int(params.kernelWidth))
    groups = params.nGroups or 1
    if params.isDeconvolution:
        return (int(params.inputChannels), int(params.outputChannels) // groups, *kernel)
    return (int(params.outputChannels), int(params.inputChannels) // groups, *kernel)


def _deconvolution_axis(params: Any) -> int:
    return int(params.isDeconvolution)


def _of(*names: str) -> Callable[[Any], tuple[int, ...]]:
    """The shape made of scalar fields of the layer's message."""
    return lambda params: tuple(int(getattr(params, name)) for name in names)


def _as(name: str) -> Callable[[Any], tuple[int, ...]]:
    """The shape given by a repeated field of the layer's message."""
    return lambda params: tuple(int(size) for size in getattr(params, name))


def _matrix(field: str, rows: str, columns: str) -> _Row:
    return _Row(field, _of(rows, columns), per_channel=True)


def _vector(field: str, size: str, role: Role = "bias") -> _Row:
    return _Row(field, _of(size), role)


def _activation(field: str) -> tuple[_Row, ...]:
    return (
        _Row(f"{field}PReLU.alpha", None),
        _Row(f"{field}parametricSoftplus.alpha", None),
        _Row(f"{field}parametricSoftplus.beta", None),
    )


def _gates(prefix: str, gates: tuple[str, ...], peepholes: tuple[str, ...] = ()) -> tuple[_Row, ...]:
    sizes = "outputVectorSize", "inputVectorSize"
    return (
        *(_matrix(f"{prefix}{gate}WeightMatrix", *sizes) for gate in gates),
        *(_matrix(f"{prefix}{gate}RecursionMatrix", sizes[0], sizes[0]) for gate in gates),
        *(_vector(f"{prefix}{gate}BiasVector", sizes[0]) for gate in gates),
        *(_vector(f"{prefix}{gate}PeepholeVector", sizes[0], "weight") for gate in peepholes),
    )


_LSTM_GATES = "inputGate", "forgetGate", "blockInput", "outputGate"
_LSTM_PEEPHOLES = "inputGate", "forgetGate", "outputGate"

WEIGHT_TABLE: dict[str, tuple[_Row, ...]] = {
    "convolution": (
        _Row("weights", _convolution_shape, per_channel=True, channel_axis=_deconvolution_axis),
        _vector("bias", "outputChannels"),
    ),
    "convolution3d": (
        _Row("weights", _convolution3d_shape, storage=Storage.FLOATS, channel_axis=_deconvolution_axis),
        _Row("bias", _of("outputChannels"), "bias", Storage.FLOATS),
    ),
    "innerProduct": (
        _matrix("weights", "outputChannels", "inputChannels"),
        _vector("bias", "outputChannels"),
    ),
    "batchedMatmul": (
        _matrix("weights", "weightMatrixSecondDimension", "weightMatrixFirstDimension"),
        _vector("bias", "weightMatrixSecondDimension"),
    ),
    "embedding": (_matrix("weights", "outputChannels", "inputDim"), _vector("bias", "outputChannels")),
    "embeddingND": (_matrix("weights", "embeddingSize", "vocabSize"), _vector("bias", "embeddingSize")),
    "batchnorm": tuple(_vector(field, "channels", "normalization") for field in ("gamma", "beta", "mean", "variance")),
    "layerNormalization": tuple(
        _Row(field, _as("normalizedShape"), "normalization", Storage.FLOAT32) for field in ("gamma", "beta")
    ),
    "scale": (_Row("scale", _as("shapeScale")), _Row("bias", _as("shapeBias"), "bias")),
    "bias": (_Row("bias", _as("shape"), "bias"),),
    "loadConstant": (_Row("data", _as("shape")),),
    "loadConstantND": (_Row("data", _as("shape")),),
    "activation": _activation(""),
    "simpleRecurrent": (
        *_activation("activation."),
        _matrix("weightMatrix", "outputVectorSize", "inputVectorSize"),
        _matrix("recursionMatrix", "outputVectorSize", "outputVectorSize"),
        _vector("biasVector", "outputVectorSize"),
    ),
    "gru": (*_activation("activations[]."), *_gates("", ("updateGate", "resetGate", "outputGate"))),
    "uniDirectionalLSTM": (
        *_activation("activations[]."),
        *_gates("weightParams.", _LSTM_GATES, _LSTM_PEEPHOLES),
    ),
    "biDirectionalLSTM": (
        *_activation("activationsForwardLSTM[]."),
        *_activation("activationsBackwardLSTM[]."),
        *_gates("weightParams[].", _LSTM_GATES, _LSTM_PEEPHOLES),
    ),
    "custom": (_Row("weights[]", None, storage=Storage.PRIVATE),),
}


def iter_weight_fields(spec: Any) -> Iterator[WeightField]:
    """Every weight that a model's neural networks hold, in the order of the file.

    Args:
        spec: a ``Model`` message: a network, classifier, regressor, or a pipeline with such stages (other
            stages are passed over). Networks inside branch and loop layers are entered.

    Yields:
        One :class:`WeightField` for every ``WeightParams`` message that is present.
    """
    for path, layer in iter_layers(spec):
        yield from layer_weights(path, layer)


def layer_weights(path: tuple[str, ...], layer: Any) -> Iterator[WeightField]:
    """The weights that one ``NeuralNetworkLayer`` message holds."""
    kind = layer.WhichOneof("layer")
    if kind not in WEIGHT_TABLE:
        return
    message = getattr(layer, kind)
    for row in WEIGHT_TABLE[kind]:
        for name, params in _resolve(message, row.field.split("."), ""):
            shape = row.shape(message) if row.shape else (_stored_values(params),)
            axis = row.channel_axis(message)
            yield WeightField(
                path=path,
                layer=layer.name,
                layer_type=kind,
                name=name,
                params=params,
                shape=shape,
                counted=row.shape is None,
                channel_axis=axis,
                # The validator wants one scale per output channel, which a grouped deconvolution's weight
                # [inputs, outputs / groups, ...] has no axis for.
                per_channel=row.per_channel and not (axis == 1 and message.nGroups > 1),
                role=row.role,
                storage=row.storage,
                updatable=layer.isUpdatable or params.isUpdatable,
            )


def _resolve(message: Any, path: list[str], prefix: str) -> Iterator[tuple[str, Any]]:
    name, *rest = path
    if name.endswith("[]"):
        name = name[:-2]
        found = [(f"{prefix}{name}[{index}]", item) for index, item in enumerate(getattr(message, name))]
    else:
        found = [(prefix + name, getattr(message, name))] if message.HasField(name) else []
    for full_name, item in found:
        if rest:
            yield from _resolve(item, rest, full_name + ".")
        else:
            yield full_name, item


def _stored_values(params: Any) -> int:
    encoding = encoding_of(params)
    if encoding is Encoding.FLOAT32:
        return len(params.floatValue)
    if encoding is Encoding.FLOAT16:
        return len(params.float16Value) // 2
    if encoding in (Encoding.LINEAR, Encoding.LOOKUP_TABLE):
        return len(params.rawValue) * 8 // max(int(params.quantization.numberOfBits), 1)
    return len(params.rawValue)
