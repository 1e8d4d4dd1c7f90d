"""What quantization shall do: the checked arguments of :func:`mltoolkit.quantize_weights`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mltoolkit.errors import ArgumentError, MLToolkitError, did_you_mean
from mltoolkit.quantization.argument_kinds import is_whole_number
from mltoolkit.quantization.modes import MODES, LutFunction, Mode, find_mode
from mltoolkit.quantization.selectors import LayerSelector, Predicate, check_selector
from mltoolkit.quantization.settings import OPTIONS, QuantizationSettings
from mltoolkit.quantization.slots import Form, WeightSlot

logger = logging.getLogger(__name__)

# Granularities of linear codes and of tables.
_LINEAR_GRANULARITIES = ("per_tensor", "per_channel", "per_block")
_TABLE_GRANULARITIES = ("per_tensor", "per_grouped_channel")
_DEFAULT_SIZE = 32
# Bits that a mode needs no word about.
_IMPLIED_BITS = {"dequantization": 32, "float16": 16, "unique": 8}


@dataclass(frozen=True)
class QuantizationConfig:
    """How to quantize.

    Attributes:
        nbits: 1 to 8, or 16 for float16; None for the modes ``float16``, ``dequantization`` and
            ``unique``, which need none, and where the settings have one.
        quantization_mode: ``linear``, ``linear_symmetric``, ``kmeans`` (also ``kmeans_lut``), ``linear_lut`` (also
            ``uniform``), ``unique``, ``custom_lut`` (also ``custom``) or ``dequantization``.
        per_channel: for the linear modes, one scale per output channel where Core ML takes it, else one per
            weight.
        lut_function: for ``custom_lut``: ``lut_function(nbits, weights) -> (table, codes)``.
        selector: the weights to quantize: a predicate ``(layer name, weight name) -> bool``, or an object
            with a method ``do_quantize`` as coremltools has them. Default: all.
        include_biases: quantize biases too.
        include_normalization: quantize the parameters of batch normalisation too.
        only_if_smaller: leave a weight as it is where the new form would not take fewer bytes.
        granularity: ``per_tensor``, ``per_channel`` or ``per_block`` for the linear modes, ``per_tensor`` or
            ``per_grouped_channel`` for tables; None follows ``per_channel``.
        block_size: for ``per_block``: values along the input channels, or a size along each axis (0: all of it).
        group_size: for ``per_grouped_channel``: channels that share a table.
        channel_axis: for ``per_grouped_channel``: the axis of the groups, by default that of the output channels.
        cluster_dim: how many values along the channels an entry of a table stands for.
        per_channel_scale: tables of values that each output channel multiplies by a scale of its own.
        signed: whether linear codes of ML Programs may be negative.
        settings: exceptions by layer and weight.

    Raises:
        ArgumentError: one of them is wrong.
    """

    nbits: int | None
    quantization_mode: str = "linear"
    per_channel: bool = True
    lut_function: LutFunction | None = None
    selector: Predicate | LayerSelector | None = None
    include_biases: bool = False
    include_normalization: bool = False
    only_if_smaller: bool = True
    granularity: str | None = None
    block_size: int | Sequence[int] = _DEFAULT_SIZE
    group_size: int = _DEFAULT_SIZE
    channel_axis: int | None = None
    cluster_dim: int = 1
    per_channel_scale: bool = False
    signed: bool = True
    settings: QuantizationSettings | None = None
    mode: Mode = field(init=False)

    def __post_init__(self) -> None:
        implied = _IMPLIED_BITS.get(self.quantization_mode) if isinstance(self.quantization_mode, str) else None
        optional = implied is not None or self.settings is not None
        nbits = _checked_nbits(self.nbits, optional=optional, dequantizes=implied == 32)
        if nbits is None and self.settings is None:
            nbits = implied
        object.__setattr__(self, "nbits", nbits)
        object.__setattr__(self, "mode", find_mode(self.quantization_mode, nbits))
        if isinstance(self.block_size, Sequence):  # JSON has lists
            object.__setattr__(self, "block_size", tuple(self.block_size))
        check_selector(self.selector)
        if self.settings is not None:
            return
        self._check_table()
        self._check_granularity()
        self._make_plain()

    def _make_plain(self) -> None:
        """NumPy's whole numbers become Python's, which JSON can hold."""
        for name in ("block_size", "group_size", "channel_axis", "cluster_dim"):
            value = getattr(self, name)
            plain = tuple(map(int, value)) if isinstance(value, tuple) else None if value is None else int(value)
            object.__setattr__(self, name, plain)

    def _check_table(self) -> None:
        if self.mode is MODES["custom_lut"] and not callable(self.lut_function):
            raise ArgumentError(
                "the mode 'custom_lut' needs a function that makes the table",
                fix="Give lut_function=f, where f(nbits, weights) returns (table, codes)",
            )
        if self.lut_function is not None and self.mode is not MODES["custom_lut"]:
            logger.warning("lut_function is not used by the mode %r", self.quantization_mode)
        clusters = self.cluster_dim
        if not is_whole_number(clusters) or clusters < 1:
            raise ArgumentError(f"cluster_dim is a whole number from 1 on, not {clusters!r}")
        if clusters > 1 and self.mode.name not in ("kmeans", "unique"):
            raise ArgumentError(
                f"the mode {self.quantization_mode!r} has no entries of {clusters} values",
                fix="Choose the mode 'kmeans' or 'unique', or cluster_dim=1",
            )
        if self.per_channel_scale and self.mode.kind != "table":
            raise ArgumentError(
                "per_channel_scale is for tables; linear codes have granularity='per_channel'",
                fix="Choose a mode with tables, such as 'kmeans'",
            )
        if self.per_channel_scale and self.mode is MODES["unique"]:
            raise ArgumentError(
                "scaled values are not the weight's own, of which the mode 'unique' makes its table",
                fix="Choose the mode 'kmeans', or per_channel_scale=False",
            )

    def _check_granularity(self) -> None:
        granularity = self.granularity
        if granularity is not None and self.mode.kind in ("linear", "table"):
            possible = _LINEAR_GRANULARITIES if self.mode.kind == "linear" else _TABLE_GRANULARITIES
            if granularity not in possible:
                raise ArgumentError(
                    f"the mode {self.quantization_mode!r} has no granularity {granularity!r}",
                    fix=did_you_mean(str(granularity), possible),
                )
        sizes = self.block_size if isinstance(self.block_size, tuple) else (self.block_size,)
        least = 0 if isinstance(self.block_size, tuple) else 1
        if not sizes or not all(is_whole_number(size) and size >= least for size in sizes):
            raise ArgumentError(f"block_size is a whole number, or one for each axis, not {self.block_size!r}")
        if not is_whole_number(self.group_size) or self.group_size < 1:
            raise ArgumentError(f"group_size is a whole number from 1 on, not {self.group_size!r}")
        if self.channel_axis is not None and not is_whole_number(self.channel_axis):
            raise ArgumentError(f"channel_axis is a whole number, not {self.channel_axis!r}")

    @property
    def dequantizes(self) -> bool:
        """Whether weights become float32."""
        return self.mode.kind == "float32"

    def of(self, slot: WeightSlot) -> QuantizationConfig | None:
        """The configuration of one weight, where the settings have been looked up; None where it is skipped.

        Raises:
            ArgumentError: the settings make no sense for it, or no number of bits is given.
        """
        if self.settings is None:
            return self
        options = self.settings.options_of(slot)
        if options.pop("skip", False):
            return None
        if "mode" in options:
            options["quantization_mode"] = mode = options.pop("mode")
            if isinstance(mode, str) and mode in _IMPLIED_BITS:
                options.setdefault("nbits", None)
        name = options.get("quantization_mode", self.quantization_mode)
        function = self.lut_function if name in ("custom_lut", "custom") else None
        try:
            return replace(self, settings=None, lut_function=function, **options)
        except MLToolkitError as error:
            raise ArgumentError(error.what, where=f"settings of {slot.where}", fix=error.fix) from error

    def form(self, slot: WeightSlot) -> Form:
        """How a weight is to be stored."""
        nbits, kind = 32 if self.dequantizes else self.nbits or 32, self.mode.kind
        if kind == "table":
            grouped = self.granularity == "per_grouped_channel"
            return Form(
                "table",
                nbits,
                group_size=self.group_size if grouped else 0,
                cluster_dim=self.cluster_dim,
                channel_scale=self.per_channel_scale,
                channel_axis=self.channel_axis if grouped or self.cluster_dim > 1 else None,
            )
        if kind != "linear":
            return Form(kind, nbits)
        scales = self.per_channel if self.granularity is None else self.granularity == "per_channel"
        return Form(
            "linear",
            nbits,
            per_channel=scales and slot.per_channel and slot.channels > 1,
            block_size=self._block() if self.granularity == "per_block" else 0,
            symmetric=self.mode.symmetric,
            signed=self.signed,
        )

    def _block(self) -> int | tuple[int, ...]:
        return tuple(self.block_size) if isinstance(self.block_size, Sequence) else int(self.block_size)

    def options(self, form: Form) -> dict[str, Any]:
        """The options that make a form, as settings state them: those that are not the defaults."""
        chosen: dict[str, Any] = {"mode": self.mode.name, "nbits": form.nbits}
        if self.mode.kind == "linear":
            block = {"granularity": "per_block", "block_size": form.block_size} if form.block_size else {}
            chosen |= block or {"granularity": "per_channel" if form.per_channel else "per_tensor"}
            chosen |= {} if form.signed else {"signed": False}
        elif self.mode.kind == "table":
            group = {"granularity": "per_grouped_channel", "group_size": form.group_size} if form.group_size else {}
            chosen |= group
            chosen |= {"cluster_dim": form.cluster_dim} if form.cluster_dim > 1 else {}
            chosen |= {"per_channel_scale": True} if form.channel_scale else {}
            chosen |= {} if form.channel_axis is None else {"channel_axis": form.channel_axis}
        return chosen


assert set(OPTIONS) - {"mode"} <= {option.name for option in fields(QuantizationConfig)}


def _checked_nbits(nbits: Any, *, optional: bool, dequantizes: bool) -> int | None:
    if nbits is None and optional:
        return None
    if not is_whole_number(nbits):
        raise ArgumentError(f"nbits is a whole number, not {nbits!r}", fix="Choose 1 to 8, or 16 (float16)")
    if int(nbits) not in (*range(1, 9), 16) and not (dequantizes and nbits == 32):
        raise ArgumentError(f"weights cannot have {nbits} bits", fix="Choose 1 to 8, or 16 (float16)")
    return int(nbits)
