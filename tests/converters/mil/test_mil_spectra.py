"""DFT, STFT, windows, determinants, random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checking import check_onnx, check_refused, one_node, run_written, source_of
from onnx.reference import ReferenceEvaluator

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml

RNG = np.random.default_rng(59)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(("inverse", "onesided"), [(0, 0), (0, 1), (1, 0)])
@pytest.mark.parametrize(("axis", "length"), [(1, None), (-2, 12), (1, 5)])
def test_dft(parts: int, inverse: int, onesided: int, axis: int, length: int | None) -> None:
    if onesided and parts == 2:
        return
    x = random(2, 8, 3, parts)
    constants = {"axis": np.array(axis)} | ({} if length is None else {"n": np.array(length)})
    order = ["x", "n" if length is not None else "", "axis"]
    model = one_node("DFT", {"x": x}, constants, order, inverse=inverse, onesided=onesided)
    signal = x[..., 0] + (1j * x[..., 1] if parts == 2 else 0)
    transformed = (np.fft.ifft if inverse else np.fft.fft)(signal, length, axis if axis > 0 else -1)
    if onesided:
        transformed = np.take(
            transformed, range(transformed.shape[axis if axis > 0 else -1] // 2 + 1), axis if axis > 0 else -1
        )
    expected = np.stack([transformed.real, transformed.imag], axis=-1).astype(np.float32)
    check_onnx(model, {"x": x}, expected={"y": expected})


def test_dft_of_flexible_batches() -> None:
    x = random(3, 8, 1)
    model = one_node("DFT", {"x": x}, {"axis": np.array(1)}, ["x", "", "axis"], shapes={"x": ["n", 8, 1]})
    transformed = np.fft.fft(x[..., 0])
    expected = np.stack([transformed.real, transformed.imag], axis=-1).astype(np.float32)
    check_onnx(model, {"x": x}, expected={"y": expected})


@pytest.mark.parametrize("length", [40, "n"])
def test_stft(length: Any) -> None:
    x, window = random(2, 40, 1), np.hanning(16).astype(np.float32)
    model = one_node(
        "STFT", {"x": x}, {"s": np.array(4), "w": window}, ["x", "s", "w"], shapes={"x": [2, length, 1]}, onesided=1
    )
    frames = np.stack([x[:, start : start + 16, 0] * window for start in range(0, 25, 4)], axis=1)
    spectra = np.fft.rfft(frames)
    check_onnx(model, {"x": x}, expected={"y": np.stack([spectra.real, spectra.imag], -1).astype(np.float32)})


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_determinants(size: int) -> None:
    x = random(3, size, size)
    check_onnx(one_node("Det", {"x": x}), {"x": x})


def test_large_determinants_are_refused() -> None:
    check_refused(one_node("Det", {"x": random(5, 5)}), "at most 4 rows")


@pytest.mark.parametrize("operator", ["HannWindow", "HammingWindow", "BlackmanWindow"])
@pytest.mark.parametrize("periodic", [0, 1])
def test_windows(operator: str, periodic: int) -> None:
    """A window times an input, since a Core ML model has one."""
    x = random(9)
    model = one_node("Mul", {"x": x}, {"w": np.ones(9, np.float32)})
    window = one_node(operator, {}, {"n": np.array(9)}, periodic=periodic).graph
    window.node[0].output[0] = "w"
    model.graph.initializer[0].CopyFrom(window.initializer[0])
    model.graph.node.insert(0, window.node[0])
    expected = ReferenceEvaluator(model).run(None, {"x": x})[0]
    check_onnx(model, {"x": x}, expected={"y": expected})


@pytest.mark.parametrize("format", ["mlpackage", "mlmodel"])
def test_random_numbers(format: Any) -> None:
    """Means within five standard errors: one run in a million fails by chance, and the seed is fixed."""
    x = {"x": np.full((40, 50), 0.3, np.float32)}
    expectations = {
        "RandomNormalLike": ({"mean": 2.0, "scale": 3.0, "seed": 5.0}, 2.0, 3.0),
        "RandomUniformLike": ({"low": 1.0, "high": 3.0, "seed": 5.0}, 2.0, 2 / 12**0.5),
        "Bernoulli": ({"seed": 5.0}, 0.3, (0.3 * 0.7) ** 0.5),
    }
    for operator, (attributes, mean, deviation) in expectations.items():
        written = write_core_ml(source_of(one_node(operator, x, **attributes)), CoreMLTarget(format=format))
        numbers = run_written(written, x)[1]["y"]
        assert numbers.shape == (40, 50)
        assert abs(numbers.mean() - mean) < 5 * deviation / 2000**0.5, (operator, numbers.mean())
        assert abs(numbers.std() - deviation) < 0.1 * deviation, (operator, numbers.std())
