"""The generator of Swift packages: what it writes, keeps and refuses."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from layer_models import network_of_layers, shipped_layers

import mltoolkit as mlt
from mltoolkit.custom_layers import CustomLayer
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import ArgumentError, CustomLayerError
from mltoolkit.formats.protobuf import new_model
from mltoolkit.swift_package import write_swift_package
from mltoolkit.swift_package.swift_text import identifier, literal

UNHEARD = ("my-layer", {"alpha": 0.5, "count": 3, "class": "k", "on": True}, (np.ones(4, np.float32),), 1)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "p"
    spec = network_of_layers([*shipped_layers(), UNHEARD], description='says "hi"\n*/ let x = \\(1)')
    written = write_swift_package(mlt.Model.from_spec(spec), folder)
    assert written.stubs == ("my-layer",)
    assert written.complete == written.tested
    assert "GridSampler" in written.complete
    return folder


def test_every_class_has_its_source(package: Path) -> None:
    table = (package / "Sources/CustomLayers/CustomLayerTypes.swift").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in (package / "Sources").rglob("*.swift"))
    rows = dict(re.findall(r'"([^"]+)": (\w+)\.self', table))
    assert rows["groupnorm"] == "KrakenGroupNorm"
    for swift_class in rows.values():
        assert re.search(rf"class {swift_class}: \w+", sources), swift_class
    for name in ("GridSampler", "Swish", "groupnorm"):
        assert f"@objc({name})" in sources


def test_file_names_differ_by_more_than_case(package: Path) -> None:
    names = [path.name.lower() for path in (package / "Sources/CustomLayers").iterdir()]
    assert len(set(names)) == len(names)


def test_stubs_read_their_parameters_and_throw(package: Path) -> None:
    text = (package / "Sources/CustomLayers/my_layer.swift").read_text(encoding="utf-8")
    for line in ("let alpha: Double", "let count: Int", "let class_: String", "let on: Bool", "throw LayerTodo"):
        assert line in text
    # A description from the file stays within its comment.
    assert '/// says "hi" */ let x = \\(1)' in text
    assert "in this model they hold 4 numbers" in text


def test_vectors_are_what_python_computes(package: Path) -> None:
    vectors = json.loads((package / "Tests/CustomLayersTests/vectors.json").read_text(encoding="utf-8"))
    mish = next(item for item in vectors if item["className"] == "Mish")
    case = next(item for item in mish["cases"] if item["element"] == "double")
    x, y = (np.frombuffer(base64.b64decode(case[side][0]["data"])) for side in ("inputs", "outputs"))
    assert np.abs(y - x * np.tanh(np.log1p(np.exp(x)))).max() <= 1e-12
    assert {item["element"] for item in mish["cases"]} == {"float32", "double", "float16"}
    strides = {tuple(item["inputs"][0]["strides"]) for item in mish["cases"] if item["inputs"][0]["shape"] == [3, 5, 4]}
    assert strides == {(20, 4, 1), (38, 7, 1)}
    assert next(item for item in vectors if item["className"] == "my-layer")["cases"] == []


def test_written_again_only_stubs_stay(package: Path) -> None:
    stub = package / "Sources/CustomLayers/my_layer.swift"
    complete = package / "Sources/CustomLayers/Swish.swift"
    text = complete.read_text(encoding="utf-8")
    stub.write_text("// written by hand\n", encoding="utf-8")
    complete.write_text("// damaged\n", encoding="utf-8")
    write_swift_package(mlt.Model.from_spec(network_of_layers([*shipped_layers(), UNHEARD])), package)
    assert stub.read_text(encoding="utf-8") == "// written by hand\n"
    assert complete.read_text(encoding="utf-8") == text


def test_custom_models_get_a_class(tmp_path: Path) -> None:
    spec = new_model()
    spec.specificationVersion = 4
    spec.customModel.className = "Oracle"
    spec.customModel.parameters["depth"].intValue = 3
    spec.description.output.add(name="answer").type.stringType.SetInParent()
    written = write_swift_package(mlt.Model.from_spec(spec), tmp_path / "p")
    assert written.stubs == ("Oracle",)
    text = (tmp_path / "p/Sources/CustomLayers/Oracle.swift").read_text(encoding="utf-8")
    for part in ("@objc(Oracle)", "MLCustomModel", "let depth: Int", '"answer": MLFeatureValue'):
        assert part in text


def test_models_without_custom_layers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no custom layers"):
        write_swift_package(mlt.load(digit_model_path()), tmp_path / "p")


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ArgumentError, match="no Swift package"):
        write_swift_package(mlt.Model.from_spec(network_of_layers([UNHEARD])), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_layers_that_fail_are_named(tmp_path: Path) -> None:
    class Broken(CustomLayer):
        class_name = "my-layer"

        def example_input_shapes(self) -> list[list[tuple[int, ...]]]:
            return [[(1, 2, 3)]]

    model = mlt.Model.from_spec(network_of_layers([UNHEARD]), custom_layers=[Broken])
    with pytest.raises(CustomLayerError, match=r"my-layer.*NotImplementedError"):
        write_swift_package(model, tmp_path / "p")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Swish", "Swish"), ("3d-conv", "_3d_conv"), ("self", "self_"), ("", "_"), ("naïve", "na_ve")],
)
def test_identifiers(name: str, expected: str) -> None:
    assert identifier(name) == expected


def test_literals_cannot_be_left() -> None:
    assert literal('a"\\(evil())\n') == '"a\\"\\\\(evil())\\u{a}"'
