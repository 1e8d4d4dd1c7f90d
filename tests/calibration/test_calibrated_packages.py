"""Calibrating a whole ML Program: the digits' model as a package, in float16 and float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.formats.validation import validate_spec
from mltoolkit.model import Model

FILES = sorted(digit_images_path().rglob("*.png"))
SHOWN, OTHERS = FILES[::10], FILES[3::10]


@pytest.fixture(scope="module", params=["float16", "float32"])
def package(request: pytest.FixtureRequest) -> Model:
    """The model as a package for iOS 16."""
    return mlt.convert(
        digit_model_path(), format="mlpackage", precision=request.param, minimum_deployment_target="iOS16"
    )


def package_size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.suffix in (".mlmodel", ".bin"))


@pytest.mark.parametrize(
    "options",
    [
        {"nbits": 2},
        {"nbits": 8, "quantization_mode": "linear"},
        {"nbits": 4, "quantization_mode": "linear", "minimum_deployment_target": "iOS18"},
        {"nbits": 3, "minimum_deployment_target": "iOS18", "granularity": "per_grouped_channel", "group_size": 2},
    ],
    ids=["tables", "linear of iOS 16", "linear of iOS 18", "tables of groups"],
)
def test_the_package_is_what_was_measured(package: Model, options: dict[str, Any], tmp_path: Path) -> None:
    small = mlt.quantize_calibrated(package, SHOWN, **options)
    report = small.quantization_report
    remarks = {record.layer: record.reason for record in report.changed}
    assert len(remarks) == 5 and all(remark.startswith("output SNR") for remark in remarks.values()), remarks
    small.save(tmp_path / "small.mlpackage")
    loaded = mlt.load(tmp_path / "small.mlpackage")
    validate_spec(loaded.spec)
    found = mlt.compare_models(package, loaded, SHOWN, progress=False)
    chosen = report.chosen
    assert chosen.agreement == found.top1_agreement
    # Biases of float16 programs are float16 in the file, and were float32 where the divergence was measured.
    assert chosen.divergence == pytest.approx(found.mean_kl, rel=0.1, abs=1e-4)
    assert chosen.model_bytes == package_size(tmp_path / "small.mlpackage")
    plain_options = {"quantization_mode": "kmeans"} | options
    plain = mlt.quantize_weights(package, **plain_options)
    before, after = (mlt.compare_models(package, one, OTHERS, progress=False) for one in (plain, small))
    assert before.mean_kl is not None and after.mean_kl is not None
    # With 8 bits both are as good as float16 sums are.
    assert after.mean_kl < max(0.7 * before.mean_kl, 1e-4), f"{before.mean_kl:.3g} → {after.mean_kl:.3g} nats"


def test_to_a_size_and_again(package: Model, tmp_path: Path) -> None:
    small = mlt.quantize_calibrated(package, SHOWN[::2], max_bytes=24_000, curve=False)
    small.save(tmp_path / "small.mlpackage")
    size = package_size(tmp_path / "small.mlpackage")
    assert 20_000 < size <= 24_000 and size == small.quantization_report.chosen.model_bytes
    again = mlt.quantize_calibrated(package, SHOWN[::2], settings=mlt.quantization_settings(small))
    again.save(tmp_path / "again.mlpackage")
    files = [file.relative_to(tmp_path / "small.mlpackage") for file in (tmp_path / "small.mlpackage").rglob("*.bin")]
    assert files and again.spec == small.spec
    for file in files:
        assert (tmp_path / "again.mlpackage" / file).read_bytes() == (tmp_path / "small.mlpackage" / file).read_bytes()
