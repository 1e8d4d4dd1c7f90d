"""Matrices in the last two axes with all but a triangle or a band set to 0.

Source: NeuralNetwork.proto, messages MatrixBandPartLayerParams, UpperTriangularLayerParams and
LowerTriangularLayerParams.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import MAX_SIZE
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("upperTriangular")
def upper_triangular(context: LayerContext, layer: Any) -> None:
    """What lies on and above the diagonal number ``k``."""
    context.output(_triangle(context, _matrices(context), layer.upperTriangular.k, upper=True))


@converts("lowerTriangular")
def lower_triangular(context: LayerContext, layer: Any) -> None:
    """What lies on and below the diagonal number ``k``."""
    context.output(_triangle(context, _matrices(context), layer.lowerTriangular.k, upper=False))


@converts("matrixBandPart")
def matrix_band_part(context: LayerContext, layer: Any) -> None:
    """``numLower`` diagonals below and ``numUpper`` above the main one; all where negative."""
    params = layer.matrixBandPart
    value = _matrices(context)
    if params.numLower >= 0:
        value = _triangle(context, value, -params.numLower, upper=True)
    if params.numUpper >= 0:
        value = _triangle(context, value, params.numUpper, upper=False)
    context.output(value)


def _matrices(context: LayerContext) -> ir.Value:
    value = context.input()
    if len(shape_of(value)) < 2:
        raise InvalidModelError(
            f"the layer takes matrices but gets a blob of shape {shape_of(value)}", where=context.where
        )
    return value


def _triangle(context: LayerContext, value: ir.Value, diagonal: int, *, upper: bool) -> ir.Value:
    # No axis is longer than MAX_SIZE: diagonals beyond are outside every matrix, on the same side.
    k = context.builder.constant(max(-MAX_SIZE, min(MAX_SIZE, int(diagonal))))
    return context.builder.op("Trilu", value, k, attributes={"upper": int(upper)})
