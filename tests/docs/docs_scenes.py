"""What a page's code finds when it starts: the files and objects that the page talks of, made small.

A page without a scene starts in an empty folder with nothing defined.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mltoolkit.digits import digit_images_path, digit_model_path

Names = dict[str, Any]
Scene = Callable[[Path], Names]
_SCENES: dict[str, Scene] = {}
PHOTOGRAPHS = Path(__file__).resolve().parent.parent.parent / "sample_images" / "photographs"


def scene(page: str, folder: Path) -> Names:
    """Make the page's files in the folder; the names that its code may use."""
    return _SCENES[page](folder) if page in _SCENES else {}


def _of(*pages: str) -> Callable[[Scene], Scene]:
    def register(make: Scene) -> Scene:
        for page in pages:
            _SCENES[page] = make
        return make

    return register


def _classifier(path: Path) -> None:
    """A classifier of pictures: the digit model under another name."""
    shutil.copy(digit_model_path(), path)


def _digit_pictures(folder: Path) -> None:
    for label in ("3", "7"):
        (folder / label).mkdir(parents=True)
        for picture in sorted((digit_images_path() / label).glob("*.png"))[:3]:
            shutil.copy(picture, folder / label / picture.name)


def _photograph(path: Path) -> None:
    from PIL import Image

    Image.open(PHOTOGRAPHS / "chelsea.png").convert("RGB").save(path)


def _picture_network() -> Any:
    """An ONNX classifier of RGB pictures: convolution, mean, softmax over two classes."""
    import numpy as np
    import onnx.numpy_helper
    import onnx.parser

    network = onnx.parser.parse_model("""
        <ir_version: 9, opset_import: ["": 18]>
        network (float[1, 3, 32, 32] image) => (float[1, 2] probabilities) {
            maps = Conv <pads = [1, 1, 1, 1]> (image, kernel)
            high = Relu (maps)
            mean = GlobalAveragePool (high)
            flat = Flatten (mean)
            probabilities = Softmax (flat)
        }""")
    kernel = np.random.default_rng(0).standard_normal((2, 3, 3, 3)).astype(np.float32)
    network.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "kernel"))
    return network


def _onnx_file(folder: Path) -> None:
    import onnx

    onnx.save(_picture_network(), str(folder / "model.onnx"))
    (folder / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")


def _keras_sampler() -> Any:
    """A Keras network with mltoolkit's GridSampler."""
    import keras
    import numpy as np

    from mltoolkit.custom_layers.grid_sampler.keras_layer import GridSampler

    picture = keras.Input((16, 16, 1), name="image")
    flat = keras.layers.Flatten()(keras.layers.MaxPooling2D(4)(picture))
    upright = np.array([1, 0, 0, 0, 1, 0], np.float32)
    theta = keras.layers.Dense(
        6, kernel_initializer="zeros", bias_initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(upright)
    )(flat)
    return keras.Model(picture, GridSampler(16, 16)([picture, theta]))


@_of("README.md")
def _readme(folder: Path) -> Names:
    from mltoolkit.custom_layers.conversion import convert_grid_sampler

    _classifier(folder / "SqueezeNet.mlmodel")
    _classifier(folder / "old.mlmodel")
    _photograph(folder / "cat.jpg")
    _digit_pictures(folder / "pictures")
    _onnx_file(folder)
    return {"keras_model": _keras_sampler(), "convert_grid_sampler": convert_grid_sampler}


@_of("docs/tutorial.md")
def _tutorial(folder: Path) -> Names:
    _digit_pictures(folder / "pictures")  # for the lines of shell
    return {}


def _custom_model(class_name: str) -> Any:
    """A Core ML model with one custom layer."""
    import onnx.parser

    import mltoolkit as mlt

    network = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 18, "my.layers": 1]> network (float[1, 2, 3, 4] x) => '
        f"(float[1, 2, 3, 4] y) {{ y = my.layers.{class_name} <strength = 0.5> (x) }}"
    )

    def convert(layer: Any) -> Any:
        return mlt.CustomLayerDescription(class_name=class_name, parameters=layer.parameters)

    return mlt.convert(network, custom_conversion_functions={class_name: convert}, verify=False)


@_of("docs/how-to/custom-layers.md", "docs/how-to/swift.md")
def _custom_layers(folder: Path) -> Names:
    _custom_model("Cube").save(folder / "Custom.mlmodel")
    return {}


@_of("docs/custom-layers.md")
def _custom_layers_guide(folder: Path) -> Names:
    import numpy as np

    import mltoolkit as mlt

    return {"mlt": mlt, "np": np}


@_of("docs/quantization.md", "docs/calibration.md", "docs/how-to/quantize.md", "docs/how-to/find-the-layer.md")
def _quantize(folder: Path) -> Names:
    _classifier(folder / "Model.mlmodel")
    _digit_pictures(folder / "pictures")
    return {}


@_of("docs/how-to/compare.md")
def _compare(folder: Path) -> Names:
    import numpy as np
    import onnx.numpy_helper
    import onnx.parser

    import mltoolkit as mlt

    _classifier(folder / "Model.mlmodel")
    _digit_pictures(folder / "pictures")
    mlt.quantize_weights(folder / "Model.mlmodel", 8).save(folder / "Small.mlmodel")
    network = onnx.parser.parse_model("""
        <ir_version: 9, opset_import: ["": 18]>
        network (float[1, 6, 100] signal) => (float[1, 4, 100] movement) { movement = Conv (signal, kernel) }""")
    kernel = np.random.default_rng(0).standard_normal((4, 6, 1)).astype(np.float32)
    network.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "kernel"))
    for name, precision in (("Sensors", "float32"), ("SmallSensors", "float16")):
        mlt.convert(network, format="mlpackage", precision=precision).save(folder / f"{name}.mlpackage")
    return {}


@_of("docs/how-to/convert-onnx.md")
def _convert_onnx(folder: Path) -> Names:
    import onnx.parser

    _onnx_file(folder)
    texts = {
        "sequence": "network (float[1, 3, N] x) => (float[1, 3, N] y) { y = Relu (x) }",
        "gated": "network (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y) { y = my.layers.Gate (x) }",
    }
    for name, text in texts.items():
        header = '<ir_version: 9, opset_import: ["": 18, "my.layers": 1]> '
        onnx.save(onnx.parser.parse_model(header + text), str(folder / f"{name}.onnx"))
    return {}


@_of("docs/how-to/upgrade.md")
def _upgrade(folder: Path) -> Names:
    _classifier(folder / "old.mlmodel")
    return {}


@_of("docs/upgrade.md")
def _formats(folder: Path) -> Names:
    import mltoolkit as mlt

    for name in ("old", "any"):
        _classifier(folder / f"{name}.mlmodel")
    mlt.convert(folder / "old.mlmodel", format="mlpackage").save(folder / "new.mlpackage")
    _custom_model("Gate").save(folder / "custom.mlmodel")
    return {}


@_of("docs/conversion.md")
def _conversion(folder: Path) -> Names:
    import mltoolkit as mlt

    _onnx_file(folder)
    return {"keras_model": _keras_sampler(), "small": mlt.quantize_weights(digit_model_path(), 8)}


@_of("docs/coming-from-coremltools.md")
def _coremltools(folder: Path) -> Names:
    _classifier(folder / "Model.mlmodel")
    _digit_pictures(folder / "pictures")
    return {}
