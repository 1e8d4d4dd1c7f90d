"""compare_models from sample data to report, on fake models."""

from __future__ import annotations

import itertools
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from comparison_fakes import (
    FakeClassifier,
    FakeFilter,
    FakePainter,
    FatalModel,
    TableClassifier,
    image_feature,
    write_pictures,
)
from PIL import Image

from mltoolkit.comparison import compare_models, kl_divergence, psnr_db, snr_db, wilson_interval
from mltoolkit.errors import ArgumentError, ComparisonError, InputError

LABELS = tuple(f"class {index}" for index in range(12))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_pictures(tmp_path, [f"{'abc'[number % 3]}/{number:03d}.png" for number in range(60)])
    return tmp_path


def expected_rows(first: FakeClassifier, second: FakeClassifier, folder: Path) -> list[tuple[bool, float]]:
    rows = []
    for path in sorted(folder.rglob("*.png")):
        pixels = first.prepare_image(first.inputs[0], Image.open(path))
        p, q = (model.predict_raw({"image": pixels})["probabilities"] for model in (first, second))
        rows.append((int(np.argmax(p)) == int(np.argmax(q)), kl_divergence(p, q)))
    return rows


def test_classifiers_on_a_folder(pictures: Path) -> None:
    first, second = FakeClassifier(LABELS), FakeClassifier(LABELS, noise=0.3)
    expected = expected_rows(first, second, pictures)
    report = compare_models(first, second, pictures)
    agreements = sum(agree for agree, _ in expected)
    assert 0 < agreements < 60, "the fakes should agree on some inputs only"
    assert report.count == 60
    assert report.top1_agreement == agreements / 60
    assert report.top1_interval == wilson_interval(agreements, 60)
    assert report.top_k_agreement == report.top5_agreement >= report.top1_agreement
    assert report.mean_kl == pytest.approx(np.mean([kl for _, kl in expected]), rel=1e-12)
    assert [row.agree for row in report.inputs] == [agree for agree, _ in expected]
    assert [row.name for row in report.inputs] == sorted(row.name for row in report.inputs)
    assert report.compared_by == "index"
    assert report.outputs == ()


def test_worst_inputs_are_those_of_highest_divergence(pictures: Path) -> None:
    report = compare_models(FakeClassifier(LABELS), FakeClassifier(LABELS, noise=0.3), pictures, max_worst=7)
    divergences = sorted((row.kl for row in report.inputs), reverse=True)
    assert [row.kl for row in report.worst] == divergences[:7]
    assert all(row.reference_label in LABELS and row.other_label in LABELS for row in report.worst)


def test_a_model_agrees_with_itself(pictures: Path) -> None:
    report = compare_models(FakeClassifier(LABELS), FakeClassifier(LABELS), pictures)
    assert (report.top1_agreement, report.top5_agreement, report.mean_kl, report.worst) == (1, 1, 0, ())


def test_each_picture_is_prepared_once_for_both(pictures: Path) -> None:
    first, second = FakeClassifier(LABELS), FakeClassifier(LABELS, noise=0.3)
    compare_models(first, second, pictures, crop="center")
    assert first.prepared == ["center"] * 60
    assert second.prepared == []


def test_models_of_other_input_sizes_prepare_their_own(pictures: Path) -> None:
    first, second = FakePainter(), FakePainter()
    second.inputs = (image_feature(width=20, height=20),)
    with pytest.raises(ComparisonError, match=r"\(3, 16, 16\) and \(3, 20, 20\)"):
        compare_models(first, second, pictures)
    assert second.prepared


@pytest.mark.parametrize("data", ["folder", "paths", "dictionaries", "images", "arrays", "iterator"])
def test_every_kind_of_sample_data_gives_the_same(pictures: Path, data: str) -> None:
    paths = sorted(pictures.rglob("*.png"))
    given = {
        "folder": lambda: str(pictures),
        "paths": lambda: paths,
        "dictionaries": lambda: [{"image": str(path)} for path in paths],
        "images": lambda: [Image.open(path) for path in paths],
        "arrays": lambda: [np.asarray(Image.open(path)) for path in paths],
        "iterator": lambda: ({"image": Image.open(path)} for path in paths),
    }[data]()
    first, second = FakeClassifier(LABELS), FakeClassifier(LABELS, noise=0.3)
    expected = expected_rows(first, second, pictures)
    report = compare_models(first, second, given)
    assert [(row.agree, row.kl) for row in report.inputs] == expected


@pytest.mark.parametrize("kind", ["threads", "fork", "spawn"])
def test_every_executor_gives_the_same_report(pictures: Path, kind: str) -> None:
    if kind != "threads" and kind not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {kind}")
    models = FakeClassifier(LABELS), FakeClassifier(LABELS, noise=0.3)
    expected = compare_models(*models, pictures)
    pool = (
        ThreadPoolExecutor(3)
        if kind == "threads"
        else ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(kind))
    )
    with pool as executor:
        assert compare_models(*models, pictures, executor=executor) == expected


def test_errors_come_back_from_processes(pictures: Path) -> None:
    with ProcessPoolExecutor(1) as executor, pytest.raises(InputError) as caught:
        compare_models(FakeFilter(), FakeFilter(), [{"y": np.zeros(4)}], executor=executor)
    assert str(caught.value) == "the model has no input 'y' (in input 0). Choose one of: 'x', 'state'."


def test_models_that_cannot_be_sent_to_a_process() -> None:
    class Local(FakeFilter):
        """Not importable, so not picklable."""

    with ProcessPoolExecutor(1) as executor, pytest.raises(ComparisonError, match="Leave executor out"):
        compare_models(Local(), Local(), [{"x": np.zeros(4)}], executor=executor)


def test_a_dead_process_is_explained() -> None:
    with ProcessPoolExecutor(1) as executor, pytest.raises(ComparisonError, match="leave executor out"):
        compare_models(FatalModel(), FatalModel(), [{"x": np.zeros(4)}], executor=executor)


def test_unreadable_files_are_listed(pictures: Path) -> None:
    whole = (pictures / "a" / "000.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "empty.jpg").write_bytes(b"")
    (pictures / "text.jpeg").write_text("no picture")
    (pictures / "gone.jpg").symlink_to(pictures / "nowhere.jpg")
    report = compare_models(FakeClassifier(LABELS), FakeClassifier(LABELS), pictures)
    assert report.count == 60
    assert [item.name for item in report.unreadable] == ["cut.png", "empty.jpg", "gone.jpg", "text.jpeg"]
    assert all(item.reason for item in report.unreadable)


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(ComparisonError, match=r"none of the 1 pictures.*a\.jpg: .+") as caught:
        compare_models(FakeClassifier(LABELS), FakeClassifier(LABELS), tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_an_iterator_that_yields_nothing() -> None:
    with pytest.raises(ComparisonError, match="empty"):
        compare_models(FakeClassifier(LABELS), FakeClassifier(LABELS), iter([]))


def test_a_long_iterator_is_taken_bit_by_bit() -> None:
    taken = itertools.count()
    lead = []

    def endless():
        for number in taken:
            if number == 2000:
                return
            yield {"x": np.full(4, number, np.float32)}

    def watch(done: int, total: int | None) -> None:
        assert total is None
        lead.append(next(taken) - done)

    with ThreadPoolExecutor(2) as executor:
        compare_models(FakeFilter(), FakeFilter(), endless(), executor=executor, progress=watch)
    # In flight are 4 tasks of 4 inputs; one more wait can return all of them at once. Each look takes a
    # number too.
    assert max(ahead - index for index, ahead in enumerate(lead)) <= 32


def test_image_outputs(pictures: Path) -> None:
    report = compare_models(FakePainter(), FakePainter(10.25), pictures)
    (painted,) = report.outputs
    first = np.asarray(Image.open(pictures / "a" / "000.png").convert("RGB")).astype(float)
    second = np.clip(np.rint(first + 10.25), 0, 255)
    assert report.inputs[0].name == "a/000.png"
    assert report.inputs[0].outputs[0].snr_db == pytest.approx(snr_db(first, second), abs=1e-9)
    assert report.inputs[0].outputs[0].psnr_db == pytest.approx(psnr_db(first, second, peak=255), abs=1e-9)
    assert painted.psnr.minimum == min(row.outputs[0].psnr_db for row in report.inputs)
    assert painted.identical == 0
    assert report.top1_agreement is report.mean_kl is report.top5_agreement is None
    lowest = sorted(row.outputs[0].snr_db for row in report.inputs)
    assert [row.outputs[0].snr_db for row in report.worst] == lowest[:10]


def test_several_array_outputs() -> None:
    data = [{"x": np.array([1, 2, 3, 4], np.float32) * number} for number in range(5)]
    report = compare_models(FakeFilter(), FakeFilter(1.1), data)
    y, rounded = report.outputs
    assert (y.name, rounded.name) == ("y", "rounded")
    # A gain of 1.1 is noise of 0.1, 20 dB; float32 keeps seven digits of y but only six of the difference.
    assert y.snr.mean == pytest.approx(20, abs=1e-4)
    assert y.identical == 1, "the silent input"
    assert y.equal is None
    equal = [np.rint(row["x"]) == np.rint(row["x"] * np.float32(1.1)) for row in data]
    assert rounded.equal == np.mean(equal)


def test_broken_outputs_come_first() -> None:
    data = [{"x": np.array([1, 2, 3, value], np.float32)} for value in (1, 3e38, 2)]
    report = compare_models(FakeFilter(), FakeFilter(2), data)
    assert report.outputs[0].snr.mean == -math.inf
    assert report.worst[0].name == "input 1"


def test_repeated_labels_and_ties_by_index() -> None:
    labels = ("pot", "pot", "pan")
    data = [{"row": np.array([row])} for row in range(3)]
    first = TableClassifier(labels, [[0.8, 0.1, 0.1], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    second = TableClassifier(labels, [[0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    report = compare_models(first, second, data)
    assert [row.agree for row in report.inputs] == [False, True, False]


def test_other_class_lists_are_compared_by_label() -> None:
    first = TableClassifier(("cat", "dog"), [[0.8, 0.2]])
    second = TableClassifier(("dog", "cat"), [[0.3, 0.7]])
    report = compare_models(first, second, [{"row": np.array([0])}])
    assert (report.top1_agreement, report.compared_by) == (1, "label")
    assert report.mean_kl == pytest.approx(kl_divergence([0.8, 0.2], [0.7, 0.3]), abs=1e-6)
    assert "compared by label" in str(report)


def test_nan_probabilities_name_the_input() -> None:
    first = TableClassifier(("a", "b"), [[0.5, 0.5], [0.5, 0.5]])
    second = TableClassifier(("a", "b"), [[0.5, 0.5], [math.nan, 0.5]])
    with pytest.raises(ComparisonError, match="second model answers NaN for the input 'input 1'"):
        compare_models(first, second, [{"row": np.array([row])} for row in range(2)])


class Unnamed(TableClassifier):
    """Describes the label only; what it calls its scores is up to it."""

    def __init__(self, table: list[list[float]], scores: str) -> None:
        super().__init__(("a", "b"), table)
        self.outputs = self.outputs[:1]
        self.predicted_probabilities_name = None
        self.scores = scores

    def predict_raw(self, data, *, threads=None):
        scores = super().predict_raw(data)["probabilities"]
        return {self.scores: scores} if self.scores else {}


def test_undescribed_probabilities() -> None:
    data = [{"row": np.array([row])} for row in range(2)]
    first = Unnamed([[0.9, 0.1], [0.2, 0.8]], "classProbability")
    second = Unnamed([[0.8, 0.2], [0.6, 0.4]], "classProbability_1")
    assert [row.agree for row in compare_models(first, second, data).inputs] == [True, False]
    second.scores = ""
    with pytest.raises(ComparisonError, match="second model is a classifier that gives no probabilities"):
        compare_models(first, second, data)


def test_other_interfaces_are_listed() -> None:
    with pytest.raises(ComparisonError) as caught:
        compare_models(FakeClassifier(LABELS), FakeFilter(), [{"x": np.zeros(4)}])
    features = ("input 'image'", "input 'x'", "output 'label'", "output 'rounded'")
    for difference in (*features, "first model is a classifier"):
        assert difference in str(caught.value)


def test_a_failing_input_is_named() -> None:
    data = [{"x": np.zeros(4)}, {"xx": np.zeros(4)}]
    with pytest.raises(InputError, match=r"no input 'xx' \(in input 1\)\. Did you mean 'x'\?"):
        compare_models(FakeFilter(), FakeFilter(), data)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"crop": "centre"}, "Did you mean 'center'"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_k": 2.5}, "top_k is 2.5"),
        ({"max_worst": -1}, "max_worst is -1"),
        ({"executor": 4}, "executor is a int"),
        ({"progress": "yes"}, "progress is 'yes'"),
    ],
)
def test_wrong_arguments(argument, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        compare_models(FakeFilter(), FakeFilter(), [{"x": np.zeros(4)}], **argument)


def test_progress_callback_and_bar(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int | None]] = []
    model = FakeClassifier(LABELS)
    compare_models(model, model, pictures, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (60, 60)
    assert seen == sorted(seen)
    compare_models(model, model, pictures)
    assert capsys.readouterr() == ("", "")
    compare_models(model, model, pictures, progress=True)
    assert capsys.readouterr().out == ""
