"""Models in a notebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mil_packages import adding_program, two_functions
from mil_programs import Ref, add_operation, new_program
from test_markup import Page

from mltoolkit.digits import digit_model_path
from mltoolkit.model import Model, load


def test_the_digit_model_says_what_it_is() -> None:
    model = load(digit_model_path())
    page = Page(model._repr_html_())
    summary = model.summary()
    assert not page.open
    for text in (model.name, model.kind, "Inputs and outputs", "Weights", f"{summary.total.parameters:,}"):
        assert text in page.text, text
    assert all(feature.name in page.text for feature in (*model.inputs, *model.outputs))
    assert model.size == digit_model_path().stat().st_size


@pytest.mark.parametrize(
    ("file", "texts"),
    [
        ("SqueezeNetInt8LUT.mlmodel", ["image 227×227 BGR", "lookup table 8 bits", "1,000", "1.32 MB"]),
        ("NeuralMcNeuralNet_custom_swish.mlmodel", ["Custom layers", "Swish"]),
        ("UpdatableDrawingClassifier.mlmodel", ["Stages of the pipeline", "kNearestNeighborsClassifier", "updatable"]),
        ("basic_pitch_nmp.mlpackage", ["mlProgram", "float32"]),
    ],
)
def test_real_models(shared_data: Path, file: str, texts: list[str]) -> None:
    page = Page(load(shared_data / "coreml" / file)._repr_html_())
    assert not page.open
    for text in texts:
        assert text in page.text, text


def test_a_card_says_which_function_it_is_about(tmp_path: Path) -> None:
    spec, _ = two_functions(tmp_path)
    model = Model.from_spec(spec, weights_dir=tmp_path)
    for name, function, count in (
        ("plus", model, "1 layer"),
        ("double_plus", model.functions["double_plus"], "2 layers"),
    ):
        text = Page(function._repr_html_()).text
        for expected in (f"Inputs and outputs of {name}", f"Weights of {name}", f"{count} of {name}", "this one"):
            assert expected in text, (expected, text)
        assert text.index("Functions") < text.index("Inputs and outputs")
    one, _ = adding_program(tmp_path)
    assert "of main" not in Page(Model.from_spec(one)._repr_html_()).text


def test_a_packages_size_counts_its_weights(shared_data: Path) -> None:
    package = shared_data / "coreml" / "basic_pitch_nmp.mlpackage"
    files = sum(path.stat().st_size for path in (package / "Data").rglob("*") if path.is_file())
    assert load(package).size == files


def test_hostile_texts_are_shown_as_text_and_cut() -> None:
    evil = "<script>alert(1)</script>"
    spec = load(digit_model_path()).spec
    copy = type(spec)()
    copy.CopyFrom(spec)
    copy.description.metadata.shortDescription = evil + "x" * 10_000_000
    copy.description.input[0].shortDescription = evil
    html = Model.from_spec(copy, name=evil)._repr_html_()
    page = Page(html)
    assert "script" not in page.tags and page.text.count(evil) == 3
    assert len(html) < 20_000, len(html)


def test_a_model_that_cannot_be_summarized_says_why() -> None:
    spec, block = new_program({"x": ("float32", (2,))}, {"y": ("float32", (2,))})
    add_operation(block, "const", {}, {"w": ("float32", (2,))}, {"val": np.zeros(2, np.float32)})
    block.operations[0].attributes["val"].type.tensorType.dataType = 999
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("w")}, {"y": ("float32", (2,))})
    page = Page(Model.from_spec(spec, name="<odd>")._repr_html_())
    assert "cannot be read" in page.text and "<odd>" in page.text
