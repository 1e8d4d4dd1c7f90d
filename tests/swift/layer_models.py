"""Networks that hold custom layers, for the generator of Swift packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mltoolkit.formats.protobuf import new_model

Parameters = Mapping[str, float | int | str | bool]
LayerLine = tuple[str, Parameters, Sequence[np.ndarray], int]


def network_of_layers(layers: Sequence[LayerLine], *, description: str = "") -> Any:
    """A chain of custom layers, each given by class name, parameters, weights and number of inputs."""
    spec = new_model()
    spec.specificationVersion = 4
    network = spec.neuralNetwork
    network.arrayInputShapeMapping = 1
    for name in ("x", "side"):
        feature = spec.description.input.add(name=name)
        feature.type.multiArrayType.shape.extend([1, 4, 6, 6])
        feature.type.multiArrayType.dataType = 65568
    last = "x"
    for index, (class_name, parameters, weights, inputs) in enumerate(layers):
        layer = network.layers.add(name=f"layer {index}")
        layer.input.extend([last, "side"][:inputs])
        last = f"blob{index}"
        layer.output.append(last)
        layer.custom.className = class_name
        layer.custom.description = description
        for key, value in parameters.items():
            field = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}[type(value)]
            setattr(layer.custom.parameters[key], field, value)
        for weight in weights:
            layer.custom.weights.add().floatValue.extend(weight.tolist())
    output = spec.description.output.add(name=last)
    output.type.multiArrayType.dataType = 65568
    return spec


def _sampler(**more: float | int | str | bool) -> LayerLine:
    return ("GridSampler", {"output_height": 5, "output_width": 3, **more}, (), 2)


def shipped_layers() -> list[LayerLine]:
    """Every layer that mltoolkit brings, in several settings."""
    rng = np.random.default_rng(4)
    scale, shift = rng.normal(size=(2, 6)).astype(np.float32)
    return [
        ("Swish", {"beta": 1.5}, (), 1),
        ("Swish", {}, (np.array([0.5], np.float32),), 1),
        ("Mish", {}, (), 1),
        ("GroupNorm", {"num_groups": 2, "epsilon": 1e-3}, (scale, shift), 1),
        ("GroupNorm", {"num_groups": 3}, (), 1),
        ("PixelShuffle", {"upscale_factor": 2}, (), 1),
        ("PixelShuffle", {"upscale_factor": 3}, (), 1),
        _sampler(),
        _sampler(padding_mode="border", align_corners=True),
        _sampler(padding_mode="reflection", align_corners=False),
        _sampler(align_corners=False),
        _sampler(convention="stn_keras"),
        ("GridSampler", {"output_height": 1, "output_width": 1}, (), 2),
        ("GridSampleLayer", {}, (), 2),
        ("GridSampleLayer", {"align_corners": False}, (), 2),
        ("groupnorm", {"num_groups": 3, "in_channels": 6}, (scale, shift), 1),
        ("dropout", {"prob": 0.5}, (), 1),
        ("reshape", {"src_dim": 2, "part_a": 1, "part_b": -1, "high": 2, "low": 1}, (), 1),
        ("reshape", {"src_dim": 3, "part_a": 2, "part_b": -1, "high": 1, "low": 3}, (), 1),
    ]
