"""ML Programs with compressed weights: written again, as networks, and as ONNX files with codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import mltoolkit as mlt
from mltoolkit.converters.core_ml_source import import_core_ml
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.converters.onnx_export.export import export_graph
from mltoolkit.converters.onnx_export.source import graph_for_export
from mltoolkit.graph.quantization_record import (
    AffineRecord,
    Float16Record,
    SparseRecord,
    TableRecord,
    record_of,
)

SHAPE = (48, 64)
RNG = np.random.default_rng(11)
CODES = RNG.integers(0, 256, SHAPE).astype(np.uint8)


def program(kind: str) -> mlt.Model:
    """y = W x with a weight compressed in one of coremltools' ways, written by coremltools."""
    ct = pytest.importorskip("coremltools")
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    newest = kind in ("blockwise", "int4 blocks", "grouped tables", "vector tables")
    target = ct.target.iOS18 if newest else ct.target.iOS16
    tables = RNG.normal(size=(2, 1, 16, 1)).astype(np.float32)

    def narrow(codes: Any, name: str) -> Any:
        return codes.astype(types.nptype_from_builtin(types.string_to_builtin(name)))

    def weight() -> Any:
        if kind == "affine":
            return mb.constexpr_affine_dequantize(
                quantized_data=CODES, zero_point=np.uint8(131), scale=np.float32(0.02), axis=0
            )
        if kind == "affine per channel":
            return mb.constexpr_affine_dequantize(
                quantized_data=CODES.view(np.int8),
                zero_point=RNG.integers(-9, 9, 48).astype(np.int8),
                scale=RNG.uniform(0.01, 0.1, 48).astype(np.float32),
                axis=0,
            )
        if kind == "table":
            packed = (CODES & 15).reshape(-1, 2)
            return mb.constexpr_lut_to_dense(
                indices=packed[:, 0] | packed[:, 1] << 4,
                lut=RNG.normal(size=16).astype(np.float32),
                shape=np.array(SHAPE, np.uint32),
            )
        if kind == "sparse":
            mask = RNG.random(SHAPE) < 0.1
            return mb.constexpr_sparse_to_dense(
                nonzero_data=RNG.normal(size=int(mask.sum())).astype(np.float32),
                mask=np.packbits(mask.reshape(-1), bitorder="little"),
                shape=np.array(SHAPE, np.uint32),
            )
        if kind == "float16":
            return mb.constexpr_cast(source_val=RNG.normal(size=SHAPE).astype(np.float16), output_dtype="fp32")
        if kind == "blockwise":
            return mb.constexpr_blockwise_shift_scale(
                data=CODES,
                scale=RNG.uniform(0.01, 0.1, (48, 1)).astype(np.float32),
                offset=RNG.uniform(90, 140, (48, 1)).astype(np.float32),
            )
        if kind == "int4 blocks":
            return mb.constexpr_blockwise_shift_scale(
                data=narrow((CODES & 15).astype(np.int8) - 8, "int4"),
                scale=RNG.uniform(0.01, 0.1, (48, 4)).astype(np.float32),
            )
        assert kind == "grouped tables"
        return mb.constexpr_lut_to_dense(indices=narrow(CODES & 15, "uint4"), lut=tables)

    @mb.program(input_specs=[mb.TensorSpec((1, 64))], opset_version=target)
    def function(x: Any) -> Any:
        return mb.linear(x=x, weight=weight(), name="y")

    converted = ct.convert(
        function,
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    return mlt.load(converted)


KINDS = {
    "affine": AffineRecord,
    "affine per channel": AffineRecord,
    "table": TableRecord,
    "sparse": SparseRecord,
    "float16": Float16Record,
    "blockwise": AffineRecord,
    "int4 blocks": AffineRecord,
    "grouped tables": TableRecord,
}


def predicted(model: mlt.Model) -> np.ndarray[Any, Any]:
    return model.predict_raw({"x": np.linspace(-1, 1, 64, dtype=np.float32)[None]})["y"]


@pytest.mark.parametrize("kind", KINDS)
def test_programs_keep_their_compression(tmp_path: Path, kind: str) -> None:
    old = program(kind)
    (record,) = (
        found for value in old.graph().model.graph.initializers.values() if (found := record_of(value)) is not None
    )
    assert isinstance(record, KINDS[kind])
    source = import_core_ml(old.spec, weights=old._weights)
    written = write_core_ml(source.source, replace(source.target, format="mlpackage"))
    new = mlt.Model(written.spec, weights_dir=written.weights_dir)
    assert new.summary().total.bytes <= 1.05 * old.summary().total.bytes + 200
    expected = predicted(old)
    # float32's rounding: an affine code of one scale becomes a table, say.
    assert np.abs(predicted(new) - expected).max() <= 1e-5 * np.abs(expected).max()
    assert written.spec.specificationVersion <= old.spec.specificationVersion


@pytest.mark.parametrize("kind", KINDS)
def test_codes_in_onnx_files(tmp_path: Path, kind: str) -> None:
    old = program(kind)
    graph = graph_for_export(old.spec, weights=old._weights)
    plain = export_graph(graph, tmp_path / "plain.onnx")
    codes = export_graph(graph, tmp_path / "codes.onnx", quantize_dequantize=True)
    x = {"x": np.linspace(-1, 1, 64, dtype=np.float32)[None]}
    (one,), (other,) = (onnxruntime.InferenceSession(str(path)).run(None, x) for path in (plain, codes))
    np.testing.assert_allclose(one, predicted(old), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    smaller = codes.stat().st_size < 0.7 * plain.stat().st_size
    # No form: zeros between numbers, and tables for blocks.
    assert smaller == (kind not in ("sparse", "grouped tables"))


def test_a_program_with_codes_becomes_a_network() -> None:
    old = program("affine per channel")
    source = import_core_ml(old.spec, weights=old._weights)
    written = write_core_ml(source.source, replace(source.target, format="mlmodel"))
    expected = predicted(old)
    assert np.abs(predicted(mlt.Model(written.spec)) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_states_are_inputs_and_outputs_of_onnx_files(tmp_path: Path) -> None:
    from mil_programs import counter

    model = mlt.load(counter())
    path = export_graph(graph_for_export(model.spec), tmp_path / "counter.onnx")
    session = onnxruntime.InferenceSession(str(path))
    states = {state.name for state in model.interface.states}
    names = [item.name for item in session.get_inputs()]
    assert states < set(names)
    memory = model.make_state()
    feeds = {item.name: np.zeros(item.shape, np.float32) for item in session.get_inputs()}
    for step in range(3):
        feeds["x"] = np.full_like(feeds["x"], step + 1)
        found = dict(zip([item.name for item in session.get_outputs()], session.run(None, feeds), strict=True))
        expected = model.predict({"x": feeds["x"]}, state=memory)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
        for name in states:
            feeds[name] = found[f"{name}/written"]
