"""Loads and runs damaged models, in a process of its own that may crash or hang; see test_mutations.py.

    python mutation_worker.py FIRST STOP STEP      says "SEED started", then "SEED SECONDS MEGABYTES OUTCOME"

By hand, one seed with its traceback:

    python mutation_worker.py SEED
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from layer_parade import recurrent_zoo, spatial_zoo
from mutations import Mutation, mutate
from small_models import SMALL_MODELS

import mltoolkit as mlt
from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import ArrayFeature, ImageFeature

MODELS = SMALL_MODELS | {"spatial_zoo": spatial_zoo, "recurrent_zoo": recurrent_zoo}
# Above what the process holds after its imports. Sizes that validation lets through need less.
_MEMORY_BYTES = 4 << 30
QUANTIZATIONS = ((8, "linear"), (4, "kmeans"), (16, "linear"), (8, "dequantization"), (3, "linear_lut"))
# A caller who has to hand over more than this would notice that something is wrong with the model.
_MAX_GIVEN_ELEMENTS = 1 << 20


def limit_memory() -> None:
    """Let allocations beyond the limit fail, where the system can do that."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY_BYTES,) * 2)


def originals() -> list[bytes]:
    """The files that are damaged."""
    return [build().SerializeToString() for build in MODELS.values()]


def damaged(files: list[bytes], seed: int) -> tuple[str, Mutation]:
    """The model and the damage that belong to a seed."""
    number = seed % len(files)
    return list(MODELS)[number], mutate(files[number], seed // len(files))


def inputs_for(model: mlt.Model) -> dict[str, Any] | None:
    """Inputs as the model describes them; None if they were absurdly large."""
    data: dict[str, Any] = {}
    total = 0
    for feature in model.inputs:
        if isinstance(feature, ImageFeature):
            data[feature.name] = np.full((8, 8, 3), 100, np.uint8)
        elif isinstance(feature, ArrayFeature):
            shape = tuple(size or 1 for size in feature.shape)
            total += int(np.prod([float(size) for size in shape]))
            if total > _MAX_GIVEN_ELEMENTS:
                return None
            if not feature.optional:
                data[feature.name] = np.ones(shape, np.float32)
        else:
            data[feature.name] = 1
    return data


def attempt(path: Path, quantization: tuple[int, str] = (8, "linear")) -> str:
    """Load, quantize and run a file; what came of running it."""
    try:
        model = mlt.load(path)
        model.summary()
        with contextlib.suppress(MLToolkitError):  # weights that no layer reads may be damaged
            mlt.quantize_weights(model, *quantization)
        data = inputs_for(model)
        if data is None:
            return "too large to feed"
        model.predict(data, threads=1)
    except MLToolkitError as error:
        return type(error).__name__
    return "ran"


def say(*words: object) -> None:
    """One line to whoever watches, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def peak_megabytes() -> int:
    """The most memory that this process has used so far, where that can be told, else 0."""
    # Not ru_maxrss, which starts with the peak of the process that started this one.
    with contextlib.suppress(OSError):
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["VmHWM"].split()[0]) >> 10
    return 0


def run(seeds: range) -> None:
    """Try every seed and report on stdout."""
    files = originals()
    limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.mlmodel"
        for seed in seeds:
            say(seed, "started")
            path.write_bytes(damaged(files, seed)[1].data)
            start = time.process_time()
            try:
                outcome = attempt(path, QUANTIZATIONS[seed % len(QUANTIZATIONS)])
            except BaseException:  # whatever it is, it should have been an error of ours
                outcome = "! " + json.dumps(traceback.format_exc(limit=-6))
            say(seed, round(time.process_time() - start, 3), peak_megabytes(), outcome)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    if len(numbers) == 3:
        run(range(*numbers))
    else:
        name, mutation = damaged(originals(), numbers[0])
        say(f"{name}: {mutation.description}")
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "damaged.mlmodel"
            file.write_bytes(mutation.data)
            loaded = mlt.load(file)
            say(loaded, loaded.summary())
            say(loaded.predict(inputs_for(loaded) or {}, threads=1))
