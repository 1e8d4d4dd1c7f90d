"""Running whole graphs on many samples, to see what they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.runtime.cores import available_cores
from mltoolkit.runtime.partition import GraphRunner

Outputs = list[dict[str, NDArray[Any]]]


def run_graph(
    graph: ModelGraph, feeds: Sequence[Mapping[str, NDArray[Any]]], files: WeightFolder | None = None
) -> Outputs:
    """The outputs of a graph for every sample, by name."""
    runner = GraphRunner(graph, threads=1, files=files)
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(lambda index: runner.run(feeds[index]), range(len(feeds))))
