"""Pixel shuffle, the upsampling of sub-pixel convolution (Shi et al., 2016), with all its faces."""

from mltoolkit.custom_layers.pixel_shuffle.layer import PixelShuffle

__all__ = ["PixelShuffle"]
