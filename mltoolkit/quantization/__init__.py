"""Quantization of weights: linear, k-means and custom lookup tables, float16, and back."""

from mltoolkit.quantization.quantize import quantize_weights
from mltoolkit.quantization.report import QuantizationReport, WeightRecord
from mltoolkit.quantization.selectors import AdvancedQuantizedLayerSelector, QuantizedLayerSelector

__all__ = [
    "AdvancedQuantizedLayerSelector",
    "QuantizationReport",
    "QuantizedLayerSelector",
    "WeightRecord",
    "quantize_weights",
]
