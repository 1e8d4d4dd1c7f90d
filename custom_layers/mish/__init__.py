"""Mish, x · tanh(ln(1 + eˣ)) (Misra, 2019), with all its faces."""

from mltoolkit.custom_layers.mish.layer import Mish

__all__ = ["Mish"]
