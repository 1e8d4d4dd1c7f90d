"""The report: totals, and each of its forms."""

from __future__ import annotations

import json
import math
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from layer_zoo import add_layer, every_layer, network_spec, pipeline_spec

from mltoolkit.errors import MissingExtraError
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.quantize_spec import quantize_spec
from mltoolkit.quantization.report import QuantizationReport


def report_of(spec: Any, nbits: int | None = 8, mode: str = "linear", **options: Any) -> QuantizationReport:
    return quantize_spec(spec, QuantizationConfig(nbits, mode, **options))[1]


def test_totals_are_what_the_messages_hold() -> None:
    spec = network_spec(every_layer)
    result, report = quantize_spec(spec, QuantizationConfig(4, "kmeans", include_biases=True))
    for message, total in ((spec, report.weight_bytes_before), (result, report.weight_bytes_after)):
        content = 0
        for field in iter_weight_fields(message):
            quantization = field.params.quantization
            content += 4 * len(field.params.floatValue) + len(field.params.rawValue)
            content += 4 * len(quantization.lookupTableQuantization.floatValue)
        assert total == content
    # The bytes saved are those of the files, but for the lengths of messages and the number of bits.
    saved = len(spec.SerializeToString()) - len(result.SerializeToString())
    weights_saved = report.weight_bytes_before - report.weight_bytes_after
    assert abs(saved - weights_saved) <= 12 * len(report.changed), (saved, weights_saved)
    assert len(report.changed) + len(report.skipped) == len(report.records)
    assert sum(report.reasons.values()) == len(report.skipped)


def test_json_is_strict_and_complete() -> None:
    spec = network_spec(lambda network: add_layer(network, "loadConstant", scale=0.0))
    report = report_of(spec, only_if_smaller=False)
    assert report.records[0].sqnr_db == math.inf  # zeros are reproduced
    loaded = json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert loaded == report.to_dict()
    assert loaded["records"][0]["sqnr_db"] is None
    assert loaded["records"][0]["shape"] == [4, 8, 8]
    assert loaded["nbits"] == 8
    assert {"mode", "model_bytes_before", "model_bytes_after", "weight_bytes_after"} <= loaded.keys()


def test_dataframe_has_one_row_a_weight() -> None:
    pytest.importorskip("pandas")
    report = report_of(pipeline_spec())
    frame = report.to_dataframe()
    assert list(frame.layer) == ["conv", "conv", "fc", "fc"]
    assert frame.bytes_after.sum() == report.weight_bytes_after
    assert list(frame.stage) == ["features", "features", "rest/classifier", "rest/classifier"]
    empty = report_of(network_spec(lambda network: network.layers.add().softmax.SetInParent())).to_dataframe()
    assert list(empty.columns) == list(frame.columns)


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"mltoolkit\[dataframe\]"):
        report_of(pipeline_spec()).to_dataframe()


def test_text_shows_what_changed_and_why_the_rest_did_not() -> None:
    text = str(report_of(pipeline_spec(), 8))
    first, header, *rows, last = text.splitlines()
    assert first.startswith("linear, 8 bits: 2 of 4 weights changed, ")
    assert header.split()[:3] == ["layer", "type", "weight"]
    assert [row.split()[0] for row in rows] == ["features/conv", "rest/classifier/fc"]
    assert "32 → 8" in rows[0]
    assert last == "left as they were: biases stay as they are (2)"


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_escapes_names() -> None:
    name = "<script>alert('1')</script>&"
    report = report_of(network_spec(lambda network: add_layer(network, "innerProduct", name=name)))
    parser = _Text()
    parser.feed(report._repr_html_())
    assert "script" not in parser.tags
    assert name in parser.text
    facts, worst, every = 5, 1 + len(report.changed), 1 + len(report.records)
    assert parser.tags.count("tr") == facts + worst + every
    assert parser.tags.count("i") == 1 + 2 * len(report.changed)  # the lowest, and a bar in either table


def test_repr_is_one_line() -> None:
    assert repr(report_of(pipeline_spec())).startswith("<QuantizationReport linear, 8 bits: ")
    assert "\n" not in repr(report_of(pipeline_spec()))
