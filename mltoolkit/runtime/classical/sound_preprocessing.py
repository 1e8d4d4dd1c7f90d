"""The preprocessing of sounds for VGGish (SoundAnalysisPreprocessing.proto; Hershey et al. 2017)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InputError, InvalidModelError
from mltoolkit.formats.features import ArrayFeature, Interface
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.registry import predicts

# The figures are the proto's; samples at 16 kHz.
_RATE = 16_000
_SAMPLES = 15_600
_WINDOW = 400
_HOP = 160
_FFT = 512
_BANDS = 64
_LOWEST, _HIGHEST = 125.0, 7_500.0
_LOG_OFFSET = 0.01


@predicts("soundAnalysisPreprocessing")
class SoundPreprocessing(Transformer):
    """0.975 s of sound as a logarithmic mel spectrogram (1, 96, 64)."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        if self.parameters.WhichOneof("SoundAnalysisPreprocessingType") != "vggish":
            raise InvalidModelError("the preprocessing of sounds has no type")
        self._input = only(interface.inputs, "input", ArrayFeature)
        self._output = only(interface.outputs, "output", ArrayFeature)

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The spectrogram (1, 96, 64) of the samples (15600,)."""
        given = values[self._input.name]
        samples = np.asarray([] if given is None else given, dtype=np.float64).reshape(-1)
        if samples.size != _SAMPLES:
            raise InputError(
                f"the model takes {_SAMPLES} samples, not {samples.size}", where=f"input {self._input.name!r}"
            )
        frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
        periodic_hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
        magnitudes = np.abs(np.fft.rfft(frames * periodic_hann, _FFT))
        return {self._output.name: np.log(magnitudes @ _mel_bands() + _LOG_OFFSET)[np.newaxis]}


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    made: NDArray[np.float64] = 1127.0 * np.log1p(hertz / 700.0)
    return made


@functools.cache
def _mel_bands() -> NDArray[np.float64]:
    """Triangles of height 1, even and linear in mel, as weights (frequencies, bands); none for 0 Hz."""
    frequencies = _mel(np.linspace(0.0, _RATE / 2, _FFT // 2 + 1))[:, np.newaxis]
    lowest, highest = _mel(np.array([_LOWEST, _HIGHEST])).tolist()
    edges = np.linspace(lowest, highest, _BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    bands: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    bands[0] = 0.0
    return bands
