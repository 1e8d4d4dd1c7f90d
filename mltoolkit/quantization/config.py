"""What quantization shall do: the checked arguments of :func:`mltoolkit.quantize_weights`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.modes import MODES, LutFunction, Mode, find_mode
from mltoolkit.quantization.selectors import LayerSelector, Predicate, check_selector
from mltoolkit.quantization.slots import Form, WeightSlot

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QuantizationConfig:
    """How to quantize.

    Attributes:
        nbits: 1 to 8, or 16 for float16; None only for the mode ``dequantization``, which needs no number.
        quantization_mode: ``linear``, ``linear_symmetric``, ``kmeans`` (also ``kmeans_lut``),
            ``linear_lut``, ``custom_lut`` or ``dequantization``.
        per_channel: for the linear modes, one scale per output channel where Core ML takes it, else one per
            weight.
        lut_function: for ``custom_lut``: ``lut_function(nbits, weights) -> (table, codes)``.
        selector: the weights to quantize: a predicate ``(layer name, weight name) -> bool``, or an object
            with a method ``do_quantize`` as coremltools has them. Default: all.
        include_biases: quantize biases too.
        include_normalization: quantize the parameters of batch normalisation too.
        only_if_smaller: leave a weight as it is where the new form would not take fewer bytes.

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
    mode: Mode = field(init=False)

    def __post_init__(self) -> None:
        nbits = _checked_nbits(self.nbits, optional=self.quantization_mode == "dequantization")
        object.__setattr__(self, "nbits", nbits)
        object.__setattr__(self, "mode", find_mode(self.quantization_mode, nbits))
        check_selector(self.selector)
        if self.mode is MODES["custom_lut"] and not callable(self.lut_function):
            raise ArgumentError(
                "the mode 'custom_lut' needs a function that makes the table",
                fix="Give lut_function=f, where f(nbits, weights) returns (table, codes)",
            )
        if self.lut_function is not None and self.quantization_mode != "custom_lut":
            logger.warning("lut_function is not used by the mode %r", self.quantization_mode)

    @property
    def dequantizes(self) -> bool:
        """Whether weights become float32."""
        return self.mode.kind == "float32"

    def form(self, slot: WeightSlot) -> Form:
        """How a weight is to be stored."""
        nbits = 32 if self.dequantizes else self.nbits or 32
        if self.mode.kind != "linear":
            return Form(self.mode.kind, nbits)
        scales = self.per_channel and slot.per_channel and slot.channels > 1
        return Form("linear", nbits, per_channel=scales, symmetric=self.mode.symmetric)


def _checked_nbits(nbits: Any, *, optional: bool) -> int | None:
    if nbits is None and optional:
        return 32
    if isinstance(nbits, (bool, np.bool_)) or not isinstance(nbits, (int, np.integer)):
        raise ArgumentError(f"nbits is a whole number, not {nbits!r}", fix="Choose 1 to 8, or 16 (float16)")
    if int(nbits) not in (*range(1, 9), 16) and not (optional and nbits == 32):
        raise ArgumentError(f"weights cannot have {nbits} bits", fix="Choose 1 to 8, or 16 (float16)")
    return int(nbits)
