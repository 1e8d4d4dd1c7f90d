"""A model that was read from another framework or format, as a graph of the hub."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.graph.model_graph import GraphLayer


@dataclass(frozen=True)
class SourceModel:
    """What every importer gives and every writer takes.

    Attributes:
        model: the ONNX model, of the hub's opset. Inputs and outputs have the names, shapes and types of the source;
            sizes that are only known at run time are symbolic names. Nodes of ``CUSTOM_DOMAIN`` are custom layers.
        origin: where it comes from, for messages: ``Keras``, ``ONNX``, ``Core ML``.
        layers: the source's layers in order with the values that hold their outputs, so that a difference found by
            verification can be traced to a layer.
        custom_layers: the description of each custom layer, by the name of its node.
    """

    model: ir.Model
    origin: str
    layers: tuple[GraphLayer, ...] = ()
    custom_layers: dict[str, CustomLayerDescription] = field(default_factory=dict)
