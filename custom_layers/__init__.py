"""Custom layers: the protocol that Python implementations follow, and their registry."""

from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.custom_layers.registry import CustomLayerSet, register_custom_layer

__all__ = ["CustomLayer", "CustomLayerSet", "register_custom_layer"]
