"""Build the wheel and the sdist, and test what was built: ``python develop.py wheel``.

The wheel is built from the sdist, installed into an environment of its own, and tested there from an empty folder: no
file of the checkout is imported but the tests. Arguments go to pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
BUILD = PROJECT / "build"
DISTRIBUTIONS = BUILD / "dist"
ENVIRONMENT = BUILD / "wheel-environment"
# What an installation must be able to do, in about a minute; the whole suite has run on the same sources.
SMOKE_TESTS = (
    "release",
    "cli/test_cli.py",
    "comparison/test_harness.py",
    "custom_layers/test_registry.py",
    "custom_layers/test_shipped_layers.py",
    "digits/test_digit_model.py",
    "docs/test_docs_code.py",
    "quantization/test_quantize_weights.py",
    "swift_package",
    "test_model.py",
    "test_model_saving.py",
    "test_public_names.py",
)


def run(*command: str | Path, folder: Path = PROJECT) -> None:
    """Run a command; stop with its exit code when it fails. No path of the caller's leads to the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["MLTOOLKIT_DISTRIBUTIONS"] = str(DISTRIBUTIONS)
    code = subprocess.run([str(part) for part in command], cwd=folder, env=environment, check=False).returncode
    if code:
        sys.exit(code)


def build() -> Path:
    """The wheel, made from the sdist beside it."""
    for folder in (DISTRIBUTIONS, BUILD / "lib"):
        shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DISTRIBUTIONS, ".")
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(DISTRIBUTIONS.iterdir()))
    (wheel,) = DISTRIBUTIONS.glob("*.whl")
    return wheel


def install(wheel: Path) -> Path:
    """The interpreter of a new environment with the wheel and what its tests need, pinned."""
    venv.EnvBuilder(with_pip=True, clear=True).create(ENVIRONMENT)
    inside, name = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    python = ENVIRONMENT / inside / name
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    run(*pip, "--upgrade", "pip>=25.1")
    run(*pip, "--constraint", "constraints.txt", "--group", "smoke", f"{wheel}[dataframe,plots]")
    return python


def main() -> None:
    """Build, install, test."""
    python = install(build())
    empty = BUILD / "wheel-tests"
    shutil.rmtree(empty, ignore_errors=True)
    empty.mkdir(parents=True)
    tests = [PROJECT / "tests" / name for name in SMOKE_TESTS]
    # Importing "pytest" as a module would put the folder it is started from on the path; -P does not.
    options = ("-P", "-m", "pytest", "-c", PROJECT / "pyproject.toml", "--rootdir", PROJECT, "-p", "no:cacheprovider")
    run(python, *options, "-n", "auto", *tests, *sys.argv[1:], folder=empty)


if __name__ == "__main__":
    main()
