"""Quantization of weights: linear, k-means and custom lookup tables, float16, and back."""

from mltoolkit.quantization.prune import prune_weights
from mltoolkit.quantization.quantize import quantize_weights
from mltoolkit.quantization.report import QuantizationReport, WeightRecord
from mltoolkit.quantization.selectors import AdvancedQuantizedLayerSelector, QuantizedLayerSelector
from mltoolkit.quantization.settings import QuantizationSettings
from mltoolkit.quantization.settings_record import quantization_settings

__all__ = [
    "AdvancedQuantizedLayerSelector",
    "QuantizationReport",
    "QuantizationSettings",
    "QuantizedLayerSelector",
    "WeightRecord",
    "prune_weights",
    "quantization_settings",
    "quantize_weights",
]
