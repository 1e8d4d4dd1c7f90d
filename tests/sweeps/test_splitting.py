"""Samples kept apart for calibration: each on one side, the same each time, and never compared on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mltoolkit as mlt
from mltoolkit.comparison.sources import Sample
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError
from mltoolkit.sweeps.splitting import split


@given(st.integers(2, 60), st.floats(0.01, 0.99))
def test_every_sample_is_on_one_side(count: int, share: float) -> None:
    samples = [Sample(index, f"sample {index}", index) for index in range(count)]
    wanted = round(share * count)
    if wanted in (0, count):
        with pytest.raises(ArgumentError, match="leaves none"):
            split(samples, share)
        return
    comparing, calibrating = split(samples, share)
    assert len(calibrating) == wanted
    assert sorted(sample.value for sample in comparing + calibrating) == list(range(count))
    for side in (comparing, calibrating):
        assert [sample.index for sample in side] == list(range(len(side)))
        assert [sample.value for sample in side] == sorted(sample.value for sample in side)
    assert split(samples, share) == (comparing, calibrating)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_share_lies_between_0_and_1(share: float) -> None:
    with pytest.raises(ArgumentError, match="calibration_data is"):
        split([Sample(0, "a", 0), Sample(1, "b", 1)], share)


def test_a_sweep_compares_on_the_others(tmp_path: Path) -> None:
    model = mlt.load(digit_model_path())
    files = sorted(digit_images_path().glob("*/*.png"))[::4]
    half = mlt.sweep(model, files, tmp_path / "half", bits=[2], modes=["calibrated_kmeans"], calibration_data=0.5)
    samples = [Sample(index, file.name, file) for index, file in enumerate(files)]
    comparing, calibrating = ([sample.value for sample in side] for side in split(samples, 0.5))
    apart = mlt.sweep(
        model, comparing, tmp_path / "apart", bits=[2], modes=["calibrated_kmeans"], calibration_data=calibrating
    )
    assert half.rows[0].count == len(comparing)
    assert (half.rows[0].bytes, half.rows[0].mean_kl) == (apart.rows[0].bytes, apart.rows[0].mean_kl)
    assert f"{len(calibrating)} others to calibrate with" in str(half)
