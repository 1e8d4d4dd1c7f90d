"""The weights of a neural network as coremltools quantizes them, to be measured beside ours."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import mltoolkit as mlt


@cache
def _quantization_utils() -> Any:
    """The module that does it, repaired.

    Its k-means gives a table of shape (entries, 1), which protobuf 6 and later refuse to store (TypeError): it is made
    flat, the numbers stay. Convolutions with batch normalisation raise TypeError too; nothing is done about that.
    """
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from coremltools.models.neural_network import quantization_utils as theirs
    cluster = theirs._get_kmeans_lookup_table_and_weight

    def flat(nbits: int, values: Any, **others: Any) -> tuple[Any, Any]:
        table, codes = cluster(nbits, values, **others)
        return table.ravel(), codes

    theirs._get_kmeans_lookup_table_and_weight = flat
    return theirs


def coremltools_quantized(path: Path, nbits: int, mode: str) -> mlt.Model:
    """A model quantized by coremltools' NeuralNetwork path.

    Args:
        path: a .mlmodel file.
        nbits: 1 to 8.
        mode: ``linear`` or ``kmeans``.
    """
    theirs = _quantization_utils()
    # scikit-learn draws its k-means' start from NumPy's global generator.
    np.random.seed(0)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from coremltools.models import MLModel

        small = theirs.quantize_weights(MLModel(str(path)), nbits, mode)
    return mlt.load(small if hasattr(small, "SerializeToString") else small.get_spec())
