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
from mltoolkit.formats.program_weights import (
    AffineCodes,
    GroupedCodes,
    ProgramStored,
    SparseCodes,
    SparseWeight,
    decode_stored,
)
from mltoolkit.formats.weights import LinearCodes, TableCodes, decode
from mltoolkit.quantization.assignment import assign_to_table
from mltoolkit.quantization.kmeans import kmeans_1d
from mltoolkit.quantization.linear import LinearRows, quantize_linear, quantize_linear_symmetric
from mltoolkit.quantization.lookup_table import TableAndCodes, custom_lut, linear_lut
from mltoolkit.quantization.program_forms import block_counts, group_axis
from mltoolkit.quantization.program_linear import quantize_affine
from mltoolkit.quantization.program_tables import as_half, grouped_tables
from mltoolkit.quantization.slots import Form, FormKind, WeightSlot
from mltoolkit.quantization.vector_kmeans import kmeans_vectors

LutFunction = Callable[[int, NDArray[np.float32]], tuple[Any, Any]]
Stored = LinearCodes | TableCodes | ProgramStored | NDArray[np.float16] | NDArray[np.float32]
LinearQuantizer = Callable[[NDArray[np.float32], int], LinearRows]


@dataclass(frozen=True)
class Job:
    """One weight to be quantized.

    Attributes:
        values: float32, finite, in the weight's own shape.
        form: what is wanted.
        slot: the weight.
        lut_function: the caller's function, for the mode ``custom_lut``.
    """

    values: NDArray[np.float32]
    form: Form
    slot: WeightSlot
    lut_function: LutFunction | None = None

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
        nbits: which numbers of bits it knows.
        table: makes the table and the codes of values, for tables.
        linear: makes codes, scales and biases of rows, for the linear codes of neural networks.
        symmetric: whether the range of linear codes is symmetric about 0.
        own_table: whether the caller's function makes the table: a weight may then get another one of equal size.
        nearest: whether the code of each value is that of the nearest entry.
    """

    name: str
    kind: FormKind
    nbits: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    table: Callable[[Job, NDArray[np.float32]], TableAndCodes] | None = None
    linear: LinearQuantizer | None = None
    symmetric: bool = False
    own_table: bool = False
    nearest: bool = False


def _kmeans(job: Job, values: NDArray[np.float32]) -> TableAndCodes:
    if job.form.cluster_dim > 1:
        return kmeans_vectors(values, 1 << job.nbits)
    return kmeans_1d(values, 1 << job.nbits)


def _unique(job: Job, values: NDArray[np.float32]) -> TableAndCodes:
    table, codes = np.unique(values if job.form.cluster_dim > 1 else values.reshape(-1), axis=0, return_inverse=True)
    padded = np.repeat(table[-1:], 1 << job.nbits, axis=0)
    padded[: len(table)] = table
    return padded, codes.reshape(-1).astype(np.uint8)


def _linear_lut(job: Job, values: NDArray[np.float32]) -> TableAndCodes:
    return linear_lut(values, job.nbits)


def _custom_lut(job: Job, values: NDArray[np.float32]) -> TableAndCodes:
    assert job.lut_function is not None  # checked by QuantizationConfig
    return custom_lut(job.lut_function, job.nbits, values, where=job.slot.where)


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("linear", "linear", linear=quantize_linear),
        # With 1 bit the symmetric codes would be {-scale, 0}.
        Mode("linear_symmetric", "linear", (2, 3, 4, 5, 6, 7, 8), linear=quantize_linear_symmetric, symmetric=True),
        Mode("kmeans", "table", table=_kmeans, nearest=True),
        Mode("linear_lut", "table", table=_linear_lut),
        # Its number of bits is the least that the values need.
        Mode("unique", "table", table=_unique),
        Mode("custom_lut", "table", table=_custom_lut, own_table=True),
        Mode("float16", "float16", (16,)),
        Mode("dequantization", "float32", (1, 2, 3, 4, 5, 6, 7, 8, 16, 32)),
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


def quantize(mode: Mode, job: Job) -> Stored:
    """What a mode makes of a weight.

    Raises:
        QuantizationError: the caller's function returned something wrong.
    """
    if mode.kind == "float16":
        return job.values.astype(np.float16)
    if mode.kind == "float32":
        return job.values
    if mode.table is not None:
        return _tables(mode, job, mode.table)
    if job.slot.in_program:
        counts = block_counts(job.slot, job.form)
        assert not isinstance(counts, str)  # the plan has asked
        form, half = job.form, job.slot.half
        return quantize_affine(job.values, form.nbits, counts, symmetric=mode.symmetric, signed=form.signed, half=half)
    assert mode.linear is not None
    return _by_rows(job, mode.linear)


def _tables(mode: Mode, job: Job, make: Callable[[Job, NDArray[np.float32]], TableAndCodes]) -> Stored:
    slot, form = job.slot, job.form
    if form.group_size or form.cluster_dim > 1 or form.channel_scale:
        axis = group_axis(slot, form)
        return grouped_tables(
            job.values, form, axis, slot.channel_axis, lambda values: make(job, values), half=slot.half
        )
    table, codes = make(job, job.values)
    if slot.half:
        rounded = as_half(table)
        if mode.nearest and not np.array_equal(rounded, table):
            codes = assign_to_table(job.values, rounded)
        table = rounded
    return TableCodes(codes.reshape(-1), form.nbits, table)


def _by_rows(job: Job, quantizer: LinearQuantizer) -> LinearCodes:
    """Quantize with one scale per channel (the rows), or with one row of all values."""
    if not job.form.per_channel:
        codes, scale, bias = quantizer(job.values.reshape(1, -1), job.nbits)
        return LinearCodes(codes.reshape(job.values.shape), job.nbits, scale, bias)
    axis = job.slot.channel_axis
    channels_first = np.moveaxis(job.values, axis, 0)
    rows = channels_first.reshape(channels_first.shape[0], -1)
    codes, scale, bias = quantizer(rows, job.nbits)
    codes = np.moveaxis(codes.reshape(channels_first.shape), 0, axis)
    return LinearCodes(codes, job.nbits, scale, bias)


def read_back(stored: Stored, job: Job) -> NDArray[np.float32]:
    """The values that the stored form stands for, float32, in the weight's shape."""
    slot = job.slot
    if isinstance(stored, (LinearCodes, TableCodes)):
        return decode(stored, job.values.shape, slot.where, slot.channel_axis)
    if isinstance(stored, (AffineCodes, GroupedCodes, SparseWeight, SparseCodes)):
        return decode_stored(stored, slot.where)
    return stored.astype(np.float32, copy=False)
