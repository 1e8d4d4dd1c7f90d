"""Programs whose messages are damaged: errors of ours, and nothing else."""

from __future__ import annotations

import logging
import random
from functools import cache

import pytest
from google.protobuf.message import DecodeError
from program_zoo import chain

import mltoolkit as mlt
from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.protobuf import new_model


@cache
def sources() -> list[tuple[bytes, mlt.Model]]:
    """A plain program, and compressed ones of either kind of operations."""
    models = [
        chain("CoreML6"),
        mlt.quantize_weights(chain("CoreML6"), 4, "kmeans"),
        mlt.quantize_weights(chain("CoreML8"), 4, granularity="per_block", block_size=4),
        mlt.prune_weights(chain("CoreML8"), target_sparsity=0.5, nbits=4),
    ]
    return [(model.spec.SerializeToString(deterministic=True), model) for model in models]


def damaged(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place, kind = rng.randrange(len(changed)), rng.random()
        if kind < 0.6:
            changed[place] = rng.randrange(256)
        elif kind < 0.8:
            del changed[place : place + rng.randint(1, 4)]
        else:
            changed[place:place] = bytes([rng.randrange(256)])
    return bytes(changed)


@pytest.mark.parametrize("part", range(4))
def test_damaged_programs_give_errors_of_ours(part: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    data, source = sources()[part]
    done = refused = 0
    for seed in range(700):
        spec = new_model()
        try:
            spec.ParseFromString(damaged(data, random.Random(1000 * part + seed)))
        except DecodeError:
            continue
        try:
            model = mlt.Model(spec, weights_dir=source.weights)
            target = "iOS18" if seed % 3 == 0 else "iOS16"
            mlt.quantize_weights(
                model, 8, "linear" if seed % 2 else "kmeans", minimum_deployment_target=target, only_if_smaller=False
            )
            done += 1
        except MLToolkitError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {1000 * part + seed}: {type(error).__name__}: {error}") from error
    assert done > 5 and refused > 5, f"{done} worked, {refused} were refused"
