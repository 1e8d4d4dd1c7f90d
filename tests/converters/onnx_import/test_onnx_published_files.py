"""The ONNX files of the shared data: their import computes what they compute, and both Core ML formats too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_models import decibels, run

import mltoolkit as mlt
from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import UnsupportedLayersError
from mltoolkit.graph.opset import OPSET

# Sizes that the files leave open. silero_vad squeezes axes only if they have size 1, so it needs fixed sizes.
OPEN = {
    "basic_pitch_nmp.onnx": {"serving_default_input_2:0": (2, 43844, 1)},
    "ch_PP-OCRv4_det_infer.onnx": {"x": (1, 3, 64, 96)},
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": {"x": (2, 3, 48, 192)},
    "silero_vad_16k_op15.onnx": {"input": (1, 576), "state": (2, 1, 128)},
}
FILES = [
    "basic_pitch_nmp.onnx",
    "ch_PP-OCRv4_det_infer.onnx",
    "ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "face_version-slim-320.onnx",
    "fns_candy_nc16_128x128_onnxjs013.onnx",
    "mnist-8.onnx",
    "silero_vad_16k_op15.onnx",
    "squeezenet_v1.1_from_apple_fp16.onnx",
]


def feeds_of(path: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    feeds: dict[str, Any] = {}
    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name in weights:
            continue
        sizes = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
        shape = OPEN.get(path.name, {}).get(value.name, sizes)
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            feeds[value.name] = np.full(shape, 16000)
        else:
            feeds[value.name] = rng.standard_normal(shape).astype(np.float32)
    return feeds


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    return shared_data / "onnx" / str(request.param)


def test_every_file_is_tested(shared_data: Path) -> None:
    assert sorted(file.name for file in (shared_data / "onnx").glob("*.onnx")) == sorted(FILES, key=str)


@pytest.mark.parametrize("fixed", [False, True])
def test_the_import_computes_what_the_file_computes(path: Path, fixed: bool) -> None:
    if fixed and path.name not in OPEN:
        pytest.skip("all sizes are in the file")
    source = import_onnx(path, input_shapes=OPEN.get(path.name) if fixed else None)
    assert source.model.graph.opset_imports[""] == OPSET
    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    for given, made in (
        ([value.name for value in graph.input if value.name not in weights], source.model.graph.inputs),
        ([value.name for value in graph.output], source.model.graph.outputs),
    ):
        assert [value.name for value in made] == given
    assert len(source.layers) == len(graph.node)
    feeds = feeds_of(path)
    # Folded batch normalisations round differently; PP-OCR's probabilities of noise are near 0, where the sigmoid has
    # steps of 6e-8.
    for expected, got in zip(run(str(path), feeds), run(source, feeds), strict=True):
        found = decibels(expected, got)
        gap = float(np.abs(expected - got).max())
        assert found > 100 or gap < 4e-7, f"{found:.1f} dB, {gap:.2g} at most"


@pytest.mark.parametrize("format", ["mlpackage", "mlmodel"])
def test_both_formats_compute_what_the_file_computes(path: Path, format: str) -> None:
    shapes = OPEN[path.name] if path.name.startswith("silero") else None
    model = mlt.convert(path, format=format, input_shapes=shapes)
    report = model.conversion_report
    assert report is not None
    assert report.verified
    assert report.lowest_db is not None
    # PP-OCR: see above. Measured: 90 dB (basic_pitch) and more.
    assert report.lowest_db > (10 if "PP-OCRv4" in path.name else 85), str(report)


def test_sizes_that_decide_what_is_computed_must_be_given(shared_data: Path) -> None:
    """silero_vad removes an axis only if its size is 1: the rank of what follows is open, which Core ML cannot have."""
    with pytest.raises(UnsupportedLayersError, match="Squeeze"):
        mlt.convert(shared_data / "onnx" / "silero_vad_16k_op15.onnx", format="mlpackage")
