"""One custom layer, run by its Python class and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.custom_layers.promises import require_count, require_numbers, require_shape
from mltoolkit.errors import CustomLayerError
from mltoolkit.graph.builder import shape_of
from mltoolkit.graph.model_graph import CustomNode


class CustomStep:
    """Evaluates a custom layer.

    Args:
        node: its node in the graph.
        custom: the layer's name and Python object.
    """

    def __init__(self, node: ir.Node, custom: CustomNode) -> None:
        self.input_names = [value.name or "" for value in node.inputs if value is not None]
        self.output_names = [value.name or "" for value in node.outputs]
        self._shapes = [shape_of(value) for value in node.outputs]
        self._custom = custom
        self._where = f"custom layer {custom.layer!r} ({node.op_type})"

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The layer's outputs by value name.

        Raises:
            CustomLayerError: the layer raised, changed its inputs, returned something else than it announced, or
                returned NaN for inputs without.
        """
        inputs = []
        for name in self.input_names:
            view = feeds[name].view()
            view.flags.writeable = False
            inputs.append(view)
        try:
            results = self._custom.implementation.evaluate(inputs)
        except Exception as error:
            raise CustomLayerError(
                f"evaluate failed: {type(error).__name__}: {error}",
                where=self._where,
                fix="Inputs are read-only: copy one before changing it" if "read-only" in str(error) else None,
            ) from error
        require_count(results, len(self.output_names), self._where)
        outputs = {
            name: self._checked(index, result)
            for index, (name, result) in enumerate(zip(self.output_names, results, strict=True))
        }
        for index, output in enumerate(outputs.values()):
            require_numbers(index, output, inputs, self._where)
        return outputs

    def _checked(self, index: int, result: object) -> NDArray[np.float32]:
        if not isinstance(result, np.ndarray) or result.dtype.kind not in "fiub":
            raise CustomLayerError(
                f"output {index} must be an array of numbers, not {getattr(result, 'dtype', type(result).__name__)}",
                where=self._where,
            )
        require_shape(index, result, self._shapes[index], self._where)
        return np.ascontiguousarray(result, dtype=np.float32)
