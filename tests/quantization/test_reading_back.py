"""The noise of stored weights, measured piece by piece, is that of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from program_zoo import ProgramBuilder

from mltoolkit.quantization import reading_back
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import Job, quantize, read_back
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.sqnr import sqnr_db


@pytest.mark.parametrize("piece", [1 << 16, 3000, 1])
@pytest.mark.parametrize(
    "options",
    [
        {"nbits": 8},
        {"nbits": 4, "per_channel": False},
        {"nbits": 4, "granularity": "per_block", "block_size": 8},
        {"nbits": 4, "granularity": "per_block", "block_size": [6, 0]},
        {"nbits": 3, "quantization_mode": "kmeans"},
        {"nbits": 3, "quantization_mode": "kmeans", "cluster_dim": 2},
        {"nbits": 16},
    ],
    ids=str,
)
def test_pieces_give_what_the_whole_gives(options: dict[str, Any], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_back, "_PIECE", piece)
    build = ProgramBuilder("CoreML8")
    weight = build.weight("w", 24, 32)
    from mil_programs import Ref

    model = build.finish(build.add("linear", "out", (1, 8, 12, 24), x=Ref("x"), weight=weight), (1, 8, 12, 24))
    rewriter, config = open_rewriter(model), QuantizationConfig(**options)
    (slot,) = rewriter.slots
    job = Job(rewriter.values(slot), config.form(slot), slot)
    stored = quantize(config.mode, job)
    expected = sqnr_db(job.values, read_back(stored, job))
    # The sums are the same up to the order of their float64 terms.
    assert reading_back.stored_sqnr_db(stored, job) == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(expected)
