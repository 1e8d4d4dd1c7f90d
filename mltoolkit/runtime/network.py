"""Running a neural network: one graph for each combination of input shapes, one session for each use of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from mltoolkit.converters.neural_network.network import network_to_graph
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.formats.features import Interface
from mltoolkit.formats.networks import network_of
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.inputs import BoundInputs, Shapes, bind_inputs
from mltoolkit.runtime.outputs import present_outputs
from mltoolkit.runtime.partition import GraphRunner
from mltoolkit.runtime.predictor import Prediction
from mltoolkit.runtime.recent import MAX_RUNNERS, MAX_SHAPES, Recent


class NetworkPredictor:
    """Runs a neural network, classifier or regressor; see :class:`~mltoolkit.runtime.predictor.Predictor`.

    Attributes:
        files: None: a network holds its weights itself.
    """

    files = None

    def __init__(self, spec: Any, interface: Interface, custom_layers: CustomLayerSet) -> None:
        self.interface = interface
        self._spec = spec
        self._custom_layers = custom_layers
        self._lock = threading.RLock()
        self._graphs: Recent[ModelGraph] = Recent(MAX_SHAPES)
        self._runners: Recent[GraphRunner] = Recent(MAX_RUNNERS)
        # NeuralNetworkMultiArrayShapeMapping: 0 is RANK5_ARRAY_MAPPING.
        network: Any = network_of(spec)
        self._rank5 = network.arrayInputShapeMapping == 0

    def graph(self, shapes: Shapes = ()) -> ModelGraph:
        """The network as a graph, for the described input shapes except those given."""
        with self._lock:
            return self._graphs.get(
                shapes,
                lambda: network_to_graph(
                    self._spec,
                    custom_layers=self._custom_layers,
                    input_shapes=dict(shapes),
                    interface=self.interface,
                ),
            )

    def bind(self, data: Mapping[str, Any]) -> BoundInputs:
        """A caller's inputs as the graph's; see :func:`~mltoolkit.runtime.inputs.bind_inputs`."""
        return bind_inputs(self.interface, data, leading_axes=self._rank5)

    def run(self, data: Mapping[str, Any], *, threads: int = 0, taps: Sequence[str] = ()) -> Prediction:
        """Run the network; graphs and sessions are kept for the next time."""
        bound = self.bind(data)
        with self._lock:
            graph = self.graph(bound.shapes)
            key = (bound.shapes, tuple(taps), threads)
            runner = self._runners.get(key, lambda: GraphRunner(graph, taps=taps, threads=threads))
        raw = runner.run(bound.feeds)
        return Prediction(raw, lambda: present_outputs(self.interface, raw, graph.probabilities))
