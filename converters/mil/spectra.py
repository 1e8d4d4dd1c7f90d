"""DFT and STFT as products with constant matrices; windows and mel weights, which are constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, non_negative_axis, size_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.context import NodeContext

# A matrix of more elements (64 MB) is no way to write a transform.
_MOST_ELEMENTS = 1 << 24


@writes("DFT")
def write_dft(node: NodeContext) -> Any:
    """The discrete Fourier transform along one axis; real and imaginary parts stand in the last."""
    x = node.input(0)
    inverse, onesided = bool(node.attribute("inverse", 0)), bool(node.attribute("onesided", 0))
    axis = int(node.needed_constant(2, "axis").reshape(-1)[0]) if node.has(2) else -2
    axis, parts = non_negative_axis(axis, x.rank), x.shape[-1]
    size = x.shape[axis]
    if not is_known(size) or not is_known(parts):
        node.refuse("the length of the signal is only known at run time", "a fixed input shape")
    size, parts = int(size), int(parts)
    if node.has(1):
        length = int(node.needed_constant(1, "dft_length").reshape(-1)[0])
    else:
        length = 2 * (size - 1) if inverse and onesided else size

    def transform(signal: NDArray[np.complex128]) -> NDArray[Any]:
        if inverse:
            return np.fft.irfft(signal, length) if onesided else np.fft.ifft(signal, length)
        spectrum = np.fft.fft(signal, length)
        return spectrum[:, : length // 2 + 1] if onesided else spectrum

    if 4 * size * length > _MOST_ELEMENTS:
        node.refuse(f"a transform of {length} values is too large for a matrix", "shorter frames")
    matrix, count, results = transform_matrix(transform, size, parts)
    order = [*(other for other in range(x.rank - 1) if other != axis), axis, x.rank - 1]
    moved = node.mb.transpose(x=x, perm=order) if order != sorted(order) else x
    leading = [size_of(node, x, other) for other in order[:-2]]
    unknown = [place for place, known in enumerate(leading) if not is_known(known)]
    if len(unknown) == 1:
        leading[unknown[0]] = -1
    elif unknown:
        node.refuse("two axes or more are only known at run time", "a fixed input shape")
    flat = node.mb.reshape(x=moved, shape=np.array([*leading, size * parts], dtype=np.int32))
    if not leading:
        flat = node.mb.expand_dims(x=flat, axes=[0])
    product = node.mb.matmul(x=flat, y=matrix)
    shaped = node.mb.reshape(x=product, shape=np.array([*leading, count, results], dtype=np.int32))
    back = [order.index(other) for other in range(x.rank)]
    return node.mb.transpose(x=shaped, perm=back) if back != sorted(back) else shaped


def transform_matrix(
    transform: Callable[[NDArray[np.complex128]], NDArray[Any]], size: int, parts: int
) -> tuple[NDArray[np.float32], int, int]:
    """A transform of rows as a matrix of real numbers.

    Args:
        transform: a real-linear function of complex rows (n, size).
        size: length of the signal.
        parts: 1 for a real signal, 2 for one with real and imaginary parts side by side.

    Returns:
        (size · parts, count · results), count, and 1 for a real result, 2 for a complex one.
    """
    units = np.eye(size, dtype=np.complex128)
    rows = [transform(unit) for unit in (units, 1j * units)[:parts]]
    results = 2 if np.iscomplexobj(rows[0]) else 1
    # (size, parts, count, results)
    stacked = np.stack(
        [np.stack([row.real, row.imag], axis=-1) if results == 2 else row[..., np.newaxis] for row in rows], axis=1
    )
    count = stacked.shape[2]
    return stacked.reshape(size * parts, count * results).astype(np.float32), count, results


@writes("STFT")
def write_stft(node: NodeContext) -> Any:
    """Fourier transforms of overlapping frames: a convolution of the signal [N, L, 1 or 2] → [N, frames, bins, 2]."""
    x = node.input(0)
    step = int(node.needed_constant(1, "frame_step").reshape(-1)[0])
    window = node.needed_constant(2, "window").astype(np.float64) if node.has(2) else None
    if node.has(3):
        length = int(node.needed_constant(3, "frame_length").reshape(-1)[0])
    elif window is not None:
        length = len(window)
    else:
        node.refuse("neither window nor frame_length is given")
    if window is None:
        window = np.ones(length)
    if len(window) > length:
        node.refuse(f"the window of {len(window)} values is longer than the frames of {length}")
    window = np.pad(window, (0, length - len(window)))
    if x.rank == 2:
        x = node.mb.expand_dims(x=x, axes=[2])
    parts = x.shape[-1]
    if not is_known(parts):
        node.refuse("whether the signal is real is only known at run time")
    bins = length // 2 + 1 if node.attribute("onesided", 1) else length
    matrix, _, _ = transform_matrix(lambda signal: np.fft.fft(signal * window)[:, :bins], length, int(parts))
    # (bins · 2, parts, length)
    kernel = matrix.reshape(length, int(parts), bins * 2).transpose(2, 1, 0)
    channels_first = node.mb.transpose(x=x, perm=[0, 2, 1])
    spectra = node.mb.conv(x=channels_first, weight=np.ascontiguousarray(kernel), strides=[step], pad_type="valid")
    by_frame = node.mb.transpose(x=spectra, perm=[0, 2, 1])
    batch, frames = (size_of(node, by_frame, axis) for axis in range(2))
    if not is_known(batch) and not is_known(frames):
        node.refuse("the batch and the length of the signal are only known at run time", "a batch of fixed size")
    sizes = [size if is_known(size) else -1 for size in (batch, frames)]
    return node.mb.reshape(x=by_frame, shape=np.array([*sizes, bins, 2], dtype=np.int32))


@writes("HannWindow", "HammingWindow", "BlackmanWindow")
def write_window(node: NodeContext) -> Any:
    """A window of constant size."""
    size = int(node.needed_constant(0, "size").reshape(-1)[0])
    span = size if node.attribute("periodic", 1) else size - 1
    angle = 2 * np.pi * np.arange(size) / max(span, 1)
    if node.op_type == "HannWindow":
        values = 0.5 - 0.5 * np.cos(angle)
    elif node.op_type == "HammingWindow":
        values = 25 / 46 - 21 / 46 * np.cos(angle)
    else:
        values = 0.42 - 0.5 * np.cos(angle) + 0.08 * np.cos(2 * angle)
    return values.astype(ir.DataType(node.attribute("output_datatype", 1)).numpy())


@writes("MelWeightMatrix")
def write_mel_weights(node: NodeContext) -> Any:
    """Triangles over the bins of a spectrum, equally far apart on the mel scale: (bins, bands)."""
    names = ("num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz")
    bands, length, rate, low, high = (
        node.needed_constant(index, name).reshape(-1)[0].item() for index, name in enumerate(names)
    )
    first, last = (2595 * np.log10(1 + edge / 700) for edge in (low, high))
    # The reference divides by the number of edges, not of intervals.
    mels = first + np.arange(bands + 2) * (last - first) / (bands + 2)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    edges = ((length + 1) * hertz // rate).astype(int)
    matrix = np.zeros((length // 2 + 1, bands))
    for band in range(bands):
        left, centre, right = edges[band : band + 3]
        if centre == left:
            matrix[centre, band] = 1
        else:
            rising = np.arange(left, centre + 1)
            matrix[rising, band] = (rising - left) / (centre - left)
        if right > centre:
            falling = np.arange(centre, right)
            matrix[falling, band] = (right - falling) / (right - centre)
    return matrix.astype(ir.DataType(node.attribute("output_datatype", 1)).numpy())
