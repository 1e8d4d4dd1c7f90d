"""Custom layers: the protocol that Python implementations follow, their registry, and those that mltoolkit brings."""

from mltoolkit.custom_layers.conversion import CONVERSION_FUNCTIONS
from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.custom_layers.registry import CustomLayerSet, layers_given, register_custom_layer

__all__ = ["CONVERSION_FUNCTIONS", "CustomLayer", "CustomLayerSet", "layers_given", "register_custom_layer"]
