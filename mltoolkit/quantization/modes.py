"""The registry of quantization modes: what turns the values of one weight into what is stored.

A new mode is one entry of :data:`MODES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.formats.weights import LinearCodes, TableCodes, decode
from mltoolkit.quantization.kmeans import kmeans_1d
from mltoolkit.quantization.linear import quantize_linear, quantize_linear_symmetric
from mltoolkit.quantization.lookup_table import custom_lut, linear_lut
from mltoolkit.quantization.slots import Form, FormKind

LutFunction = Callable[[int, NDArray[np.float32]], tuple[Any, Any]]
Stored = LinearCodes | TableCodes | NDArray[np.float16] | NDArray[np.float32]


@dataclass(frozen=True)
class Job:
    """One weight to be quantized.

    Attributes:
        values: float32, finite, in the weight's own shape.
        form: what is wanted.
        channel_axis: the axis of the output channels.
        lut_function: the caller's function, for the mode ``custom_lut``.
        where: layer and weight, for errors.
    """

    values: NDArray[np.float32]
    form: Form
    channel_axis: int
    lut_function: LutFunction | None
    where: str

    @property
    def nbits(self) -> int:
        """Bits of a code."""
        return self.form.nbits


@dataclass(frozen=True)
class Mode:
    """A way to store weights.

    Attributes:
        name: what users call it.
        kind: the kind of form that it makes.
        quantize: makes it.
        nbits: which numbers of bits it knows.
        symmetric: whether the range of linear codes is symmetric about 0.
        own_table: whether the caller's function makes the table: a weight may then get another one of equal size.
    """

    name: str
    kind: FormKind
    quantize: Callable[[Job], Stored]
    nbits: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    symmetric: bool = False
    own_table: bool = False


def _linear(job: Job) -> LinearCodes:
    return _by_rows(job, quantize_linear)


def _linear_symmetric(job: Job) -> LinearCodes:
    return _by_rows(job, quantize_linear_symmetric)


def _by_rows(job: Job, quantizer: Callable[[NDArray[np.float32], int], tuple[Any, Any, Any]]) -> LinearCodes:
    """Quantize with one scale per channel (the rows), or with one row of all values."""
    if not job.form.per_channel:
        codes, scale, bias = quantizer(job.values.reshape(1, -1), job.nbits)
        return LinearCodes(codes.reshape(job.values.shape), job.nbits, scale, bias)
    channels_first = np.moveaxis(job.values, job.channel_axis, 0)
    rows = channels_first.reshape(channels_first.shape[0], -1)
    codes, scale, bias = quantizer(rows, job.nbits)
    codes = np.moveaxis(codes.reshape(channels_first.shape), 0, job.channel_axis)
    return LinearCodes(codes, job.nbits, scale, bias)


def _kmeans(job: Job) -> TableCodes:
    table, codes = kmeans_1d(job.values, 1 << job.nbits)
    return TableCodes(codes, job.nbits, table)


def _unique(job: Job) -> TableCodes:
    table, codes = np.unique(job.values.reshape(-1), return_inverse=True)
    padded = np.full(1 << job.nbits, table[-1], dtype=np.float32)
    padded[: table.size] = table
    return TableCodes(codes.astype(np.uint8), job.nbits, padded)


def _linear_lut(job: Job) -> TableCodes:
    table, codes = linear_lut(job.values, job.nbits)
    return TableCodes(codes, job.nbits, table)


def _custom_lut(job: Job) -> TableCodes:
    assert job.lut_function is not None  # checked by QuantizationConfig
    table, codes = custom_lut(job.lut_function, job.nbits, job.values, where=job.where)
    return TableCodes(codes, job.nbits, table)


def _float16(job: Job) -> NDArray[np.float16]:
    return job.values.astype(np.float16)


def _float32(job: Job) -> NDArray[np.float32]:
    return job.values


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("linear", "linear", _linear),
        # With 1 bit the symmetric codes would be {-scale, 0}.
        Mode("linear_symmetric", "linear", _linear_symmetric, nbits=(2, 3, 4, 5, 6, 7, 8), symmetric=True),
        Mode("kmeans", "table", _kmeans),
        Mode("linear_lut", "table", _linear_lut),
        # Its number of bits is the least that the values need.
        Mode("unique", "table", _unique),
        Mode("custom_lut", "table", _custom_lut, own_table=True),
        Mode("float16", "float16", _float16, nbits=(16,)),
        Mode("dequantization", "float32", _float32, nbits=(1, 2, 3, 4, 5, 6, 7, 8, 16, 32)),
    )
}
# What 16 bits mean, whichever mode was named.
FLOAT16 = MODES["float16"]
# coremltools' other names.
ALIASES = {"kmeans_lut": "kmeans", "uniform": "linear_lut", "custom": "custom_lut"}


def find_mode(name: Any, nbits: int | None) -> Mode:
    """The mode of that name; 16 bits are float16 under any name but ``dequantization``.

    Args:
        name: the mode's, or an alias.
        nbits: the number of bits; None where it is not known yet.

    Raises:
        ArgumentError: there is no such mode, or it does not know that number of bits.
    """
    if not isinstance(name, str) or ALIASES.get(name, name) not in MODES:
        raise ArgumentError(f"there is no quantization mode {name!r}", fix=did_you_mean(name, [*MODES, *ALIASES]))
    mode = MODES[ALIASES.get(name, name)]
    if nbits == FLOAT16.nbits[0] and mode.kind != "float32":
        return FLOAT16
    if nbits is not None and nbits not in mode.nbits:
        raise ArgumentError(f"the mode {name!r} does not know {nbits} bits", fix=_known(mode))
    return mode


def _known(mode: Mode) -> str:
    if mode is FLOAT16:
        return "It knows 16 bits"
    return f"It knows {mode.nbits[0]} to {mode.nbits[-1]} bits, and 16 bits (float16)"


def read_back(stored: Stored, job: Job) -> NDArray[np.float32]:
    """The values that the stored form stands for, float32, in the weight's shape."""
    if isinstance(stored, (LinearCodes, TableCodes)):
        return decode(stored, job.values.shape, job.where, job.channel_axis)
    return stored.astype(np.float32, copy=False)
