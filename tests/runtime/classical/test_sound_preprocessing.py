"""The preprocessing of sounds against the proto's four steps, written out as sums."""

from __future__ import annotations

import numpy as np
import pytest
from classical_specs import predict, sound_preprocessing

from mltoolkit.errors import InputError, InvalidModelError


def mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def reference_frame(samples: np.ndarray) -> np.ndarray:
    """One row of the spectrogram from 400 samples."""
    n = np.arange(400)
    windowed = samples * (0.5 - 0.5 * np.cos(2 * np.pi * n / 400))
    k = np.arange(257)
    magnitude = np.abs(np.exp(-2j * np.pi * np.outer(k, n) / 512) @ windowed)
    edges = np.linspace(mel(125), mel(7500), 66)
    row = np.zeros(64)
    for band in range(64):
        low, middle, high = edges[band : band + 3]
        for bin_ in range(1, 257):
            at = mel(bin_ * 16000 / 512)
            row[band] += magnitude[bin_] * max(0.0, min((at - low) / (middle - low), (high - at) / (high - middle)))
    return np.log(row + 0.01)


def test_frames_are_those_of_the_four_steps() -> None:
    spec, _ = sound_preprocessing()
    samples = np.random.default_rng(0).normal(0, 0.2, 15600).astype(np.float32)
    made = predict(spec, {"audio": samples})["mel"]
    assert made.shape == (1, 96, 64)
    assert made.dtype == np.float32
    for frame in (0, 50, 95):
        # float32 output; Davis and Mermelstein's 2595 log10 is 1127 ln but for its fifth digit.
        np.testing.assert_allclose(
            made[0, frame], reference_frame(samples[frame * 160 :][:400].astype(np.float64)), atol=2e-5
        )


def test_a_tone_lies_in_its_band() -> None:
    spec, inputs = sound_preprocessing()
    made = predict(spec, inputs)["mel"]
    centres = np.linspace(mel(125), mel(7500), 66)[1:-1]
    nearest = int(np.argmin(np.abs(centres - mel(1000))))
    assert set(made[0].argmax(axis=1)) <= {nearest - 1, nearest, nearest + 1}


def test_silence_is_the_logarithm_of_the_offset() -> None:
    spec, _ = sound_preprocessing()
    np.testing.assert_allclose(predict(spec, {"audio": np.zeros(15600)})["mel"], np.log(0.01), rtol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    spec, inputs = sound_preprocessing()
    spec.description.input[0].type.multiArrayType.shape[0] = 0
    with pytest.raises(InputError, match="15600 samples, not 3"):
        predict(spec, {"audio": [1, 2, 3]})
    spec.soundAnalysisPreprocessing.ClearField("vggish")
    with pytest.raises(InvalidModelError, match="no type"):
        predict(spec, inputs)
