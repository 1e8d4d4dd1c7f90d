"""Calibrating the operations of ML Programs in every form that they have: the file is what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_program_sites import PROGRAMS

import mltoolkit as mlt
from mltoolkit.calibration.feeds import stage_feeds
from mltoolkit.calibration.graphs import run_graph
from mltoolkit.calibration.model import CalibratedModel, Calibration
from mltoolkit.calibration.network import Effort
from mltoolkit.formats.validation import validate_spec
from mltoolkit.quantization.config import QuantizationConfig

FORMS: dict[str, dict[str, Any]] = {
    "table": {"nbits": 3, "quantization_mode": "kmeans"},
    "scales of channels": {"nbits": 4, "quantization_mode": "linear"},
    "old scales": {"nbits": 8, "quantization_mode": "linear", "signed": False},
    "one scale": {"nbits": 4, "quantization_mode": "linear_symmetric", "per_channel": False},
    "blocks": {"nbits": 4, "quantization_mode": "linear", "granularity": "per_block", "block_size": 2},
    "tables of groups": {
        "nbits": 2,
        "quantization_mode": "kmeans",
        "granularity": "per_grouped_channel",
        "group_size": 3,
    },
}


def quantized(name: str, form: str) -> tuple[CalibratedModel, Calibration, Any]:
    program = PROGRAMS[name]()
    model = program.model()
    rng = np.random.default_rng(0)
    if program.dtype == "int32":
        samples = [{"x": rng.integers(0, 5, program.shape).astype(np.int32)} for _ in range(20)]
    else:
        scale = np.geomspace(0.3, 2, program.shape[-1])
        samples = [{"x": (rng.standard_normal(program.shape) * scale + 0.3).astype(np.float32)} for _ in range(20)]
    calibration = Calibration(model, stage_feeds(model, samples), Effort(), "iOS18")
    config = QuantizationConfig(**FORMS[form], only_if_smaller=False)
    return calibration.quantize(config), calibration, model


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_operation_in_every_form(name: str, form: str) -> None:
    result, calibration, model = quantized(name, form)
    small = result.rewriter.finish()
    validate_spec(small.spec)
    (stage,) = calibration.feeds.stages.values()
    expected = run_graph(stage.graph, stage.feeds)
    measured = run_graph(result.graphs[""], stage.feeds)
    loaded = run_graph(small.graph(dict(stage.shapes)), stage.feeds)
    done = [record for record in result.records if record.mode]
    calibrated = [record for record in done if record.reason.startswith(("output SNR", "exact"))]
    if not done:
        assert form in ("blocks", "tables of groups", "scales of channels"), [
            record.reason for record in result.records
        ]
    for one, other in zip(measured, loaded, strict=True):
        for output in one:
            # Two shifts of a recurrent bias are added in another order.
            size = np.abs(other[output]).max()
            np.testing.assert_allclose(one[output], other[output], rtol=1e-4, atol=1e-5 * size, err_msg=output)
    plain = mlt.quantize_weights(model, **FORMS[form], only_if_smaller=False, minimum_deployment_target="iOS18")

    def error(outputs: list[Any]) -> float:
        pairs = zip(expected, outputs, strict=True)
        return sum(float(((a["y"] - b["y"]) ** 2).sum()) for a, b in pairs) / len(expected)

    before, after = error(run_graph(plain.graph(dict(stage.shapes)), stage.feeds)), error(measured)
    if calibrated:
        # An embedding's rows are looked up alike: nothing is gained. Gates saturate, which least squares does not know.
        most = 1.1 if name.startswith(("gather", "lstm", "gru", "rnn")) else 1.0
        assert after < most * before, f"{after:.5f} calibrated, {before:.5f} from values"
    else:
        assert after == pytest.approx(before, rel=1e-3)
        remarks = {record.reason for record in done}
        assert all(remark.startswith("from its values alone: ") for remark in remarks), remarks


def test_scales_of_looked_up_rows_are_those_of_the_values() -> None:
    result, _, _ = quantized("gather", "scales of channels")
    (record,) = (record for record in result.records if record.mode)
    assert record.reason == "from its values alone: its channels are not the operation's outputs"


@pytest.mark.parametrize("name", ["conv_transpose", "conv", "linear of rows", "gather"])
def test_coremltools_reads_what_was_calibrated(name: str, tmp_path: Any) -> None:
    coremltools = pytest.importorskip("coremltools")
    for form in ("table", "scales of channels", "old scales"):
        small = quantized(name, form)[0].rewriter.finish()
        path = tmp_path / f"{form}.mlpackage"
        small.save(path)
        theirs = coremltools.models.MLModel(str(path), skip_model_load=True)
        assert theirs.get_spec() == small.spec
