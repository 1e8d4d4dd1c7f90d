"""The report of calibration: points, fronts, texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mltoolkit.calibration.report import CalibratedQuantizationReport, CurvePoint
from mltoolkit.comparison.intervals import wilson_interval


def point(name: str, size: int, divergence: float, agreement: float | None, **others: Any) -> CurvePoint:
    return CurvePoint(name, 4.0, size, divergence, agreement, 50, held_out=True, **others)


def report(*points: CurvePoint) -> CalibratedQuantizationReport:
    return CalibratedQuantizationReport("calibrated kmeans", 4, (), 1000, 100, 20, points, ("take care",), 1.25)


def test_the_front_by_agreement() -> None:
    small, worse, good, best, wasteful = (
        point("small", 100, 0.5, 0.8),
        point("worse", 110, 0.6, 0.8),
        point("good", 120, 0.3, 0.9, chosen=True),
        point("best", 200, 0.1, 0.98),
        point("wasteful", 300, 0.1, 0.98),
    )
    found = report(small, worse, good, best, wasteful)
    assert found.pareto == (small, good, best)
    assert found.chosen is good


def test_the_front_by_divergence_where_there_is_no_agreement() -> None:
    points = (point("a", 100, 0.5, None), point("b", 110, 0.6, None), point("c", 120, 0.3, None, chosen=True))
    assert report(*points).pareto == (points[0], points[2])


def test_texts() -> None:
    measured = point("uniform 4 bits", 12_345, 0.0123, 0.9, chosen=True)
    low, high = wilson_interval(45, 50)
    assert measured.interval == (low, high)
    assert str(measured) == (
        "uniform 4 bits: 4.00 bits a weight, 12,345 bytes, divergence 0.0123, "
        f"agreement 90.0% ({low:.1%} to {high:.1%}) on 50 held-out samples (chosen)"
    )
    assert str(point("mixed", 1, 2.0, None)) == "mixed: 4.00 bits a weight, 1 bytes, divergence 2"
    text = str(report(measured))
    assert "calibrated with 20 samples in 1.2 s" in text and "warning: take care" in text and str(measured) in text


def test_json_keeps_everything() -> None:
    found = json.loads(report(point("a", 100, 0.5, None, chosen=True)).to_json())
    assert found["samples"] == 20 and found["warnings"] == ["take care"] and found["seconds"] == 1.25
    assert found["curve"] == [
        {
            "name": "a",
            "bits_per_weight": 4.0,
            "model_bytes": 100,
            "divergence": 0.5,
            "agreement": None,
            "samples": 50,
            "held_out": True,
            "chosen": True,
        }
    ]


@pytest.mark.parametrize("agreement", [0.9, None])
def test_a_plot_shows_every_point(agreement: float | None) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    points = (point("a", 100, 0.5, agreement), point("b", 200, 0.25, agreement, chosen=True))
    axes = report(*points).plot()
    every, chosen = axes.collections
    assert every.get_offsets().data[:, 0].tolist() == [100, 200]
    assert every.get_offsets().data[:, 1].tolist() == ([90, 90] if agreement else [0.5, 0.25])
    assert chosen.get_offsets().data[:, 0].tolist() == [200]
    assert axes.get_yscale() == ("linear" if agreement else "log")
