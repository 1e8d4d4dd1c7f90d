"""Run ONNX's node tests through Core ML models and write docs/onnx-operators.md.

    python tests/onnx_suite/run.py                      # everything
    python tests/onnx_suite/run.py --only Resize,Pad    # some operators; the others keep their last outcome
    python tests/onnx_suite/run.py --failed             # those that did not pass the last time
    python tests/onnx_suite/run.py --report             # only write the document again

Each test of the installed onnx package is imported, written in both Core ML formats, read back and run; the outputs
are compared with ONNX's own by ONNX's own tolerances. Outcomes are kept in build/onnx_suite.json. Exit code 1: a
conversion that succeeded was wrong, or something crashed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from cases import load_cases
from report import failures, write_document

PROJECT = Path(__file__).resolve().parent.parent.parent
OUTCOMES = PROJECT / "build" / "onnx_suite.json"
DOCUMENT = PROJECT / "docs" / "onnx-operators.md"


def main() -> int:
    """Run, keep, report."""
    arguments = _arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cases = load_cases()
    known = {case.name for case in cases}
    outcomes: dict[str, Any] = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else {}
    outcomes = {name: outcome for name, outcome in outcomes.items() if name in known}
    if not arguments.report:
        chosen = [case for case in cases if not case.excluded]
        if arguments.only:
            wanted = {word.lower() for word in arguments.only.split(",")}
            chosen = [case for case in chosen if case.operator.lower() in wanted or case.name in wanted]
        if arguments.failed:
            chosen = [case for case in chosen if not _passed(outcomes.get(case.name))]
        _run(chosen, arguments.workers, outcomes)
    if arguments.failures:
        Path(arguments.failures).write_text(failures(cases, outcomes), encoding="utf-8")
    broken = [
        name
        for name, by_format in outcomes.items()
        for outcome in by_format.values()
        if outcome["status"] in ("wrong", "crashed")
    ]
    sys.stdout.write(write_document(cases, outcomes, DOCUMENT) + "\n")
    return 1 if broken else 0


def _run(chosen: list[Any], workers: int, outcomes: dict[str, Any]) -> None:
    import coremltools  # noqa: F401  (loaded once, before the workers fork)
    from case_workers import check_all

    OUTCOMES.parent.mkdir(exist_ok=True)
    for number, (name, by_format) in enumerate(check_all(chosen, workers), 1):
        outcomes[name] = by_format
        if number % 100 == 0 or number == len(chosen):
            sys.stderr.write(f"{number} of {len(chosen)}\n")
            temporary = OUTCOMES.with_suffix(".new")
            temporary.write_text(json.dumps(outcomes, indent=0, sort_keys=True), encoding="utf-8")
            temporary.replace(OUTCOMES)


def _passed(by_format: dict[str, Any] | None) -> bool:
    return by_format is not None and all(outcome["status"] == "passed" for outcome in by_format.values())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="operators or test names, separated by commas")
    parser.add_argument("--failed", action="store_true", help="only those that did not pass the last time")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--failures", help="also write the failures by operator to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
