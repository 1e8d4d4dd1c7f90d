"""Load, run, quantize and compare Core ML models on any operating system.

>>> import mltoolkit as mlt
>>> from mltoolkit.digits import digit_model_path
>>> model = mlt.load(digit_model_path())
>>> small = mlt.quantize_weights(model, 8, "linear")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mltoolkit.comparison import ComparisonReport, compare_models
    from mltoolkit.custom_layers import CustomLayer, register_custom_layer
    from mltoolkit.custom_layers.description import CustomLayerDescription
    from mltoolkit.errors import MLToolkitError
    from mltoolkit.model import Model, load
    from mltoolkit.quantization import (
        AdvancedQuantizedLayerSelector,
        QuantizationReport,
        QuantizedLayerSelector,
        quantize_weights,
    )

# Public name → the module that defines it; imported when first used, so that `import mltoolkit` costs nothing.
_EXPORTS = {
    "AdvancedQuantizedLayerSelector": "mltoolkit.quantization",
    "ComparisonReport": "mltoolkit.comparison",
    "CustomLayer": "mltoolkit.custom_layers",
    "CustomLayerDescription": "mltoolkit.custom_layers.description",
    "MLToolkitError": "mltoolkit.errors",
    "Model": "mltoolkit.model",
    "QuantizationReport": "mltoolkit.quantization",
    "QuantizedLayerSelector": "mltoolkit.quantization",
    "compare_models": "mltoolkit.comparison",
    "load": "mltoolkit.model",
    "quantize_weights": "mltoolkit.quantization",
    "register_custom_layer": "mltoolkit.custom_layers",
}

__version__ = "0.1.0"

__all__ = [
    "AdvancedQuantizedLayerSelector",
    "ComparisonReport",
    "CustomLayer",
    "CustomLayerDescription",
    "MLToolkitError",
    "Model",
    "QuantizationReport",
    "QuantizedLayerSelector",
    "__version__",
    "compare_models",
    "load",
    "quantize_weights",
    "register_custom_layer",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
