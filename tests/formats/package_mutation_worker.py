"""Loads, looks at and runs damaged packages, in a process of its own; see test_package_mutations.py.

    python package_mutation_worker.py FIRST STOP STEP      says "SEED started", then "SEED SECONDS MEGABYTES OUTCOME"

By hand, one seed with its traceback:

    python package_mutation_worker.py SEED
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import time
import traceback
import tracemalloc
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx
import onnxruntime
from mutation_worker import inputs_for, limit_memory, peak_megabytes, say
from package_mutations import damage_package
from small_packages import SMALL_PACKAGES, manifest, manifest_text, write_parts

import mltoolkit as mlt
from mltoolkit.cli.inspect import inspect
from mltoolkit.errors import MLToolkitError

# What may be read besides the package: Python's own files, and the package's library.
_ALLOWED = tuple(
    str(Path(path).resolve())
    for path in {sys.prefix, sys.base_prefix, Path(mlt.__file__).parents[1], *filter(None, sys.path), "/proc", "/dev"}
)
# Before a fault is found, no more is allocated than this in multiples of the package's and the caller's bytes, and
# beside them: 0.14 MB is the most that was seen of Python's own objects.
_TIMES, _BESIDE = 4, 1 << 19


class Watch:
    """What is opened, by Python and by onnxruntime."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.watching = False
        sys.addaudithook(self._hook)
        make_session = onnxruntime.InferenceSession

        def watched(model: bytes, *arguments: Any, **options: Any) -> Any:
            for tensor in onnx.load_from_string(model).graph.initializer:
                places = {entry.key: entry.value for entry in tensor.external_data}
                if places.get("location", "memory") != "memory":
                    self.opened.append(f"/{places['location']}")
            return make_session(model, *arguments, **options)

        onnxruntime.InferenceSession = watched

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.watching and event in ("open", "os.listdir", "os.scandir"):
            path = arguments[0]
            if isinstance(path, (str, bytes, os.PathLike)):
                self.opened.append(os.fsdecode(path))

    def outside(self, package: Path) -> list[str]:
        """What was opened outside a package since the last call, links followed."""
        allowed = (str(package.resolve()), *_ALLOWED)
        found = {os.path.realpath(path) for path in self.opened}
        self.opened.clear()
        return sorted(path for path in found if not path.startswith(allowed))


def originals() -> dict[str, tuple[bytes, bytes]]:
    """Model and weights of the packages that are damaged."""
    built = {name: build() for name, build in SMALL_PACKAGES.items()}
    return {name: (spec.SerializeToString(), weights) for name, (spec, weights) in built.items()}


def write_outside(folder: Path, parts: dict[str, tuple[bytes, bytes]]) -> None:
    """What links and paths lead to: files of a package's names that are good in themselves, one level up and down."""
    model, weights = parts["convolutional"]
    write_parts(folder, manifest_text(manifest()), model, weights)
    (folder / "weights").mkdir()
    (folder / "weights" / "weight.bin").write_bytes(weights)
    (folder / "weight.bin").write_bytes(weights)
    (folder / "model.mlmodel").write_bytes(model)


def attempt(path: Path, seed: int) -> tuple[str, int]:
    """Load a package, look at it in every way and run it; what came of it, and the bytes that it was fed."""
    given = 0
    try:
        model = mlt.load(path)
        model.summary()
        # Tables take longer than all the rest.
        if seed % 2 == 0:
            with contextlib.redirect_stdout(io.StringIO()):
                inspect(str(path), shapes=seed % 4 == 0, function="", as_json=seed % 16 != 0, custom_layers=None)
        data = inputs_for(model)
        if data is None:
            return "too large to feed", given
        given = sum(np.asarray(value).nbytes for value in data.values())
        model.predict(data, threads=1)
    except MLToolkitError as error:
        return type(error).__name__, given
    return "ran", given


def checked(path: Path, seed: int, watch: Watch, *, first: bool = True) -> str:
    """The outcome of an attempt; after a ``!`` what it should not have done."""
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    watch.watching = True
    tracemalloc.start(1)
    try:
        outcome, given = attempt(path, seed)
    except BaseException:  # whatever it is, it should have been an error of ours
        return "! " + json.dumps(traceback.format_exc(limit=-6))
    finally:
        watch.watching = False
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        outside = watch.outside(path)
    if outside:
        return "! " + json.dumps(f"{outcome}, but read {outside}")
    if outcome not in ("ran", "PredictionError") and peak > _BESIDE + _TIMES * (size + given):
        if first:
            # Now and then a table of Python's own grows, such as that of interned strings: by 3.8 MB on Python 3.13.
            return checked(path, seed, watch, first=False)
        return "! " + json.dumps(f"{outcome}, but {peak:,} bytes were allocated for a package of {size:,}")
    return outcome


def damaged(scratch: Path, seed: int, parts: dict[str, tuple[bytes, bytes]]) -> tuple[Path, str]:
    """The package that belongs to a seed, and its damage."""
    name = list(parts)[seed % len(parts)]
    path = scratch / str(seed) / "damaged.mlpackage"
    path.parent.mkdir()
    return path, f"{name}: {damage_package(path, *parts[name], scratch / 'outside', seed)}"


def run(seeds: range) -> None:
    """Try every seed and report on stdout."""
    parts, watch = originals(), Watch()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_outside(scratch / "outside", parts)
        for number, (model, weights) in enumerate(parts.values()):
            # Everything is imported once before anything counts.
            path = scratch / f"whole{number}.mlpackage"
            write_parts(path, manifest_text(manifest()), model, weights)
            assert [attempt(path, number)[0] for number in (0, 4, 2)] == ["ran"] * 3
        limit_memory()
        for seed in seeds:
            say(seed, "started")
            path, _ = damaged(scratch, seed, parts)
            start = time.process_time()
            outcome = checked(path, seed, watch)
            say(seed, round(time.process_time() - start, 3), peak_megabytes(), outcome)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    if len(numbers) == 3:
        run(range(*numbers))
    else:
        np.set_printoptions(threshold=20)
        whole = originals()
        with tempfile.TemporaryDirectory() as name:
            write_outside(Path(name) / "outside", whole)
            file, damage = damaged(Path(name), numbers[0], whole)
            say(damage)
            say(checked(file, numbers[0], Watch()).replace("\\n", "\n"))
