"""Set-up and the daily jobs, with nothing but Python and pip: ``python develop.py demo|test|check|…``.

Makes the virtual environment .venv beside this file when it is missing, installs the pinned development environment
into it when the pins have changed, and runs the job there. Further arguments go to the job's own tool.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
ENVIRONMENT = PROJECT / ".venv"
CONSTRAINTS = PROJECT / "constraints.txt"
STAMP = ENVIRONMENT / "installed-from"
# What a job needs besides mltoolkit: dependency groups of pyproject.toml.
GROUPS = {
    "demo": (),
    "test": ("test", "docs"),
    "conformance": ("conformance",),
    "check": ("check", "docs", "release"),
    "docs": ("docs",),
    "wheel": ("release",),
    "install": ("test", "conformance", "check", "docs", "release"),
}
SUPPORTED = ((3, 11), (3, 14))

JOBS = {
    "demo": "quantize the embedded digit classifier at 8 to 1 bits and print the agreement table",
    "test": "run the tests (arguments go to pytest)",
    "conformance": "Apple's own tests (arguments go to tests/apple/run.py; --subset for a quick sample)",
    "check": "ruff, mypy, the documentation site, the news, the workflow: what a change must pass besides the tests",
    "docs": "build the documentation site in build/site (arguments go to mkdocs build)",
    "wheel": "build sdist and wheel, install the wheel into an environment of its own, test it there",
    "install": "only make the environment",
}


def environment_python() -> Path:
    """The interpreter inside .venv."""
    folder, name = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    return ENVIRONMENT / folder / name


PIP = (environment_python(), "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, quiet_warnings: bool = False) -> None:
    """Run a command in the project folder; stop with its exit code when it fails."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"} if quiet_warnings else None
    code = subprocess.run([str(part) for part in command], cwd=PROJECT, env=environment, check=False).returncode
    if code:
        sys.exit(code)


def install(groups: tuple[str, ...]) -> None:
    """Make .venv and install mltoolkit and the dependency groups, pinned, unless they are there already."""
    pins = hashlib.sha256(CONSTRAINTS.read_bytes() + (PROJECT / "pyproject.toml").read_bytes()).hexdigest()
    lines = STAMP.read_text(encoding="utf-8").split() if STAMP.exists() else []
    installed = lines[1:] if lines[:1] == [pins] else []
    if lines[:1] == [pins] and set(groups) <= set(installed):
        return
    print(f"Setting up .venv for {' and '.join(groups) or 'mltoolkit'} (minutes the first time) …", flush=True)
    if not environment_python().exists():
        venv.EnvBuilder(with_pip=True).create(ENVIRONMENT)
    run(*PIP, "install", "--upgrade", "pip>=25.1")
    # setuptools warns about folders that an editable installation shadows; ours are meant to be.
    run(
        *PIP,
        *("install", "--constraint", CONSTRAINTS, "--editable", ".[dataframe,ssim,plots]"),
        *(option for group in groups for option in ("--group", group)),
        quiet_warnings=True,
    )
    STAMP.write_text("\n".join([pins, *sorted({*installed, *groups})]), encoding="utf-8")


def main() -> None:
    """Parse the job, set up, run it."""
    if not SUPPORTED[0] <= sys.version_info[:2] < SUPPORTED[1]:
        sys.exit(f"mltoolkit needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]} ({sys.executable}).")
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:9} {text}" for name, text in JOBS.items()),
    )
    parser.add_argument("job", choices=JOBS)
    arguments, rest = parser.parse_known_args()
    install(GROUPS[arguments.job])
    python = environment_python()
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")  # an advertisement of its theme's on stderr
    if arguments.job == "demo":
        run(python, "-m", "mltoolkit", "demo", *rest)
    elif arguments.job == "test":
        run(python, "-m", "pytest", "-n", "auto", *rest)
    elif arguments.job == "conformance":
        run(python, "tests/apple/run.py", *rest)
    elif arguments.job == "wheel":
        run(python, "tests/release/run.py", *rest)
    elif arguments.job == "check":
        run(python, "-m", "ruff", "check", ".")
        run(python, "-m", "ruff", "format", "--check", ".")
        run(python, "-m", "mypy", *rest)
        run(python, "-m", "mkdocs", "build", "--strict", "--quiet")
        run(python, "-m", "towncrier", "build", "--draft", "--version", "next")
        schema = ("--builtin-schema", "vendor.github-workflows")
        run(python, "-m", "check_jsonschema", *schema, *sorted((PROJECT / ".github" / "workflows").glob("*.yml")))
    elif arguments.job == "docs":
        run(python, "-m", "mkdocs", "build", "--strict", *rest)
        print(f"The first page: {PROJECT / 'build' / 'site' / 'index.html'} (its search needs a server: mkdocs serve)")


if __name__ == "__main__":
    main()
