"""The weights of a neural network as coremltools quantizes them, to be measured beside ours.

Two things of coremltools 9 are repaired, which raise TypeError with protobuf 6 and later: its k-means gives a table of
shape (entries, 1), and its folding of a batch normalisation into a convolution multiplies (n, 1, 1) by (n, inputs).
"""

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
    """The module that does it, repaired."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from coremltools.models.neural_network import optimization_utils
        from coremltools.models.neural_network import quantization_utils as theirs
    cluster = theirs._get_kmeans_lookup_table_and_weight

    def flat(nbits: int, values: Any, **others: Any) -> tuple[Any, Any]:
        table, codes = cluster(nbits, values, **others)
        return table.ravel(), codes

    theirs._get_kmeans_lookup_table_and_weight = flat
    optimization_utils._conv_bn_fusion = _fold
    return theirs


def _fold(convolution_index: int, batchnorm_index: int, layers: Any) -> None:
    """Fold a batch normalisation into the convolution before it, and remove it."""
    layer, after = layers[convolution_index], layers[batchnorm_index]
    convolution, batchnorm = layer.convolution, after.batchnorm
    gamma, beta, mean, variance = (
        np.array(getattr(batchnorm, name).floatValue, dtype=np.float64)
        for name in ("gamma", "beta", "mean", "variance")
    )
    factor = gamma / np.sqrt(variance + batchnorm.epsilon)
    weights = np.array(convolution.weights.floatValue, dtype=np.float64)
    if convolution.isDeconvolution:
        raise NotImplementedError("a deconvolution with batch normalisation")
    bias = np.array(convolution.bias.floatValue, dtype=np.float64) if convolution.hasBias else 0.0
    convolution.weights.floatValue[:] = (weights.reshape(factor.size, -1) * factor[:, None]).ravel().tolist()
    convolution.bias.floatValue[:] = ((bias - mean) * factor + beta).tolist()
    convolution.hasBias = True
    layer.output[:] = list(after.output)
    del layers[batchnorm_index]


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
