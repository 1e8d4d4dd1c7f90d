"""Damaged packages give errors of ours and nothing else, and nothing outside them is read.

Their manifests lead elsewhere, their files are links or pipes, the program refers to weights that are not there and
declares sizes that no memory holds. MLTOOLKIT_MUTATIONS sets the number of packages, 5000 by default.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mutation_outcomes import COUNT, OUR_ERRORS, outcomes_of_all, report
from mutation_worker import inputs_for
from package_mutations import damage_package
from small_packages import SMALL_PACKAGES, manifest, manifest_text, write_parts

import mltoolkit as mlt

WORKER = Path(__file__).with_name("package_mutation_worker.py")
# One package takes 20 ms of CPU time in the mean and 0.1 s at most; machines under load are slower.
CPU_SECONDS = 5
# Python with NumPy, ONNX, onnxruntime and what traces its memory holds some 250 MB.
PEAK_MEGABYTES = 700

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes are made as POSIX has them")


def write(folder: Path, name: str) -> Path:
    spec, weights = SMALL_PACKAGES[name]()
    path = folder / "whole.mlpackage"
    write_parts(path, manifest_text(manifest()), spec.SerializeToString(), weights)
    return path


@pytest.mark.parametrize("name", SMALL_PACKAGES)
def test_the_undamaged_packages_run(tmp_path: Path, name: str) -> None:
    model = mlt.load(write(tmp_path, name))
    outputs = model.predict(inputs_for(model) or {}, threads=1)
    assert set(outputs) == {feature.name for feature in model.outputs}
    numbers = [value for value in outputs.values() if isinstance(value, np.ndarray)]
    assert all(np.isfinite(array).all() for array in numbers)


def contents(folder: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"→ {os.path.relpath(path.readlink(), folder)}"
        else:
            found[name] = path.read_bytes() if path.is_file() else "something else"
    return found


def test_a_seed_gives_the_same_damage_every_time(tmp_path: Path) -> None:
    spec, weights = SMALL_PACKAGES["compressed"]()
    model, outside = spec.SerializeToString(), tmp_path / "outside"
    made: list[list[dict[str, bytes | str]]] = [[], []]
    for again in (0, 1):
        for seed in range(100):
            folder = tmp_path / str(again) / str(seed) / "damaged.mlpackage"
            folder.parent.mkdir(parents=True)
            damage_package(folder, model, weights, outside, seed)
            made[again].append(contents(folder))
    assert made[0] == [
        {name: text.replace("/1/", "/0/") if isinstance(text, str) else text for name, text in parts.items()}
        for parts in made[1]
    ]
    # Some damage is no change: a number that is what it was, a file whose place another damage has taken.
    assert len({str(parts) for parts in made[0]}) > 85


def test_damaged_packages_give_errors_of_ours_and_nothing_else() -> None:
    results = outcomes_of_all(WORKER, COUNT)
    assert set(results) == set(range(COUNT))
    failures = {seed: outcome.what for seed, outcome in results.items() if outcome.failed}
    assert not failures, report(failures, WORKER)
    counts = Counter(outcome.what for outcome in results.values())
    assert set(counts) <= OUR_ERRORS | {"ran", "too large to feed"}, counts
    # The damage is deep and wide enough: some of it still runs, and much is found only after the file is read.
    assert counts["ran"] > COUNT / 20 and counts["InvalidModelError"] > COUNT / 10 < counts["ModelFileError"], counts
    slowest = max(results, key=lambda seed: results[seed].seconds)
    assert results[slowest].seconds < CPU_SECONDS, f"seed {slowest}: {results[slowest]}"
    # The peak is of the whole process, so the first seed that reaches it is the one to look at.
    largest = max(sorted(results), key=lambda seed: results[seed].megabytes)
    assert results[largest].megabytes < PEAK_MEGABYTES, f"seed {largest}: {results[largest]}"
