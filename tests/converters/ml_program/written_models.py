"""Small torch models in the shape of well-known ones, converted and compressed by coremltools itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Weights of fewer elements are left alone; coremltools' default of 2048 would spare nearly all of these.
THRESHOLD = 100


class ResNetLike(nn.Module):
    """Two residual blocks, one with a stride, between a stem and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.plain = self._branch(16, 16, 1)
        self.strided = self._branch(16, 32, 2)
        self.shortcut = nn.Sequential(nn.Conv2d(16, 32, 1, stride=2, bias=False), nn.BatchNorm2d(32))
        self.head = nn.Linear(32, 10)

    @staticmethod
    def _branch(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = functional.relu(x + self.plain(x))
        x = functional.relu(self.shortcut(x) + self.strided(x))
        return self.head(functional.adaptive_avg_pool2d(functional.max_pool2d(x, 3, 2, 1), 1).flatten(1))


class MobileNetLike(nn.Module):
    """Two inverted residuals with depthwise convolutions and ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = self._block(8, 8), self._block(8, 12)
        self.head = nn.Linear(12, 10)
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)

    @staticmethod
    def _block(inputs: int, outputs: int) -> nn.Sequential:
        wide = 4 * inputs
        return nn.Sequential(
            nn.Conv2d(inputs, wide, 1),
            nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
            nn.ReLU6(),
            nn.Conv2d(wide, outputs, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.stem(x))
        return self.head(self.second(x + self.first(x)).mean((2, 3)))


class TransformerBlock(nn.Module):
    """Attention with four heads and a gated-free MLP, both behind a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.norm_mlp = nn.LayerNorm(32), nn.LayerNorm(32)
        self.qkv, self.project = nn.Linear(32, 96), nn.Linear(32, 32)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        qkv = self.qkv(self.norm(x)).reshape(1, 12, 3, 4, 8).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.project(attended.transpose(1, 2).reshape(1, 12, 32))
        return x + self.mlp(self.norm_mlp(x))


class Recurrent(nn.Module):
    """An embedding's worth of vectors through a recurrent layer and a classifier of each step."""

    def __init__(self, layer: Callable[..., nn.Module], directions: int) -> None:
        super().__init__()
        self.layer = layer(12, 16, batch_first=True, bidirectional=directions == 2)
        self.head = nn.Linear(16 * directions, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x)[0])


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (ResNetLike, (1, 3, 16, 16)),
    "mobilenet": (MobileNetLike, (1, 3, 16, 16)),
    "transformer": (TransformerBlock, (1, 12, 32)),
    "lstm": (lambda: Recurrent(nn.LSTM, 2), (1, 9, 12)),
    "gru": (lambda: Recurrent(nn.GRU, 1), (1, 9, 12)),
}


@functools.cache
def torch_model(name: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """The traced model, an input and its output."""
    torch.manual_seed(7)
    make, shape = MODELS[name]
    model = make().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        x = torch.randn(shape)
        return torch.jit.trace(model, x), x.numpy(), model(x).numpy()


@functools.cache
def converted(name: str, target: str, precision: str = "FLOAT32") -> Any:
    """The model as an MLModel."""
    traced, x, _ = torch_model(name)
    return ct.convert(
        traced,
        inputs=[ct.TensorType(name="x", shape=x.shape)],
        outputs=[ct.TensorType(name="y", dtype=np.float32)],
        convert_to="mlprogram",
        compute_precision=ct.precision[precision],
        minimum_deployment_target=ct.target[target],
    )


def linear(**options: Any) -> Callable[[Any], Any]:
    config = cto.OpLinearQuantizerConfig(weight_threshold=THRESHOLD, **options)
    return lambda model: cto.linear_quantize_weights(model, cto.OptimizationConfig(config))


def palettes(**options: Any) -> Callable[[Any], Any]:
    config = cto.OpPalettizerConfig(weight_threshold=THRESHOLD, **options)
    return lambda model: cto.palettize_weights(model, cto.OptimizationConfig(config))


def pruned(**options: Any) -> Callable[[Any], Any]:
    config = cto.OpMagnitudePrunerConfig(weight_threshold=THRESHOLD, **options)
    return lambda model: cto.prune_weights(model, cto.OptimizationConfig(config))


def jointly(first: Callable[[Any], Any], kind: str, **options: Any) -> Callable[[Any], Any]:
    """A second compression of what the first left."""

    def compress(model: Any) -> Any:
        if kind == "linear":
            config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(weight_threshold=THRESHOLD, **options))
            return cto.linear_quantize_weights(first(model), config, joint_compression=True)
        config = cto.OptimizationConfig(cto.OpPalettizerConfig(weight_threshold=THRESHOLD, **options))
        return cto.palettize_weights(first(model), config, joint_compression=True)

    return compress
