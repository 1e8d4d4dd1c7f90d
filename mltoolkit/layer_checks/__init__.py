"""Checking custom layers: what Core ML will ask of them, and that their faces agree."""

from mltoolkit.layer_checks.check import FaceResult, LayerCheck, check_custom_layer

__all__ = ["FaceResult", "LayerCheck", "check_custom_layer"]
