"""Figures, JSON, DataFrame, text and HTML of a report."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import subprocess
import sys

import pytest

from mltoolkit.comparison.records import InputComparison, OutputDifference, UnreadableInput
from mltoolkit.comparison.report import ComparisonReport, make_report
from mltoolkit.errors import MissingExtraError


def classified(index: int, *, agree: bool = True, kl: float | None = 0.0, **more) -> InputComparison:
    other = "cat" if agree else "dog"
    return InputComparison(index, f"{index}.jpg", "cat", other, 0.9, 0.8, agree, True, kl, **more)


def report_of(rows, unreadable=(), **more) -> ComparisonReport:
    settings = {"source": "pictures", "top_k": 5, "max_worst": 10, "class_count": 1000}
    return make_report(rows, unreadable, **(settings | {"compared_by": "index"} | more))


def measured(index: int, snr: float, psnr: float | None = None, **more) -> InputComparison:
    output = OutputDifference("y", snr, snr + 6 if psnr is None else psnr, **more)
    return InputComparison(index, f"input {index}", outputs=(output,))


def test_headline_is_apples() -> None:
    rows = [classified(index, agree=index < 474, kl=0.01) for index in range(500)]
    first, *_ = str(report_of(rows)).splitlines()
    assert first == "Top 1 Agreement: 94.80 %  (95 % interval 92.5 .. 96.4, 474 of 500)"


def test_worst_first_and_only_those_that_differ() -> None:
    rows = [classified(0, kl=0.1), classified(1), classified(2, kl=0.5), classified(3, kl=0.1)]
    assert [row.index for row in report_of(rows).worst] == [2, 0, 3]
    assert [row.index for row in report_of(rows, max_worst=1).worst] == [2]


def test_without_divergence_disagreement_is_worst() -> None:
    rows = [classified(0, kl=None), classified(1, kl=None, agree=False)]
    report = report_of(rows)
    assert [row.index for row in report.worst] == [1]
    assert report.mean_kl is None


def test_identical_outputs_are_counted_not_averaged() -> None:
    rows = [measured(0, 30.0), measured(1, math.inf), measured(2, 50.0)]
    (output,) = report_of(rows, class_count=None, compared_by=None).outputs
    assert (output.snr.mean, output.snr.std, output.snr.minimum, output.identical) == (40, 10, 30, 1)


def test_all_identical_and_one_broken() -> None:
    (same,) = report_of([measured(0, math.inf)], class_count=None, compared_by=None).outputs
    assert same.snr.mean == math.inf
    rows = [measured(0, 30.0), measured(1, -math.inf)]
    report = report_of(rows, class_count=None, compared_by=None)
    assert report.outputs[0].snr.mean == -math.inf
    assert [row.index for row in report.worst] == [1, 0]
    assert "infinite noise" in str(report)


def test_json_is_strict_and_whole() -> None:
    rows = [measured(0, math.inf), measured(1, -math.inf), measured(2, 12.5, ssim=0.75)]
    report = report_of(rows, [UnreadableInput("ü.jpg", "cut off")], class_count=None, compared_by=None)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    plain = json.loads(report.to_json(), parse_constant=refuse)
    assert plain == report.to_dict()
    assert [row["outputs"][0]["snr_db"] for row in plain["inputs"]] == [None, None, 12.5]
    assert plain["outputs"][0]["identical"] == 1
    assert plain["unreadable"] == [{"name": "ü.jpg", "reason": "cut off"}]
    assert set(plain) == {field.name for field in dataclasses.fields(report)} | {"top5_agreement"}


def test_json_of_a_classifier() -> None:
    plain = report_of([classified(0), classified(1, agree=False, kl=0.2)]).to_dict()
    assert (plain["top1_agreement"], plain["top1_agreements"], plain["top5_agreement"]) == (0.5, 1, 1)
    assert plain["worst"][0]["other_label"] == "dog"


def test_top5_is_that_of_k_5_only() -> None:
    report = report_of([classified(0)], top_k=3)
    assert (report.top_k_agreement, report.top5_agreement) == (1, None)
    assert "Top 3 Agreement: 100.00 %" in str(report)


def test_a_trivial_top_k_is_not_shown() -> None:
    assert "Top 5" not in str(report_of([classified(0)], class_count=5))


def test_dataframe_has_a_row_an_input() -> None:
    pytest.importorskip("pandas")
    output = (OutputDifference("scores", 30.0, 36.0),)
    rows = [classified(0, outputs=output), classified(1, agree=False, kl=0.2, outputs=output)]
    frame = report_of(rows).to_dataframe()
    assert list(frame["name"]) == ["0.jpg", "1.jpg"]
    assert list(frame["agree"]) == [True, False]
    assert list(frame["scores.snr_db"]) == [30, 30]
    assert "scores.ssim" not in frame.columns


def test_dataframe_without_classes() -> None:
    pytest.importorskip("pandas")
    rows = [measured(0, math.inf), measured(1, 20.0)]
    frame = report_of(rows, class_count=None, compared_by=None).to_dataframe()
    assert list(frame.columns) == ["index", "name", "y.snr_db", "y.psnr_db"]


def test_missing_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mltoolkit\[dataframe\]"'):
        report_of([classified(0)]).to_dataframe()


class Elements(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data) -> None:
        self.text += data


def test_hostile_names_do_not_become_markup() -> None:
    evil = '<script>alert(1)</script><img src=x onerror="alert(2)">\'&amp;'
    output = OutputDifference(evil, 3.0, 4.0)
    row = InputComparison(0, evil, evil, evil, 0.5, 0.4, False, False, 1.0, (output,))
    report = report_of([row], [UnreadableInput(evil, evil)], source=evil)
    page = Elements()
    page.feed(report._repr_html_())
    known = {"div", "style", "h3", "h4", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert page.tags <= known
    assert page.attributes <= {"class", "scope"}
    # Source (twice), output title, worst row (name, two labels, output), unreadable name and reason.
    assert page.text.count(evil) == 9


def test_html_shows_what_the_text_shows() -> None:
    report = report_of([classified(0), classified(1, agree=False, kl=0.2)])
    page = Elements()
    page.feed(report._repr_html_())
    assert "50.00 %" in page.text
    assert "cat (0.900) → dog (0.800); KL 0.2" in page.text


def test_worst_inputs_show_every_figure() -> None:
    rows = [measured(0, 12.0, ssim=0.5), measured(1, 11.0, equal=0.25, reference_value=2.0, other_value=3.0)]
    text = str(report_of(rows, class_count=None, compared_by=None))
    assert "input 0: y: SNR 12.00 dB, PSNR 18.00 dB, SSIM 0.5000" in text
    assert "input 1: y: 2 → 3, SNR 11.00 dB, PSNR 17.00 dB, 25.00 % of the elements equal" in text


def test_long_lists_of_unreadable_files_are_cut() -> None:
    text = str(report_of([classified(0)], [UnreadableInput(f"{n}.jpg", "cut off") for n in range(25)]))
    assert "could not be read: 25" in text
    assert "… and 15 more" in text


def test_reports_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        report_of([classified(0)]).count = 3


def test_the_room_imports_nothing_heavy() -> None:
    heavy = ("pandas", "skimage", "onnxruntime", "onnx", "rich", "scipy")
    code = f"import sys, mltoolkit.comparison; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
