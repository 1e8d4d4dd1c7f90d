"""Packages that coremltools makes of a torch network: every precision and compression."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch_networks import Network

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import coremltools as ct  # noqa: E402  # after its warnings have been turned off
import coremltools.optimize.coreml as cto  # noqa: E402

Compress = Callable[[Any], Any]


def convert(network: Network, precision: str = "FLOAT32") -> Any:
    """The network as an ``MLModel`` of iOS 18 with one input ``x`` and one output ``y``."""
    with torch.no_grad():
        traced = torch.jit.trace(network.model, network.x)
    return ct.convert(
        traced,
        inputs=[ct.TensorType(name="x", shape=tuple(network.x.shape))],
        outputs=[ct.TensorType(name="y", dtype=np.float32)],
        convert_to="mlprogram",
        compute_precision=ct.precision[precision],
        minimum_deployment_target=ct.target.iOS18,
        skip_model_load=True,
    )


def decompressed(model: Any) -> Any:
    """The same weights as plain constants, by coremltools."""
    return cto.decompress_weights(model)


def _linear(**options: Any) -> Compress:
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(**options))
    return lambda model: cto.linear_quantize_weights(model, config)


def _palettes(bits: int, **options: Any) -> Compress:
    config = cto.OptimizationConfig(cto.OpPalettizerConfig(mode="uniform", nbits=bits, **options))
    return lambda model: cto.palettize_weights(model, config)


def _pruned(model: Any) -> Any:
    config = cto.OptimizationConfig(cto.OpMagnitudePrunerConfig(target_sparsity=0.5))
    return cto.prune_weights(model, config)


def _pruned_and_linear(model: Any) -> Any:
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear_symmetric"))
    return cto.linear_quantize_weights(_pruned(model), config, joint_compression=True)


def _pruned_and_palettized(model: Any) -> Any:
    config = cto.OptimizationConfig(cto.OpPalettizerConfig(mode="uniform", nbits=4))
    return cto.palettize_weights(_pruned(model), config, joint_compression=True)


def _palettes_of_codes(model: Any) -> Any:
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear_symmetric", granularity="per_tensor"))
    return cto.linear_quantize_weights(_palettes(4)(model), config, joint_compression=True)


COMPRESSIONS: dict[str, Compress] = {
    "int8": _linear(mode="linear_symmetric"),
    "int4, blocks of 32": _linear(mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=32),
    **{f"{bits}-bit palette": _palettes(bits) for bits in (1, 2, 3, 4, 6, 8)},
    "pruned": _pruned,
    "pruned, int8": _pruned_and_linear,
    "pruned, 4-bit palette": _pruned_and_palettized,
    "4-bit palette of int8": _palettes_of_codes,
}
