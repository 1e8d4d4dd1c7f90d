"""A model whose weights are being rewritten, whatever its format.

:func:`open_rewriter` lists the weights of a model as slots. Each may be read, asked about and written, in any order
and once; ``finish`` gives the new model, in which nothing but the written weights differs. Both kinds of quantization,
from the values alone and calibrated, go this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltoolkit.quantization.rewriting_spec import SpecRewriter
from mltoolkit.quantization.weight_access import ModelRewriter

if TYPE_CHECKING:
    from mltoolkit.model import Model


def open_rewriter(model: Model, *, minimum_deployment_target: str | None = None) -> ModelRewriter:
    """Open a model to rewrite its weights; it is not changed.

    Args:
        model: the model.
        minimum_deployment_target: the oldest system that the new model shall be for, such as ``iOS18``: ML Programs of
            older ones are raised. Neural networks have all their forms everywhere.

    Raises:
        ArgumentError: there is no such system, or a program cannot be made for it.
        UnsupportedModelError: the model holds no weights that could be quantized.
    """
    return _ModelRewriter(model, minimum_deployment_target)


class _ModelRewriter(SpecRewriter):
    """The weights of a :class:`mltoolkit.Model`."""

    def __init__(self, model: Model, minimum_deployment_target: str | None) -> None:
        super().__init__(model.spec, model.weights, minimum_deployment_target)
        self._model = model

    def finish(self) -> Model:
        """See :class:`~mltoolkit.quantization.weight_access.ModelRewriter`."""
        from mltoolkit.model import Model

        old = self._model
        return Model(
            self.finish_spec(),
            name=old.name,
            custom_layers=old.custom_layers,
            weights_dir=self.weights,
            function_name=old.chosen_function or "",
        )
