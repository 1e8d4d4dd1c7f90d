"""mltoolkit's runtime against Core ML: ``python tests/on_mac/core_ml_comparison.py [--report FILE]``.

Runs every case of core_ml_cases.py here and through coremltools' ``MLModel.predict``, on the processor and on all
compute units, and prints a table. Where Core ML is absent, on any system but macOS, it says so and compares nothing.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from core_ml_cases import Case, cases

import mltoolkit as mlt

ABSENT = f"Core ML is not on this system ({sys.platform}): nothing was compared with it."
# A model file → what predicts with it.
Oracle = Callable[[Path], Callable[[Mapping[str, Any]], Mapping[str, Any]]]


@dataclass(frozen=True)
class Difference:
    """One output of one case over all its inputs.

    Attributes:
        decibels: the lowest signal to noise ratio, 10 log10(sum core_ml² / sum (core_ml - ours)²); None for labels.
        largest: the largest difference of a number; for labels, how many are not the same.
        wanted: the ratio that is asked for.
    """

    case: str
    output: str
    inputs: int
    decibels: float | None
    largest: float
    wanted: float

    @property
    def agrees(self) -> bool:
        """Whether the labels are all equal, or the numbers close enough."""
        return self.largest == 0 if self.decibels is None else self.decibels >= self.wanted


def core_ml(units: str) -> Oracle:
    """Core ML on the given compute units."""
    import coremltools as ct

    def load(path: Path) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        predict: Callable[[Mapping[str, Any]], Mapping[str, Any]]
        predict = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit[units]).predict
        return predict

    return load


def compare(found: Iterable[Case], oracle: Oracle) -> list[Difference]:
    """Every output of every case."""
    differences: list[Difference] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(found):
            program = case.model.kind == "mlProgram"
            path = Path(folder) / f"{number}.{'mlpackage' if program else 'mlmodel'}"
            case.model.save(path)
            predict = oracle(path)
            pairs = [(predict(data), case.model.predict(data)) for data in case.inputs]
            differences += [measure(case, output.name, pairs) for output in case.model.outputs]
    return differences


def measure(case: Case, output: str, pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Difference:
    """How far ours lies from Core ML's in one output."""
    values = [(theirs[output], ours[output]) for theirs, ours in pairs]
    if isinstance(values[0][0], (str, int)):
        different = sum(theirs != ours for theirs, ours in values)
        return Difference(case.name, output, len(pairs), None, different, case.decibels)
    arrays = [as_arrays(theirs, ours) for theirs, ours in values]
    ratios = [decibels(theirs, ours) for theirs, ours in arrays]
    largest = max(float(np.abs(theirs - ours).max(initial=0)) for theirs, ours in arrays)
    return Difference(case.name, output, len(pairs), min(ratios), largest, case.decibels)


def as_arrays(theirs: Any, ours: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Both as float64 of one shape: dictionaries by key, pictures as pixels."""
    if isinstance(theirs, Mapping):
        keys = sorted(theirs, key=str)
        assert keys == sorted(ours, key=str), "the dictionaries have different keys"
        theirs, ours = [theirs[key] for key in keys], [ours[key] for key in keys]
    first, second = (np.asarray(value, dtype=np.float64) for value in (theirs, ours))
    assert first.size == second.size, (first.shape, second.shape)
    return first, second.reshape(first.shape)


def decibels(signal: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The signal to noise ratio; +inf where both are equal."""
    noise = float(np.square(signal - other).sum())
    power = float(np.square(signal).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(power / noise) if power and math.isfinite(noise) else -math.inf


def table(title: str, differences: list[Difference]) -> str:
    """As Markdown."""
    rows = [f"## {title}", "", "| case | output | inputs | agrees | dB | asked | largest difference |"]
    rows.append("|---|---|--:|---|--:|--:|--:|")
    for row in differences:
        ratio = "" if row.decibels is None else "equal" if row.decibels == math.inf else f"{row.decibels:.1f}"
        asked = "same" if row.decibels is None else f"{row.wanted:g}"
        verdict = "yes" if row.agrees else "**no**"
        cells = (row.case, row.output, row.inputs, verdict, ratio, asked, f"{row.largest:.3g}")
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Compare, print, and write the report; 1 where something does not agree on the processor."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, help="also write the tables to this file")
    report = parser.parse_args().report
    text, agrees = f"# Core ML against mltoolkit {mlt.__version__}\n\n", True
    if sys.platform != "darwin":
        text += ABSENT + "\n"
    else:
        import platform

        text += f"macOS {platform.mac_ver()[0]}, {platform.machine()}\n\n"
        for units in ("CPU_ONLY", "ALL"):
            differences = compare(cases(), core_ml(units))
            # What the GPU and the neural engine round is no fault of anybody's; it is shown.
            agrees &= units == "ALL" or all(row.agrees for row in differences)
            text += table(units, differences) + "\n"
    print(text)
    if report:
        report.write_text(text, encoding="utf-8")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
