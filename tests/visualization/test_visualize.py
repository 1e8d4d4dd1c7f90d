"""``mlt.visualize`` and ``mltoolkit visualize``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program
from shown_models import chain_model, network_spec, relu, residual_model
from test_layer_graphs import compressed
from typer.testing import CliRunner

import mltoolkit
from mltoolkit import load, quantize_weights, visualize
from mltoolkit.cli import app
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import ArgumentError, ModelFileError, UnsupportedModelError
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.formats.weights import read_weight
from mltoolkit.model import Model
from mltoolkit.quantization.sqnr import sqnr_db
from mltoolkit.visualization.page import embedded_json


def data_of(html: str) -> dict[str, Any]:
    start = html.index('id="data">') + len('id="data">')
    return json.loads(html[start : html.index("</script>", start)])


def weight_of(html: str, layer: str, weight: str) -> dict[str, Any]:
    node = next(node for node in data_of(html)["nodes"] if node["n"] == layer and node["k"] == "layer")
    return next(item for item in node["q"] if item["n"] == weight)


def test_a_path_or_a_model_gives_the_same_page(tmp_path: Path) -> None:
    shown = visualize(digit_model_path(), tmp_path / "digits.html")
    assert shown.html == visualize(load(digit_model_path())).html
    assert (tmp_path / "digits.html").read_text(encoding="utf-8") == shown.html
    assert repr(shown).startswith("<Visualization digits.mlmodel: ")
    assert 'sandbox="allow-scripts"' in shown._repr_html_()


def test_the_page_needs_nothing_else() -> None:
    html = visualize(digit_model_path()).html
    # The namespace of SVG is a name, not an address that is asked for.
    assert html.replace('"http://www.w3.org/2000/svg"', "").count("http") == html.count("http-equiv")
    for word in ("src=", "@import", "url(h", "eval(", "innerHTML", "document.write"):
        assert word not in html, word


def test_the_original_gives_both_histograms_and_the_ratio() -> None:
    original = residual_model()
    small = quantize_weights(original, 3, "kmeans")
    html = visualize(small, compared_with=original).html
    found = weight_of(html, "dense 1", "weights")
    values = {}
    for name, model in (("before", original), ("after", small)):
        field = next(
            item for item in iter_weight_fields(model.spec) if (item.layer, item.name) == ("dense 1", "weights")
        )
        values[name] = read_weight(field.params, field.shape, field.where, field.channel_axis)
    assert found["db"] == f"{sqnr_db(values['before'], values['after']):.1f} dB"
    assert sum(found["g"]["b"]) == sum(found["g"]["h"]) == 64
    assert found["g"]["b"] != found["g"]["h"]
    assert weight_of(html, "dense 1", "bias")["db"] == "equal"
    worst = data_of(html)["worst"]
    assert len(worst) == 3


def test_without_the_original_the_report_tells_the_ratio() -> None:
    small = quantize_weights(residual_model(), 4, "linear")
    found = weight_of(visualize(small).html, "dense 2", "weights")
    record = next(
        item for item in small.quantization_report.records if (item.layer, item.weight) == ("dense 2", "weights")
    )
    assert found["db"] == f"{record.sqnr_db:.1f} dB"
    assert found["g"]["b"] == []
    assert "db" not in weight_of(visualize(residual_model()).html, "dense 2", "weights")


def test_a_program_is_compared_with_its_original() -> None:
    spec, values = compressed()
    before, block = new_program({"x": ("float32", (3, 4))}, {"y": ("float32", (3, 4))})
    exact = (values + np.random.default_rng(0).normal(scale=0.1, size=values.shape)).astype(np.float32)
    add_operation(block, "const", {}, {"w": ("float32", (3, 4))}, {"val": exact})
    add_operation(block, "add", {"x": Ref("x"), "y": Ref("w")}, {"s": ("float32", (3, 4))})
    add_operation(block, "mul", {"x": Ref("s"), "y": Ref("w")}, {"y": ("float32", (3, 4))})
    html = visualize(Model.from_spec(spec), compared_with=Model.from_spec(before)).html
    assert weight_of(html, "s", "y")["db"] == f"{sqnr_db(exact, values):.1f} dB"
    assert weight_of(html, "y", "y")["shared"] == "s"


def test_a_quantized_program_has_the_ratios_of_its_report(shared_data: Path) -> None:
    original = load(shared_data / "coreml" / "basic_pitch_nmp.mlpackage")
    small = quantize_weights(original, 4, "kmeans", minimum_deployment_target="iOS18")
    changed = [record for record in small.quantization_report.records if record.sqnr_db is not None]
    assert len(changed) > 5
    alone, beside = visualize(small), visualize(small, compared_with=original)
    assert alone.remarks == () and "weights are in both" in beside.remarks[0]
    for record in changed:
        found = [weight_of(shown.html, record.layer, record.weight) for shown in (alone, beside)]
        # The page decodes the written file, where tables are float16: the last digit may differ.
        for weight in found:
            assert float(weight["db"].split()[0]) == pytest.approx(record.sqnr_db, abs=0.15)
        assert found[0]["g"]["b"] == [] and sum(found[1]["g"]["b"]) == sum(found[1]["g"]["h"])


def test_a_model_that_is_not_the_original_is_refused() -> None:
    spec = network_spec()
    relu(spec.neuralNetwork.layers, "only", "x", "y")
    with pytest.raises(ArgumentError, match="none of the 6 weights"):
        visualize(residual_model(), compared_with=Model.from_spec(spec))


def test_a_page_has_the_name_of_a_page(tmp_path: Path) -> None:
    for name in ("model.mlmodel", "model"):
        with pytest.raises(ArgumentError, match=r"\.html"):
            visualize(residual_model(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelFileError, match="cannot be written: there is no such folder"):
        visualize("looked at later.mlmodel", tmp_path / "no folder" / "page.html")


def test_too_many_layers_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mltoolkit.visualization.visualization._MAX_NODES", 100)
    with pytest.raises(UnsupportedModelError, match="102 layers"):
        visualize(chain_model(100))


def test_json_cannot_leave_its_element() -> None:
    texts = ["</script>", "<!--", "]]>", "&lt;", "\u2028\u2029", "{{x}}", "\\u003c"]
    text = embedded_json(texts)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == texts


def test_a_thousand_layers_take_less_than_a_megabyte() -> None:
    size = len(visualize(chain_model(1000)).html.encode())
    assert size < 2_000_000, size


def test_the_command(tmp_path: Path) -> None:
    runner = CliRunner()
    small, page = tmp_path / "small.mlmodel", tmp_path / "page.html"
    quantize_weights(load(digit_model_path()), 4, "kmeans").save(small)
    arguments = ["visualize", str(small), "-o", str(page), "--original", str(digit_model_path())]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "page.html: " in result.output
    assert "weights are in both" in data_of(page.read_text(encoding="utf-8"))["remarks"][0]
    again = runner.invoke(app, arguments)
    assert isinstance(again.exception, ArgumentError) and "--force" in str(again.exception)
    done = runner.invoke(app, [*arguments, "--force", "--json"])
    printed = json.loads(done.output)
    assert printed["bytes"] == page.stat().st_size and "weights are in both" in printed["remarks"][0]


def test_it_is_a_public_name() -> None:
    assert mltoolkit.visualize is visualize
