"""Swish, x · σ(βx) (Ramachandran et al., 2017), with all its faces."""

from mltoolkit.custom_layers.swish.layer import Swish

__all__ = ["Swish"]
