"""Random graphs come out right: coremltools' passes fuse neighbours in many ways, and none may change the numbers."""

from __future__ import annotations

import shutil

import numpy as np
import onnx_ir as ir
import pytest
from checking import FORMATS, reference, run_written, sqnr
from random_graphs import RandomGraph

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.converters.source_model import SourceModel

# Sums in another order and weights that absorb a normalisation cost digits; a wrong fusion leaves none.
MINIMUM_SQNR = 70.0


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("format", FORMATS)
def test_random_graph(seed, format):
    graph = RandomGraph(seed)
    x = np.random.default_rng(seed).standard_normal(graph.shape).astype(np.float32)
    expected = reference(ir.to_proto(graph.model), {"x": x})
    written = write_core_ml(SourceModel(graph.model, "random"), CoreMLTarget(format=format))
    try:
        _, outputs = run_written(written, {"x": x})
    finally:
        if written.weights_dir is not None:
            shutil.rmtree(written.weights_dir)
    for name, array in expected.items():
        ratio = sqnr(array.reshape(outputs[name].shape), outputs[name])
        assert ratio >= MINIMUM_SQNR, f"{name}: {ratio:.1f} dB after {graph.operators}"
