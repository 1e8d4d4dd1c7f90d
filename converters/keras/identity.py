"""What does nothing at inference: dropout, noise, regularization, random augmentation."""

from __future__ import annotations

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.registry import converts, converts_operation
from mltoolkit.converters.keras.tensors import Tensor


@converts(
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
    "CutMix",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "StochasticDepth",
)
def convert_identity(context: LayerContext) -> Tensor:
    """The input itself."""
    return context.tensor()


@converts_operation("StopGradient", "Copy", "ConvertToTensor")
def convert_identity_operation(context: LayerContext) -> Tensor:
    """The input itself."""
    return context.tensor()
