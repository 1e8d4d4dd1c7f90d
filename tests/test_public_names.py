"""What `import mltoolkit` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mltoolkit


def test_all_names_can_be_imported() -> None:
    for name in mltoolkit.__all__:
        assert getattr(mltoolkit, name) is not None


def test_all_is_sorted_and_small() -> None:
    assert mltoolkit.__all__ == sorted(mltoolkit.__all__)
    assert 9 <= len(mltoolkit.__all__) <= 36


def test_the_public_names() -> None:
    assert set(mltoolkit.__all__) == {
        *("convert", "export_onnx", "ConversionReport", "CustomLayerDescription"),
        *("ArrayInput", "ImageInput", "ImageOutput", "SizeRange"),
        *(
            "load",
            "Model",
            "CustomLayer",
            "check_custom_layer",
            "register_custom_layer",
            "MLToolkitError",
            "__version__",
        ),
        *("quantize_weights", "QuantizationReport", "QuantizedLayerSelector", "AdvancedQuantizedLayerSelector"),
        *("QuantizationSettings", "quantization_settings", "prune_weights"),
        *("quantize_calibrated", "CalibratedQuantizationReport", "CurvePoint"),
        *("compare_models", "ComparisonReport", "compare_layers", "LayerReport", "comparison_page", "sweep"),
        "visualize",
    }


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="quantise_weights"):
        mltoolkit.quantise_weights  # noqa: B018


@pytest.mark.parametrize("statement", ["import mltoolkit", "import mltoolkit; mltoolkit.load"])
def test_import_pulls_in_nothing_heavy(statement: str) -> None:
    heavy = [
        "coremltools",
        "torch",
        "keras",
        "sklearn",
        "onnxruntime",
        "onnx",
        "pandas",
        "PIL",
        "typer",
        "matplotlib",
    ]
    code = f"{statement}; import sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
