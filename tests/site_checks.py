"""Graphs of one product, and what a site says of it beside what onnxruntime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.sites import Site, find_sites
from mltoolkit.formats.features import Interface
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.quantization.slots import WeightSlot
from mltoolkit.runtime.sections import SectionedRun

Array = NDArray[Any]


def make_slot(shape: tuple[int, ...], index: int = 0, **changes: Any) -> WeightSlot:
    """A weight of the layer "layer"."""
    values: dict[str, Any] = {
        "index": index,
        "stage": "",
        "layer": "layer",
        "layer_type": "layer",
        "name": f"weights {index}",
        "shape": shape,
        "channel_axis": 0,
        "role": "weight",
        "bits": 32,
        "bytes": 4 * int(np.prod(shape)),
        "per_channel": True,
        "form": None,
        "layer_index": 0,
        "where": f"layer 'layer', weights {index}",
    }
    return WeightSlot(**(values | changes))


def close_graph(builder: GraphBuilder, *outputs: Any) -> ModelGraph:
    """The graph that a builder made."""
    return ModelGraph(builder.finish(outputs), Interface((), ()))


def only_site(graph: ModelGraph, stored: Array, **changes: Any) -> Site:
    """The site of the graph's only weight, given as the file holds it."""
    slot = make_slot(stored.shape, **changes)
    sites, reasons = find_sites(graph, [slot], lambda _: stored)
    assert not reasons, reasons
    return sites[0]


def run_to(graph: ModelGraph, site: Site, feed: dict[str, Array]) -> SectionedRun:
    """A run of one sample that has stopped in front of the site's node."""
    run = SectionedRun(graph, [site.node(graph)], [feed])
    run.advance()
    return run


def all_columns(graph: ModelGraph, site: Site, feed: dict[str, Array]) -> Array:
    """The inputs of a product at all positions of one sample, (groups, inputs, positions)."""
    arrays = site.read(run_to(graph, site, feed), 0)
    return site.product.columns(arrays, np.arange(site.product.positions(arrays)))


def all_products(graph: ModelGraph, site: Site, stored: Array, feed: dict[str, Array]) -> Array:
    """The site's matrix times its inputs, float64 (groups · outputs, positions)."""
    product = site.matrix(stored).astype(np.float64) @ all_columns(graph, site, feed)
    return product.reshape(-1, product.shape[2])


def outputs_of(graph: ModelGraph, feed: dict[str, Array]) -> dict[str, Array]:
    """What the whole graph gives."""
    run = SectionedRun(graph, [], [feed])
    run.advance()
    return run.outputs(0)
