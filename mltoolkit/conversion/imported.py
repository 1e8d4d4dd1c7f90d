"""What reading a source gives: a graph of the hub or a finished model, and a way to run the source itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.graph.model_graph import GraphLayer
from mltoolkit.model import CustomLayers, Model

Arrays = dict[str, NDArray[Any]]


class Reference(Protocol):
    """Runs the source in its own framework."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs for the inputs, both by the names that the hub has for them."""
        ...

    def layer_outputs(self, feeds: Mapping[str, NDArray[Any]], layers: Sequence[GraphLayer]) -> Arrays:
        """Outputs of layers by name of the blob, for those that the framework can show."""
        ...


@dataclass
class Imported:
    """A source that was read.

    Attributes:
        kind: ``Keras``, ``ONNX``, ``Core ML``, ``PyTorch``, ``TensorFlow``.
        title: what messages call the source.
        way: the converters that it goes through, in words.
        hub: the graph; None where another converter made the model at once.
        model: that model.
        layers: layers (operations) of the source.
        reference: runs the source; None where it cannot run here.
        without_reference: why not.
        target: what to write, where the source says more of it than the caller.
        inputs: for ``model``, the source's inputs in order with the types that it takes.
        renamed: for ``model``, names of inputs and outputs that differ from the source's.
        custom_layers: Python classes of custom layers that came with the source.
        notes: for the report.
    """

    kind: str
    title: str
    way: str
    layers: int
    hub: SourceModel | None = None
    model: Model | None = None
    reference: Reference | None = None
    without_reference: str = ""
    target: CoreMLTarget | None = None
    inputs: dict[str, np.dtype[Any]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    custom_layers: CustomLayers = ()
    notes: list[str] = field(default_factory=list)
