"""MelSpectrogram. (STFTSpectrogram is followed: its call is made of convolutions.)"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import shape_of

Array = NDArray[np.float32]


@converts("MelSpectrogram")
def convert_mel_spectrogram(context: LayerContext) -> Tensor:
    """Loudness by mel bands and time, (N, bands, T) of a sound (N, samples).

    The Fourier transforms of overlapping windows are one convolution with cosines and sines.
    """
    layer, sound = context.source, context.logical()
    if len(shape_of(sound)) != 2:
        context.refuse(f"its input has the rank {len(shape_of(sound))}", "a batch of sounds (N, samples)")
    magnitudes = _magnitudes(context, sound)  # (N, bins, T)
    powers = context.op("Pow", magnitudes, context.constant(float(layer.mag_exp)))
    matrix = context.array(
        layer.linear_to_mel_weight_matrix(
            num_mel_bins=layer.num_mel_bins,
            num_spectrogram_bins=layer.fft_length // 2 + 1,
            sampling_rate=layer.sampling_rate,
            lower_edge_hertz=layer.min_freq,
            upper_edge_hertz=layer.max_freq,
        )
    )
    bands = context.op("MatMul", context.constant(np.ascontiguousarray(matrix.T)), powers)
    return Tensor(_decibels(context, bands) if layer.power_to_db else bands)


def _magnitudes(context: LayerContext, sound: ir.Value) -> ir.Value:
    layer = context.source
    size = int(layer.fft_length)
    middle = context.constant([0, 0, size // 2, 0, 0, size // 2])
    steps = context.op("Unsqueeze", sound, context.constant([1]))
    padded = context.op("Pad", steps, middle, mode="reflect")
    transformed = context.op(
        "Conv",
        padded,
        context.constant(_waves(context, size)),
        kernel_shape=[size],
        strides=[int(layer.sequence_stride)],
    )
    real, imaginary = context.builder.ops(
        "Split", transformed, attributes={"axis": 1, "num_outputs": 2}, names=("", "")
    )
    squares = context.op("Add", context.op("Mul", real, real), context.op("Mul", imaginary, imaginary))
    return context.op("Sqrt", squares)


def _waves(context: LayerContext, size: int) -> Array:
    """Cosines, then sines of each frequency under the window: (2 · bins, 1, size)."""
    layer = context.source
    length = int(layer.sequence_length)
    window = np.ones(length)
    if layer.window in ("hann", "hamming"):
        # Periodic: the period is the length itself.
        share = 0.5 if layer.window == "hann" else 0.54
        window = share - (1 - share) * np.cos(2 * np.pi * np.arange(length) / length)
    elif layer.window is not None:
        context.refuse(f"its window is {layer.window!r}", "the windows hann and hamming")
    left = (size - length) // 2
    window = np.pad(window, (left, size - length - left))
    angles = 2 * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(size)) / size
    waves = np.concatenate([np.cos(angles), -np.sin(angles)]) * window
    return waves[:, None, :].astype(np.float32)


def _decibels(context: LayerContext, bands: ir.Value) -> ir.Value:
    """10 · log₁₀ over the reference, at most top_db under the loudest."""
    layer = context.source
    least = float(layer.min_power)
    factor = context.constant(10 / np.log(10))
    loudness = context.op("Mul", context.op("Log", context.op("Max", bands, context.constant(least))), factor)
    reference = 10 * np.log10(max(abs(float(layer.ref_power)), least))
    loudness = context.op("Sub", loudness, context.constant(float(reference)))
    loudest = context.op("ReduceMax", loudness, context.constant([0, 1, 2]), keepdims=1)
    return context.op("Max", loudness, context.op("Sub", loudest, context.constant(float(layer.top_db))))
