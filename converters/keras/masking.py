"""Keras' masks: which time steps count.

Keras attaches a mask to the output of Embedding(mask_zero=True) and Masking; later layers look at it or hand it on.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mltoolkit.converters.keras.tensors import Mask, Tensor

if TYPE_CHECKING:
    from mltoolkit.converters.keras.context import LayerContext

# Layers whose call takes a mask that only matters in training.
_TRAINING_ONLY = frozenset(("BatchNormalization",))


def refuse_masks(context: LayerContext) -> None:
    """Refuse a layer whose result a mask would change, when its converter does not look at masks."""
    if not any(tensor.mask for tensor in context.inputs) or context.class_name in _TRAINING_ONLY:
        return
    parameters = inspect.signature(context.source.call).parameters
    if any(name == "mask" or name.endswith("_mask") for name in parameters):
        context.refuse(
            "its input carries a mask (of Masking, or of Embedding with mask_zero), which changes what it computes",
            "the model without Masking and mask_zero, for inputs of full length",
        )


def with_masks(context: LayerContext, outputs: Sequence[Tensor]) -> list[Tensor]:
    """Outputs with the masks that Keras would attach, where the converter attached none."""
    masks = [tensor.mask for tensor in context.inputs if tensor.mask]
    if not masks or not getattr(context.source, "supports_masking", False):
        return list(outputs)
    # Layers with a rule of their own: what they make of the mask is not known here.
    default = type(context.source).compute_mask is context.walk.keras.layers.Layer.compute_mask
    handed_on = context.inputs[0].mask if default else Mask(None)
    return [output if output.mask else replace(output, mask=handed_on) for output in outputs]
