"""A whole model as an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.formats.features import Interface
from mltoolkit.graph.builder import Dimension


@dataclass(frozen=True)
class GraphBlob:
    """An output of a layer: its name in the source model, the graph value that holds it, and that value's shape.

    The shape is None where not even the rank is known before the model runs.
    """

    name: str
    value: str
    shape: tuple[Dimension, ...] | None


@dataclass(frozen=True)
class GraphLayer:
    """A layer of the source model."""

    name: str
    type: str
    outputs: tuple[GraphBlob, ...]


@dataclass(frozen=True)
class CustomNode:
    """A custom layer in the graph: the layer's name and the Python object that runs it."""

    layer: str
    implementation: CustomLayer


@dataclass(frozen=True)
class GraphState:
    """A tensor that the model keeps between predictions: the graph input that reads it, the output that replaces it.

    ``output`` is "" where the model only reads the state.
    """

    name: str
    input: str
    output: str


@dataclass(frozen=True)
class ModelGraph:
    """An ONNX model with the interface of the Core ML model it stands for.

    The graph's inputs and outputs carry the names of the description. An image input is float32 (1, C, H, W) in pixel
    values 0..255, channels in the order of its colour space; its scale, bias or mean image are part of the graph. An
    image output is float32 (C, H, W). An array has the described shape; floating types are float32, integers int32. A
    classifier has one float32 output (classes,) of probabilities, named ``probabilities``, in place of the label and
    the dictionary.

    Attributes:
        model: the ONNX model.
        interface: the described inputs and outputs.
        probabilities: name of the graph output that holds a classifier's probabilities, else "".
        custom_layers: the custom layers that can run here, by the name of their node.
        custom_descriptions: what the model file (or a conversion function) says of every custom layer, likewise.
        layers: the source model's layers in order, with the values that hold their outputs; those inside a branch or
            loop of a neural network follow it, without outputs if they can never run.
        states: what the model keeps between predictions; further inputs and outputs of the graph.
    """

    model: ir.Model
    interface: Interface
    probabilities: str = ""
    custom_layers: dict[str, CustomNode] = field(default_factory=dict)
    layers: tuple[GraphLayer, ...] = ()
    states: tuple[GraphState, ...] = ()
    custom_descriptions: dict[str, CustomLayerDescription] = field(default_factory=dict)
