"""Damaged ONNX models are imported or refused by an error of ours: no other error, no crash, no hang."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).parent / "onnx_mutation_worker.py"
SEEDS = 450
# Most take a few milliseconds; the machine may be busy.
SECONDS = 20.0


def test_damaged_models() -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", str(WORKER), "0", str(SEEDS)],
        capture_output=True,
        text=True,
        timeout=SECONDS * 30,
        check=False,
    )
    lines = finished.stdout.splitlines()
    last = lines[-1] if lines else "nothing"
    assert finished.returncode == 0, f"exit code {finished.returncode} at {last}: {finished.stderr[-500:]}"
    outcomes = [line for line in lines if " started" not in line]
    assert len(outcomes) == SEEDS, last
    faults = [line for line in outcomes if "FAULT" in line]
    assert not faults, "\n".join(faults)
    slow = [line for line in outcomes if float(line.split()[1]) > SECONDS]
    assert not slow, "\n".join(slow)
    # Damage that nothing notices, and damage that something does.
    fine = sum(line.split()[2] == "ok" for line in outcomes)
    assert SEEDS // 10 < fine < SEEDS * 9 // 10, fine
