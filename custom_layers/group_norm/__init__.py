"""Group normalization (Wu and He, 2018), with all its faces."""

from mltoolkit.custom_layers.group_norm.layer import GroupNorm

__all__ = ["GroupNorm"]
