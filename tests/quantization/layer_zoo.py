"""Small models with seeded weights: every layer type that carries weights, and the containers around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weights import write_float16, write_float32

Sizes = dict[str, Any]

# Layer type → sizes that give every weight a shape.
SIZES: dict[str, Sizes] = {
    "convolution": {"outputChannels": 8, "kernelChannels": 6, "kernelSize": [3, 3], "hasBias": 1},
    "convolution3d": {
        "outputChannels": 4,
        "inputChannels": 6,
        "nGroups": 1,
        "kernelDepth": 2,
        "kernelHeight": 3,
        "kernelWidth": 3,
        "hasBias": 1,
    },
    "innerProduct": {"inputChannels": 40, "outputChannels": 10, "hasBias": 1},
    "batchedMatmul": {"weightMatrixFirstDimension": 30, "weightMatrixSecondDimension": 12, "hasBias": 1},
    "embedding": {"inputDim": 50, "outputChannels": 8, "hasBias": 1},
    "embeddingND": {"vocabSize": 50, "embeddingSize": 8, "hasBias": 1},
    "batchnorm": {"channels": 64},
    "layerNormalization": {"normalizedShape": [8, 16]},
    "scale": {"shapeScale": [64], "shapeBias": [64], "hasBias": 1},
    "bias": {"shape": [64]},
    "loadConstant": {"shape": [4, 8, 8]},
    "loadConstantND": {"shape": [16, 16]},
    "activation": {},
    "simpleRecurrent": {"inputVectorSize": 20, "outputVectorSize": 12, "hasBiasVector": 1},
    "gru": {"inputVectorSize": 20, "outputVectorSize": 12, "hasBiasVectors": 1},
    "uniDirectionalLSTM": {"inputVectorSize": 20, "outputVectorSize": 12},
    "biDirectionalLSTM": {"inputVectorSize": 20, "outputVectorSize": 12},
    "custom": {},
}

Shapes = dict[str, tuple[int, ...]]


def _lstm(prefix: str) -> Shapes:
    gates = ("inputGate", "forgetGate", "blockInput", "outputGate")
    return {
        **{f"{prefix}{gate}WeightMatrix": (12, 20) for gate in gates},
        **{f"{prefix}{gate}RecursionMatrix": (12, 12) for gate in gates},
        **{f"{prefix}{gate}BiasVector": (12,) for gate in gates},
        **{f"{prefix}{gate}PeepholeVector": (12,) for gate in gates if gate != "blockInput"},
    }


# Layer type → every weight and its shape.
SHAPES: dict[str, Shapes] = {
    "convolution": {"weights": (8, 6, 3, 3), "bias": (8,)},
    "convolution3d": {"weights": (4, 6, 2, 3, 3), "bias": (4,)},
    "innerProduct": {"weights": (10, 40), "bias": (10,)},
    "batchedMatmul": {"weights": (12, 30), "bias": (12,)},
    "embedding": {"weights": (8, 50), "bias": (8,)},
    "embeddingND": {"weights": (8, 50), "bias": (8,)},
    "batchnorm": {"gamma": (64,), "beta": (64,), "mean": (64,), "variance": (64,)},
    "layerNormalization": {"gamma": (8, 16), "beta": (8, 16)},
    "scale": {"scale": (64,), "bias": (64,)},
    "bias": {"bias": (64,)},
    "loadConstant": {"data": (4, 8, 8)},
    "loadConstantND": {"data": (16, 16)},
    "activation": {"parametricSoftplus.alpha": (64,), "parametricSoftplus.beta": (64,)},
    "simpleRecurrent": {"weightMatrix": (12, 20), "recursionMatrix": (12, 12), "biasVector": (12,)},
    "gru": {
        **{f"{gate}GateWeightMatrix": (12, 20) for gate in ("update", "reset", "output")},
        **{f"{gate}GateRecursionMatrix": (12, 12) for gate in ("update", "reset", "output")},
        **{f"{gate}GateBiasVector": (12,) for gate in ("update", "reset", "output")},
    },
    "uniDirectionalLSTM": _lstm("weightParams."),
    "biDirectionalLSTM": {**_lstm("weightParams[0]."), **_lstm("weightParams[1].")},
    "custom": {"weights[0]": (300,)},
}


def add_layer(
    network: Any,
    kind: str,
    *,
    name: str = "",
    scale: float = 0.1,
    seed: int = 0,
    half: bool = False,
    shapes: Shapes | None = None,
    sizes: Sizes | None = None,
) -> Any:
    """Append a layer of that type with normal weights; returns its message."""
    layer = network.layers.add(name=name or f"the {kind}", input=["x"], output=["y"])
    message = getattr(layer, kind)
    message.SetInParent()
    set_sizes(message, SIZES[kind] if sizes is None else sizes)
    rng = np.random.default_rng(seed)
    for path, shape in (SHAPES[kind] if shapes is None else shapes).items():
        values = (scale * rng.standard_normal(shape)).astype(np.float32)
        (write_float16 if half else write_float32)(find_field(message, path), values)
    return layer


def set_sizes(message: Any, sizes: Sizes) -> None:
    for name, size in sizes.items():
        if isinstance(size, list):
            getattr(message, name).extend(size)
        else:
            setattr(message, name, size)


def find_field(message: Any, path: str) -> Any:
    """The sub-message at a dotted path with indices, made where it is missing."""
    for part in path.split("."):
        name, _, index = part.rstrip("]").partition("[")
        message = getattr(message, name)
        if index:
            while len(message) <= int(index):
                message.add()
            message = message[int(index)]
    return message


def network_spec(fill: Callable[[Any], object]) -> Any:
    """A ``neuralNetwork`` model (specification 1) whose network ``fill`` makes."""
    spec = new_model()
    spec.specificationVersion = 1
    fill(spec.neuralNetwork)
    return spec


def layer_spec(kind: str, **options: Any) -> Any:
    """A model of one layer."""
    return network_spec(lambda network: add_layer(network, kind, **options))


def every_layer(network: Any, **options: Any) -> None:
    """One layer of every type, and a PReLU."""
    for seed, kind in enumerate(SHAPES):
        add_layer(network, kind, seed=seed, **options)
    add_layer(network, "activation", name="the PReLU", shapes={"PReLU.alpha": (64,)}, **options)


def pipeline_spec(kind: str = "pipelineClassifier") -> Any:
    """A pipeline of a network and of a pipeline with a network and a scaler."""
    spec = new_model()
    spec.specificationVersion = 1
    pipeline = spec.pipeline if kind == "pipeline" else getattr(spec, kind).pipeline
    pipeline.names.extend(["features", "rest"])
    first = pipeline.models.add(specificationVersion=1)
    add_layer(first.neuralNetwork, "convolution", name="conv")
    rest = pipeline.models.add(specificationVersion=1).pipeline
    rest.names.extend(["scaler", "classifier"])
    rest.models.add(specificationVersion=1).scaler.scaleValue.extend([1.0, 2.0])
    last = rest.models.add(specificationVersion=1)
    add_layer(last.neuralNetworkClassifier, "innerProduct", name="fc")
    last.neuralNetworkClassifier.int64ClassLabels.vector.extend(range(10))
    return spec


def nested_network(network: Any) -> None:
    """Weights inside both sides of a branch, and in both networks of a loop inside it."""
    branch = network.layers.add(name="choice", input=["c"]).branch
    add_layer(branch.ifBranch, "innerProduct", name="if", seed=1)
    loop = branch.elseBranch.layers.add(name="repeat").loop
    add_layer(loop.conditionNetwork, "innerProduct", name="condition", seed=2)
    add_layer(loop.bodyNetwork, "innerProduct", name="body", seed=3)
