"""A whole model as an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from mltoolkit.formats.features import Interface


@dataclass(frozen=True)
class ModelGraph:
    """An ONNX model with the interface of the Core ML model it stands for.

    The graph's inputs and outputs carry the names of the description. An image input is float32 (1, C, H, W) in pixel
    values 0..255, channels in the order of its colour space; its scale, bias or mean image are part of the graph. An
    array has the described shape; floating types are float32, integers int32. A classifier has one float32 output
    (classes,) of probabilities, named ``probabilities``, in place of the label and the dictionary.

    Args:
        model: the ONNX model.
        interface: the described inputs and outputs.
        probabilities: name of the graph output that holds a classifier's probabilities, else "".
        custom_layers: the Python object of every custom layer, by the name of its node.
        blobs: the graph value that holds each blob of the source model when the model ends, by blob name.
    """

    model: ir.Model
    interface: Interface
    probabilities: str = ""
    custom_layers: dict[str, Any] = field(default_factory=dict)
    blobs: dict[str, str] = field(default_factory=dict)
