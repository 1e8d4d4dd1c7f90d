"""How much the outputs move by one weight: measured where it is said to be, and told for the other numbers of bits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.calibration.divergence import divergence
from mltoolkit.calibration.feeds import stage_feeds
from mltoolkit.calibration.graphs import run_graph
from mltoolkit.calibration.layer import CalibratedWeight, calibrate_weight
from mltoolkit.calibration.model import Calibration
from mltoolkit.calibration.network import Effort
from mltoolkit.calibration.sensitivity import Candidate, _spread, _worth_measuring, measure_options
from mltoolkit.calibration.sites import Site
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.slots import Form

SHOWN = sorted(digit_images_path().rglob("*.png"))[::10]
TABLES = {nbits: Form("table", nbits) for nbits in range(1, 9)}


def result(snr: float) -> CalibratedWeight:
    values = np.zeros(1, np.float32)
    stored: Any = None
    return CalibratedWeight(stored, values, None, snr)


def test_a_power_law_is_found_again() -> None:
    # The noise of the layer's output falls by 6 dB a bit, and the divergence as the power 0.7 of it.
    results = {form: result(6.0 * nbits) for nbits, form in TABLES.items()}
    truth = {form: 10 ** (-0.7 * 0.6 * nbits) for nbits, form in TABLES.items()}
    measured = {TABLES[nbits]: truth[TABLES[nbits]] for nbits in (2, 4, 6)}
    losses = _spread(results, measured)
    for nbits in (2, 3, 4, 5, 6):
        assert losses[TABLES[nbits]] == pytest.approx(truth[TABLES[nbits]], rel=1e-9)
    # Beyond what was measured it goes on as the noise does.
    assert losses[TABLES[8]] == pytest.approx(losses[TABLES[6]] * 10**-1.2, rel=1e-9)
    assert losses[TABLES[1]] == pytest.approx(losses[TABLES[2]] * 10**0.6, rel=1e-9)


def test_more_noise_is_never_told_to_be_better() -> None:
    results = {form: result(6.0 * nbits) for nbits, form in TABLES.items()}
    # Four bits happened to diverge less than six.
    losses = _spread(results, {TABLES[2]: 1.0, TABLES[4]: 1e-4, TABLES[6]: 1e-3})
    found = [losses[TABLES[nbits]] for nbits in range(1, 9)]
    assert found == sorted(found, reverse=True), found


def test_exact_weights_lose_next_to_nothing() -> None:
    results = {TABLES[2]: result(10.0), TABLES[4]: result(float("inf")), TABLES[6]: result(float("inf"))}
    losses = _spread(results, {TABLES[2]: 0.1, TABLES[4]: 0.0, TABLES[6]: 0.0})
    assert losses[TABLES[2]] == pytest.approx(0.1) and losses[TABLES[4]] <= 1e-11 and losses[TABLES[6]] <= 1e-11


def test_the_forms_nearest_to_the_measured_bits() -> None:
    assert [form.nbits for form in _worth_measuring(list(TABLES.values()))] == [2, 4, 6]
    assert [form.nbits for form in _worth_measuring([TABLES[8]])] == [8]
    assert [form.nbits for form in _worth_measuring([TABLES[4], TABLES[8]])] == [4]


def test_the_measured_loss_is_that_of_the_network_with_this_weight_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sensitivities are measured without descent and refit.
    monkeypatch.setattr("mltoolkit.calibration.network.calibrate_weight", partial(calibrate_weight, rounds=0))
    model = mlt.load(digit_model_path())
    calibration = Calibration(model, stage_feeds(model, SHOWN), Effort())
    (stage,) = calibration.feeds.stages.values()
    rewriter = calibration.open()
    config = QuantizationConfig(nbits=1, quantization_mode="kmeans")
    candidates = [
        Candidate(Decision(site.slot, TABLES[1], config), (TABLES[1],), site)
        for site in calibration.sites(rewriter).values()
        if isinstance(site, Site)
    ]
    calls: list[str] = []
    options = measure_options(
        stage, candidates, rewriter, calibration.may_shift(rewriter), Effort(), lambda slot: calls.append(slot.layer)
    )
    assert calls == ["conv1", "conv2", "conv3", "dense1", "dense2"]
    reference = run_graph(stage.graph, stage.feeds)
    for candidate in candidates:
        layer = candidate.site.slot.layer
        only = QuantizationConfig(
            nbits=1, quantization_mode="kmeans", selector=lambda name, weight, layer=layer: name == layer
        )
        alone = calibration.quantize(only).graphs[""]
        expected = divergence(stage.graph, reference, run_graph(alone, stage.feeds))
        ((option,),) = (options[candidate.site.slot.index],)
        # Moments of one run and of two equal ones are rounded differently, and GPTQ carries the flip of one code on.
        # Measured: 12 % at conv2, below 1e-5 elsewhere.
        assert option.loss == pytest.approx(expected, rel=0.3), layer
