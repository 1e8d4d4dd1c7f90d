"""Running an ML Program: one graph for each combination of input shapes, one session for each use of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.program import program_to_graph
from mltoolkit.errors import InputError
from mltoolkit.formats.features import Interface
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.model_graph import GraphState, ModelGraph
from mltoolkit.runtime.inputs import BoundInputs, Shapes, bind_inputs
from mltoolkit.runtime.outputs import present_outputs
from mltoolkit.runtime.partition import GraphRunner
from mltoolkit.runtime.predictor import Prediction
from mltoolkit.runtime.recent import MAX_RUNNERS, MAX_SHAPES, Recent
from mltoolkit.runtime.state import ModelState


class MLProgramPredictor:
    """Runs a function of an ML Program; see :class:`~mltoolkit.runtime.predictor.Predictor`.

    Args:
        spec: the model.
        interface: the function's inputs, outputs and states.
        weights: the program's weight files.
        function: which function; by default the program's own default.

    Attributes:
        files: the program's weight files, which constants of its graphs may be views of.
    """

    def __init__(self, spec: Any, interface: Interface, weights: WeightFolder, function: str = "") -> None:
        self.interface = interface
        self._spec = spec
        self.files = weights
        self._function = function
        self._lock = threading.RLock()
        self._graphs: Recent[ModelGraph] = Recent(MAX_SHAPES)
        self._runners: Recent[GraphRunner] = Recent(MAX_RUNNERS)

    def graph(self, shapes: Shapes = ()) -> ModelGraph:
        """The program as a graph, for the described input shapes except those given."""
        with self._lock:
            return self._graphs.get(
                shapes,
                lambda: program_to_graph(
                    self._spec,
                    weights=self.files,
                    function=self._function,
                    input_shapes=dict(shapes),
                    interface=self.interface,
                ),
            )

    def bind(self, data: Mapping[str, Any]) -> BoundInputs:
        """A caller's inputs as the graph's; see :func:`~mltoolkit.runtime.inputs.bind_inputs`."""
        return bind_inputs(self.interface, data)

    def zero_states(self) -> dict[str, NDArray[Any]]:
        """The graph's inputs that hold states, all zeros."""
        return {
            feature.name: np.zeros(feature.shape, np.float32 if feature.dtype.startswith("float") else np.int32)
            for feature in self.interface.states
        }

    def make_state(self) -> ModelState:
        """New contents for the model's states, all zeros."""
        return ModelState(self.interface.states)

    def run(
        self,
        data: Mapping[str, Any],
        *,
        threads: int = 0,
        taps: Sequence[str] = (),
        state: ModelState | None = None,
    ) -> Prediction:
        """Run the program; graphs and sessions are kept for the next time.

        Args:
            data: the inputs by name.
            threads: threads for one operation; 0 lets onnxruntime use all cores.
            taps: names of graph values to give out as well.
            state: read, and replaced by what the program writes.

        Raises:
            InputError: the model has states and none is given, or one of another model.
        """
        bound = self.bind(data)
        with self._lock:
            graph = self.graph(bound.shapes)
            key = (bound.shapes, tuple(taps), threads)
            runner = self._runners.get(key, lambda: GraphRunner(graph, taps=taps, threads=threads, files=self.files))
        if not graph.states:
            raw = runner.run(bound.feeds)
        else:
            raw = _run_with_state(runner, bound.feeds, graph.states, self._checked(state))
        return Prediction(raw, lambda: present_outputs(self.interface, raw, graph.probabilities))

    def _checked(self, state: ModelState | None) -> ModelState:
        names = [feature.name for feature in self.interface.states]
        if state is None:
            raise InputError(
                f"the model keeps {', '.join(map(repr, names))} from one prediction to the next",
                fix="Call state = model.make_state() once, and model.predict(data, state=state)",
            )
        if not isinstance(state, ModelState) or sorted(state.names) != sorted(names):
            raise InputError("the state was made for another model", fix="Use this model's make_state()")
        return state


def _run_with_state(
    runner: GraphRunner, feeds: dict[str, NDArray[Any]], states: Sequence[GraphState], state: ModelState
) -> dict[str, NDArray[Any]]:
    with state.lock:
        contents = {item.input: state.read_state(item.name) for item in states}
        raw = runner.run(
            feeds
            | {
                name: array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
                for name, array in contents.items()
            }
        )
        for item in states:
            if item.output:
                state.write_state(item.name, raw.pop(item.output))
    return raw
