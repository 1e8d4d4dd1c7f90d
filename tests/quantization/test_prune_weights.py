"""Pruning: the zeros are those of coremltools, the rest stays exactly, and the program runs."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_zoo import chain, sample

import mltoolkit as mlt
from mltoolkit.digits import digit_model_path
from mltoolkit.errors import ArgumentError, UnsupportedModelError
from mltoolkit.quantization.prune import METADATA_KEY
from mltoolkit.quantization.pruning_rules import PruningConfig
from mltoolkit.quantization.rewriting import open_rewriter

RULES: list[dict[str, Any]] = [
    {"threshold": 0.5},
    {"target_sparsity": 0.75},
    {"target_sparsity": 0.0},
    {"target_sparsity": 1.0},
    {"n_m_ratio": (1, 2)},
    {"n_m_ratio": (3, 4), "dim": 0},
    {"target_sparsity": 0.5, "block_size": 2},
    {"target_sparsity": 0.6, "block_size": 3, "dim": 1},
]


def reference(values: np.ndarray, rule: dict[str, Any]) -> np.ndarray | None:
    """What coremltools leaves of a weight."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from coremltools.optimize.coreml._quantization_passes import prune_weights as theirs
    if "threshold" in rule:
        params = theirs.compress_by_threshold(values, rule["threshold"], 0.0)
    elif "n_m_ratio" in rule:
        params = theirs.compress_by_nm_sparsity(values, rule["n_m_ratio"], rule.get("dim", 1))
    else:
        dim = rule.get("dim", 0) if "block_size" in rule else None
        params = theirs.compress_by_magnitude(values, rule["target_sparsity"], rule.get("block_size"), dim)
    return None if params is None else theirs.decompress(params)


@pytest.mark.parametrize("rule", RULES, ids=str)
@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 1000))
def test_the_zeros_are_those_of_coremltools(rule: dict[str, Any], shape: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    expected, kept = reference(values, rule), PruningConfig(**rule).keep(values)
    if expected is None:
        assert isinstance(kept, str)
        return
    assert not isinstance(kept, str)
    np.testing.assert_array_equal(np.where(kept, values, 0), expected)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("opset", ["CoreML6", "CoreML8"])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_pruned_program_runs(rule: dict[str, Any], opset: str, half: bool) -> None:
    source = chain(opset, half=half)
    pruned = mlt.prune_weights(source, **rule, only_if_smaller=False)
    report, config = pruned.quantization_report, PruningConfig(**rule)
    assert report is not None
    old, new = open_rewriter(source), open_rewriter(pruned)
    sparse = {f"{record.layer}.{record.weight}" for record in report.changed}
    assert sparse == ({"conv.weight", "dense.weight"} if config.structured else
                      {"conv.weight", "up.weight", "placed.y", "mm.y", "dense.weight"})  # fmt: skip
    for before, after in zip(old.slots, new.slots, strict=True):
        values = old.values(before)
        kept = config.keep(values) if before.key in sparse else np.ones(values.shape, dtype=bool)
        np.testing.assert_array_equal(new.values(after), np.where(kept, values, 0))
    full = mlt.quantize_weights(pruned, None, "dequantization")
    np.testing.assert_array_equal(pruned.predict(sample())["y"], full.predict(sample())["y"])


def test_few_zeros_are_not_worth_a_mask() -> None:
    report = mlt.prune_weights(chain(half=True), target_sparsity=0.02).quantization_report
    assert report is not None and not report.changed
    assert "would not get smaller with 2" in report.reasons_text
    report = mlt.prune_weights(chain(), target_sparsity=0.5, minimum_sparsity=0.6).quantization_report
    assert report is not None and not report.changed
    assert "only 50" in report.reasons_text


def test_half_of_the_weights_take_little_more_than_half_of_the_bytes() -> None:
    source = chain()
    report = mlt.prune_weights(source, target_sparsity=0.5, selector=lambda name, _: name != "up").quantization_report
    assert report is not None
    for record in report.changed:
        # Half of the floats, a bit for each weight, and the heads of two records.
        assert record.bytes_after <= record.bytes_before * (0.5 + 1 / 32) + 3 * 128, record
    assert {record.reason for record in report.skipped} == {"not selected", "biases stay as they are"}


def test_a_pruned_model_can_be_raised_and_quantized() -> None:
    pruned = mlt.prune_weights(chain(), target_sparsity=0.5)
    raised = mlt.quantize_weights(
        pruned, 4, minimum_deployment_target="iOS18", selector=lambda operation, _: operation == "dense"
    )
    (changed,) = raised.quantization_report.changed if raised.quantization_report else ()
    assert changed.layer == "dense"
    old, new = open_rewriter(pruned), open_rewriter(raised)
    for before, after in zip(old.slots, new.slots, strict=True):
        if before.layer != "dense":
            np.testing.assert_array_equal(old.values(before), new.values(after))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "one rule"),
        ({"threshold": 0.1, "target_sparsity": 0.5}, "threshold and target_sparsity"),
        ({"threshold": -1}, "threshold"),
        ({"target_sparsity": 1.5}, "share"),
        ({"n_m_ratio": (3, 2)}, "pair"),
        ({"n_m_ratio": 2}, "pair"),
        ({"threshold": 0.1, "block_size": 2}, "target_sparsity"),
        ({"target_sparsity": 0.5, "block_size": 1}, "from 2 on"),
        ({"target_sparsity": 0.5, "dim": 1}, "dim"),
        ({"n_m_ratio": (1, 2), "dim": 2}, "dim"),
    ],
)
def test_rules_that_make_no_sense(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        mlt.prune_weights(chain(), **options)


def test_what_stores_no_zeros() -> None:
    with pytest.raises(UnsupportedModelError, match="ML Program"):
        mlt.prune_weights(digit_model_path(), target_sparsity=0.5)
    with pytest.raises(ArgumentError, match="minimum_deployment_target='iOS16'"):
        mlt.prune_weights(chain("CoreML5"), target_sparsity=0.5)


CODES: list[tuple[int, str]] = [(4, "kmeans"), (3, "kmeans"), (6, "linear_lut"), (8, "linear"), (4, "linear_symmetric")]


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(("nbits", "mode"), CODES)
def test_what_stays_may_be_codes(nbits: int, mode: str, half: bool) -> None:
    source = chain("CoreML8", half=half)
    small = mlt.prune_weights(source, target_sparsity=0.75, nbits=nbits, quantization_mode=mode, only_if_smaller=False)
    report = small.quantization_report
    assert report is not None and {record.mode for record in report.changed} == {f"sparse {mode}"}
    old, new = open_rewriter(source), open_rewriter(small)
    sizes = {slot.key: slot.bytes for slot in new.slots}
    for before, after in zip(old.slots, new.slots, strict=True):
        values, found = old.values(before), new.values(after)
        if before.role != "weight":
            np.testing.assert_array_equal(found, values)
            continue
        kept = PruningConfig(target_sparsity=0.75).keep(values)
        assert not found[~np.asarray(kept)].any()
        # One step of the coarsest code here: 4 of 8 deviations wide.
        assert np.abs(found - np.where(kept, values, 0)).max() <= 8 / (1 << nbits)
    for record in report.changed:
        assert record.bytes_after == sizes[f"{record.layer}.{record.weight}"]
    full = mlt.quantize_weights(small, None, "dequantization")
    difference = np.abs(small.predict(sample())["y"] - full.predict(sample())["y"]).max()
    # Scale times code is no float16, which a float16 program stores in full; it meets tanh.
    assert difference <= (0.1 if (half and mode.startswith("linear_sym")) or mode == "linear" else 0.0)


@pytest.mark.parametrize(("nbits", "mode"), CODES)
def test_coremltools_reads_codes_between_zeros(nbits: int, mode: str, tmp_path: Any) -> None:
    small = mlt.prune_weights(
        chain("CoreML8"), target_sparsity=0.5, nbits=nbits, quantization_mode=mode, only_if_smaller=False
    )
    small.save(tmp_path / "small.mlpackage")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import coremltools as ct
        from coremltools.optimize.coreml import decompress_weights

        full = mlt.load(decompress_weights(ct.models.MLModel(str(tmp_path / "small.mlpackage"), skip_model_load=True)))
    ours, theirs = open_rewriter(small), open_rewriter(full)
    expected = [theirs.values(slot) for slot in theirs.slots if slot.role == "weight"]
    found = [ours.values(slot) for slot in ours.slots if slot.role == "weight"]
    assert len(expected) == 5
    for our, their in zip(found, expected, strict=True):
        np.testing.assert_array_equal(our, their)


@pytest.mark.parametrize(
    ("opset", "nbits", "mode", "match"),
    [
        ("CoreML7", 4, "kmeans", "codes between zeros.*minimum_deployment_target='iOS18'"),
        ("CoreML8", 5, "kmeans", "nbits=4 or nbits=6"),
        ("CoreML8", 4, "unique", "kmeans or linear_lut"),
        ("CoreML8", 16, "linear", "mode"),
    ],
)
def test_codes_that_there_are_not_between_zeros(opset: str, nbits: int, mode: str, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        mlt.prune_weights(chain(opset), target_sparsity=0.5, nbits=nbits, quantization_mode=mode)


@pytest.mark.parametrize(
    "rule",
    [
        {"threshold": 0.0},
        {"threshold": np.float32(0.5), "minimum_sparsity": np.float64(0.125)},
        {"target_sparsity": 0.5, "block_size": np.int64(2), "dim": 0},
        {"n_m_ratio": (np.int64(1), np.int64(2))},
    ],
    ids=str,
)
def test_the_model_says_by_which_rule_it_was_pruned(rule: dict[str, Any]) -> None:
    pruned = mlt.prune_weights(chain(), **rule, only_if_smaller=False)
    recorded = json.loads(pruned.spec.description.metadata.userDefined[METADATA_KEY])
    assert recorded == {name: list(value) if isinstance(value, tuple) else value for name, value in rule.items()}
