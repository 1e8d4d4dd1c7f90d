"""Convert to Core ML; load, run, quantize and compare Core ML models on any operating system.

>>> import mltoolkit as mlt
>>> from mltoolkit.digits import digit_model_path
>>> model = mlt.load(digit_model_path())
>>> small = mlt.quantize_weights(model, 8, "linear")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mltoolkit.calibration.quantize import quantize_calibrated
    from mltoolkit.calibration.report import CalibratedQuantizationReport, CurvePoint
    from mltoolkit.comparison import ComparisonReport, LayerReport, compare_layers, compare_models, comparison_page
    from mltoolkit.conversion.convert import convert
    from mltoolkit.conversion.export import export_onnx
    from mltoolkit.conversion.report import ConversionReport
    from mltoolkit.converters.mil.target import ArrayInput, ImageInput, ImageOutput, SizeRange
    from mltoolkit.custom_layers import CustomLayer, register_custom_layer
    from mltoolkit.custom_layers.description import CustomLayerDescription
    from mltoolkit.errors import MLToolkitError
    from mltoolkit.layer_checks import check_custom_layer
    from mltoolkit.model import Model, load
    from mltoolkit.quantization import (
        AdvancedQuantizedLayerSelector,
        QuantizationReport,
        QuantizationSettings,
        QuantizedLayerSelector,
        prune_weights,
        quantization_settings,
        quantize_weights,
    )
    from mltoolkit.sweeps import sweep
    from mltoolkit.visualization import visualize

# Public name → the module that defines it; imported when first used, so that `import mltoolkit` costs nothing.
_EXPORTS = {
    "AdvancedQuantizedLayerSelector": "mltoolkit.quantization",
    "ArrayInput": "mltoolkit.converters.mil.target",
    "CalibratedQuantizationReport": "mltoolkit.calibration.report",
    "ComparisonReport": "mltoolkit.comparison",
    "ConversionReport": "mltoolkit.conversion.report",
    "CurvePoint": "mltoolkit.calibration.report",
    "CustomLayer": "mltoolkit.custom_layers",
    "CustomLayerDescription": "mltoolkit.custom_layers.description",
    "ImageInput": "mltoolkit.converters.mil.target",
    "ImageOutput": "mltoolkit.converters.mil.target",
    "LayerReport": "mltoolkit.comparison",
    "MLToolkitError": "mltoolkit.errors",
    "Model": "mltoolkit.model",
    "QuantizationReport": "mltoolkit.quantization",
    "QuantizationSettings": "mltoolkit.quantization",
    "QuantizedLayerSelector": "mltoolkit.quantization",
    "SizeRange": "mltoolkit.converters.mil.target",
    "compare_layers": "mltoolkit.comparison",
    "compare_models": "mltoolkit.comparison",
    "comparison_page": "mltoolkit.comparison",
    "convert": "mltoolkit.conversion.convert",
    "export_onnx": "mltoolkit.conversion.export",
    "load": "mltoolkit.model",
    "prune_weights": "mltoolkit.quantization",
    "quantization_settings": "mltoolkit.quantization",
    "quantize_calibrated": "mltoolkit.calibration.quantize",
    "quantize_weights": "mltoolkit.quantization",
    "sweep": "mltoolkit.sweeps",
    "check_custom_layer": "mltoolkit.layer_checks",
    "register_custom_layer": "mltoolkit.custom_layers",
    "visualize": "mltoolkit.visualization",
}

__version__ = "0.2.0.dev0"

__all__ = [
    "AdvancedQuantizedLayerSelector",
    "ArrayInput",
    "CalibratedQuantizationReport",
    "ComparisonReport",
    "ConversionReport",
    "CurvePoint",
    "CustomLayer",
    "CustomLayerDescription",
    "ImageInput",
    "ImageOutput",
    "LayerReport",
    "MLToolkitError",
    "Model",
    "QuantizationReport",
    "QuantizationSettings",
    "QuantizedLayerSelector",
    "SizeRange",
    "__version__",
    "check_custom_layer",
    "compare_layers",
    "compare_models",
    "comparison_page",
    "convert",
    "export_onnx",
    "load",
    "prune_weights",
    "quantization_settings",
    "quantize_calibrated",
    "quantize_weights",
    "register_custom_layer",
    "sweep",
    "visualize",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
