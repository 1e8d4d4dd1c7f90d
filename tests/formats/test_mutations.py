"""Damaged model files give errors of ours and nothing else: no other exception, no crash, no hang.

MLTOOLKIT_MUTATIONS sets the number of files, 5000 by default.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mutation_outcomes import COUNT, OUR_ERRORS, Outcome, outcomes_of, outcomes_of_all, report
from mutation_worker import MODELS, inputs_for
from mutations import mutate

import mltoolkit as mlt
from mltoolkit import errors
from mltoolkit.formats.features import ArrayFeature, ScalarFeature
from mltoolkit.model import Model

WORKER = Path(__file__).with_name("mutation_worker.py")
# One file takes 2 ms of CPU time in the mean and 0.1 s at most; machines under load are slower.
CPU_SECONDS = 5
# Python with NumPy, ONNX and onnxruntime holds some 150 MB; the limit on declared sizes is 1 GB.
PEAK_MEGABYTES = 1500


@pytest.mark.parametrize("name", MODELS)
def test_the_undamaged_models_run(name: str) -> None:
    model = Model(MODELS[name]())
    outputs = model.predict(inputs_for(model) or {}, threads=1)
    assert set(outputs) == {feature.name for feature in model.outputs}


def test_a_seed_gives_the_same_damage_every_time() -> None:
    for data in (MODELS["pipeline"]().SerializeToString(), MODELS["spatial_zoo"]().SerializeToString()):
        first = [mutate(data, seed) for seed in range(200)]
        assert first == [mutate(data, seed) for seed in range(200)]
        # Some damage is no change: a slice moved to where it was, a layer exchanged with itself.
        assert len({mutation.data for mutation in first} - {data}) > 150


def test_damaged_files_give_errors_of_ours_and_nothing_else() -> None:
    results = outcomes_of_all(WORKER, COUNT)
    assert set(results) == set(range(COUNT))
    counts = Counter(outcome.what for outcome in results.values() if not outcome.failed)
    failures = {seed: outcome.what for seed, outcome in results.items() if outcome.failed}
    assert not failures, report(failures, WORKER)
    assert set(counts) <= OUR_ERRORS | {"ran", "too large to feed"}, counts
    # The damage is deep and wide enough: much of it still runs, and errors of several kinds come.
    assert counts["ran"] > COUNT / 20 and len(counts) >= 5, counts
    slowest = max(results, key=lambda seed: results[seed].seconds)
    assert results[slowest].seconds < CPU_SECONDS, f"seed {slowest}: {results[slowest]}"
    # The peak is of the whole process, so the first seed that reaches it is the one to look at.
    largest = max(sorted(results), key=lambda seed: results[seed].megabytes)
    assert results[largest].megabytes < PEAK_MEGABYTES, f"seed {largest}: {results[largest]}"


PRETENDER = """
import os, sys, time
for seed in range(*map(int, sys.argv[1:])):
    print(seed, "started", flush=True)
    if seed == 2:
        os.abort()
    if seed == 4:
        time.sleep(1000)
    print(seed, 0.5, 100, "! \\"raised\\"" if seed == 6 else "ran", flush=True)
"""


def test_crashes_hangs_and_foreign_errors_do_not_pass_for_success(tmp_path: Path) -> None:
    worker_file = tmp_path / "pretender.py"
    worker_file.write_text(PRETENDER)
    found = outcomes_of(0, 10, 2, worker_file, hang_seconds=2)
    assert found[0] == found[8] == Outcome("ran", 0.5, 100)
    assert found[2].what.startswith("! crashed") and found[4].what.startswith("! hung")
    assert found[6].what == '! "raised"' and sorted(found) == [0, 2, 4, 6, 8]
    assert "raised" in report({6: found[6].what}, worker_file)


# What mutations have found, told apart from the seeds that found it.


def test_a_negative_unary_function_is_refused() -> None:
    spec = MODELS["image_filter"]()
    spec.neuralNetwork.layers[-1].unary.type = -100
    with pytest.raises(errors.InvalidModelError, match="unary function -100 is not known"):
        Model(spec).predict({"image": np.zeros((6, 6, 3), np.uint8)})


def test_several_numbers_for_a_scalar_input_are_refused() -> None:
    spec = MODELS["vector_regressor"]()
    spec.description.input[0].type.doubleType.SetInParent()
    model = Model(spec)
    assert isinstance(model.inputs[0], ScalarFeature) and isinstance(model.inputs[1], ArrayFeature)
    with pytest.raises(errors.InputError, match="takes one number, not 3"):
        model.predict({"x": [1, 2, 3]})


def test_loading_a_damaged_file_is_what_the_worker_does(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mlmodel"
    path.write_bytes(MODELS["pipeline"]().SerializeToString()[:-5])
    with pytest.raises(errors.ModelFileError, match="truncated"):
        mlt.load(path)
