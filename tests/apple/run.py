"""Run Apple's own tests with our runtime behind ``MLModel.predict``, and write docs/conformance.md.

    python tests/apple/run.py                     # everything: hours on 2 cores
    python tests/apple/run.py nn-layers mil-ops   # some suites; the others keep their last outcome
    python tests/apple/run.py --report            # only write the document again
    python tests/apple/run.py --subset            # a few hundred tests, in CI: fails on what the document does not list

The tests are those of the installed coremltools wheel, unchanged; the plugin that replaces the prediction is
../shared/tools/apple_suite.py. They need torch, scipy and pandas (``pip install -c constraints.txt --group
conformance``). Outcomes are kept in build/conformance, one file a suite.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

from report import read_outcomes, write_report
from suites import SUBSET, SUITES, Suite

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
OUTCOMES = PROJECT / "build" / "conformance"
DOCUMENT = PROJECT / "docs" / "conformance.md"
TOOLS = Path(os.environ.get("MLTOOLKIT_SHARED", PROJECT.parent / "shared")) / "tools"


def coremltools_folder() -> Path:
    """Where the wheel is installed."""
    found = importlib.util.find_spec("coremltools")
    if found is None or found.origin is None:
        sys.exit("coremltools is not installed")
    return Path(found.origin).parent


def command(suite: Suite) -> list[str]:
    """pytest's command line for a suite."""
    root = coremltools_folder()
    words = [sys.executable, "-m", "pytest", "-p", "apple_suite", "-p", "recording", "-p", "no:cacheprovider"]
    words += ["-q", "--tb=short", "--no-header", "-W", "ignore", f"--rootdir={root}", "-c", os.devnull]
    if suite.workers > 1:
        words += ["-n", str(suite.workers), "-p", "xdist"]
    if suite.keyword:
        words += ["-k", suite.keyword]
    words += [f"--ignore={root / path}" for path in suite.ignore]
    return [*words, *(str(root / path) for path in suite.paths)]


def stand_in_for_sw_vers() -> Path:
    """A folder with a command ``sw_vers``, which coremltools calls on what it takes for a Mac."""
    folder = OUTCOMES / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "sw_vers"
    script.write_text("#!/bin/sh\necho 26.0\n", encoding="utf-8")
    script.chmod(0o755)
    return folder


def environment(outcomes: Path, sample: int) -> dict[str, str]:
    """The variables that the plugins read."""
    paths = [str(HERE), str(HERE.parent), str(PROJECT), str(TOOLS), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PATH": os.pathsep.join([str(stand_in_for_sw_vers()), os.environ.get("PATH", "")]),
        "APPLE_SUITE_PREDICT": "apple_suite_adapter:predict",
        "APPLE_SUITE_STATE": "apple_suite_adapter:make_state",
        "APPLE_OUTCOMES": str(outcomes),
        "APPLE_SAMPLE": str(sample),
        # One thread a process: there is a process a core already.
        "OMP_NUM_THREADS": "1",
        # NumPy's vectorised argsort orders equal numbers by the processor's features; the expected values of two
        # tests of topK are those of the plain one.
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR" if platform.machine() == "x86_64" else "",
    }


def run(suite: Suite, folder: Path, sample: int = 0) -> Path:
    """Run a suite and return the file of its outcomes, which replace those of the last time."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = folder / f"{suite.name}.jsonl"
    outcomes.unlink(missing_ok=True)
    print(f"== {suite.name}: {suite.title}", flush=True)
    with (folder / f"{suite.name}.log").open("w", encoding="utf-8") as log:
        subprocess.run(
            command(suite),
            env=environment(outcomes, sample or suite.sample),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not outcomes.exists():
        sys.exit(f"no test ran; see {log.name}")
    return outcomes


def run_subset() -> None:
    """Run the samples of SUBSET and stop with 1 where a test fails that the document does not list."""
    listed = DOCUMENT.read_text(encoding="utf-8")
    unlisted, count = [], 0
    for suite in SUBSET:
        rows = read_outcomes(run(suite, OUTCOMES / "subset"))
        count += len(rows)
        unlisted += [row for row in rows if row["outcome"] == "failed" and f"`{row['test']}`" not in listed]
    for row in unlisted:
        print(f"{row['test']}: {row['reason']}")
    print(f"{count - len(unlisted)} passed, {len(unlisted)} failed")
    sys.exit(1 if unlisted else 0)


def main() -> None:
    """Run the suites that are named, and write the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", choices=[[], *(suite.name for suite in SUITES)])
    parser.add_argument("--report", action="store_true", help="only write docs/conformance.md again")
    parser.add_argument("--subset", action="store_true", help="a seeded sample, checked against the document")
    parser.add_argument("--sample", type=int, default=0, help="draw this many tests of each suite, with a fixed seed")
    arguments = parser.parse_args()
    if not (TOOLS / "apple_suite.py").exists():
        sys.exit(f"the plugin apple_suite.py is not in {TOOLS}; set MLTOOLKIT_SHARED")
    if arguments.subset:
        run_subset()
    if not arguments.report:
        for suite in SUITES:
            if not arguments.suites or suite.name in arguments.suites:
                run(suite, OUTCOMES, arguments.sample)
    write_report(SUITES, OUTCOMES, DOCUMENT)


if __name__ == "__main__":
    main()
