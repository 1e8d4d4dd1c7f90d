"""Codes survive every way between .mlmodel, .mlpackage and .onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.formats.weights import Encoding, encoding_of

PICTURE = sorted(digit_images_path().glob("*/*.png"))[7]
# Bits, mode → how the file of a network stores its weights.
STORED = {
    (8, "linear"): Encoding.LINEAR,
    (6, "linear"): Encoding.LINEAR,
    (4, "linear"): Encoding.LINEAR,
    (3, "linear"): Encoding.LINEAR,
    (4, "kmeans"): Encoding.LOOKUP_TABLE,
    (16, "linear"): Encoding.FLOAT16,
}


def scores(model: mlt.Model) -> np.ndarray[Any, Any]:
    return next(iter(model.predict_raw({"image": PICTURE}).values()))


def check(new: mlt.Model, old: mlt.Model) -> None:
    before, after = old.summary().total.bytes, new.summary().total.bytes
    # A table of 64 codes a channel is what linear codes of 6 bits take in a program; in full it were 96,940 bytes.
    assert after <= 1.02 * before + 9000, f"{after} bytes of {before}"
    np.testing.assert_allclose(scores(new), scores(old), atol=1e-5)


@pytest.mark.parametrize(("bits", "mode"), STORED)
def test_there_and_back(tmp_path: Path, bits: int, mode: str) -> None:
    old = mlt.quantize_weights(digit_model_path(), bits, mode)
    package = mlt.convert(old, format="mlpackage")
    check(package, old)
    mlt.export_onnx(package, tmp_path / "m.onnx", quantize_dequantize=True)
    for format_ in ("mlpackage", "mlmodel"):
        check(mlt.convert(tmp_path / "m.onnx", format=format_), old)
    network = mlt.convert(package, format="mlmodel")
    check(network, old)
    weights = [field for field in iter_weight_fields(network.spec) if field.role == "weight" and field.count > 500]
    assert len(weights) >= 3
    assert {encoding_of(field.params) for field in weights} == {STORED[bits, mode]}
    if bits < 16:
        assert {field.params.quantization.numberOfBits for field in weights} == {bits}


def test_a_network_without_codes_has_none() -> None:
    network = mlt.convert(mlt.convert(digit_model_path(), format="mlpackage"), format="mlmodel")
    assert {encoding_of(field.params) for field in iter_weight_fields(network.spec)} == {Encoding.FLOAT32}
