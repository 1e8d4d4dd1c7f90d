"""Well-known networks in torch at their real size, with seeded random weights: what packages are made of.

ResNet50: He et al., arXiv 1512.03385, with the stride in the 3x3 convolutions; MobileNetV2: Sandler et al.,
arXiv 1801.04381; the block of a Transformer: Vaswani et al., arXiv 1706.03762, with the norms in front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from mobilenetv2_shape import STAGES
from torch import Tensor, nn
from torch.nn import functional

_RESNET_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside the identity or a 1x1 convolution."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.branch = nn.Sequential(
            *_conv(inputs, width, 1),
            nn.ReLU(),
            *_conv(width, width, 3, stride),
            nn.ReLU(),
            *_conv(width, outputs, 1),
        )
        self.last_norm = self.branch[-1]
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*_conv(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, 4 · width, H / stride, W / stride)."""
        return functional.relu(self.shortcut(x) + self.branch(x))


class ResNet50(nn.Module):
    """25.6 million parameters; (N, 3, 224, 224) → (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = 64
        for width, count, stride in _RESNET_STAGES:
            for index in range(count):
                blocks.append(Bottleneck(channels, width, stride if index == 0 else 1))
                channels = 4 * width
        self.stem = nn.Sequential(*_conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        scores: Tensor = self.head(functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1).flatten(1))
        return scores


class InvertedResidual(nn.Module):
    """Wide, depthwise and narrow convolutions, with the identity beside them where sizes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [*_conv(inputs, wide, 1), nn.ReLU6()] if expansion != 1 else []
        self.layers = nn.Sequential(*widen, *_conv(wide, wide, 3, stride, wide), nn.ReLU6(), *_conv(wide, outputs, 1))
        self.last_norm = self.layers[-1]
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, H / stride, W / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.same else y


class MobileNetV2(nn.Module):
    """3.5 million parameters; (N, 3, 224, 224) → (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_conv(3, 32, 3, 2), nn.ReLU6()]
        channels = 32
        for expansion, outputs, count, stride in STAGES:
            for index in range(count):
                layers.append(InvertedResidual(channels, outputs, stride if index == 0 else 1, expansion))
                channels = outputs
        self.features = nn.Sequential(*layers, *_conv(channels, 1280, 1), nn.ReLU6())
        self.head = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        scores: Tensor = self.head(functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1))
        return scores


class TransformerBlock(nn.Module):
    """12 heads of width 64 and an MLP of 3072, as in BERT base; (1, 128, 768) → the same."""

    WIDTH, HEADS, LENGTH = 768, 12, 128

    def __init__(self) -> None:
        super().__init__()
        width = self.WIDTH
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        heads, length = self.HEADS, self.LENGTH
        qkv = self.qkv(self.norm(x)).reshape(1, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.project(attended.transpose(1, 2).reshape(1, length, self.WIDTH))
        y: Tensor = x + self.mlp(self.norm_mlp(x))
        return y


class Recurrent(nn.Module):
    """A recurrent layer and a classifier of each step; (1, 50, 256) → (1, 50, 100)."""

    def __init__(self, layer: Callable[..., nn.Module], directions: int) -> None:
        super().__init__()
        self.layer = layer(256, 512, batch_first=True, bidirectional=directions == 2)
        self.head = nn.Linear(512 * directions, 100)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of every step."""
        scores: Tensor = self.head(self.layer(x)[0])
        return scores


@dataclass(frozen=True)
class Network:
    """A torch network in evaluation mode and an input for it."""

    model: nn.Module
    x: Tensor


# Of the last batch normalisation of a residual branch.
_BRANCH_SCALE = 0.2
_PICTURE = (1, 3, 224, 224)
_SEQUENCE = (1, 50, 256)
_NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ResNet50": (ResNet50, _PICTURE),
    "MobileNetV2": (MobileNetV2, _PICTURE),
    "Transformer block": (TransformerBlock, (1, TransformerBlock.LENGTH, TransformerBlock.WIDTH)),
    "LSTM": (lambda: Recurrent(nn.LSTM, 2), _SEQUENCE),
    "GRU": (lambda: Recurrent(nn.GRU, 1), _SEQUENCE),
}
NAMES = tuple(_NETWORKS)


def make_network(name: str, seed: int = 0) -> Network:
    """One of :data:`NAMES`, its batch normalisations with the statistics of a picture of noise."""
    torch.manual_seed(seed)
    make, shape = _NETWORKS[name]
    model, x = make(), torch.randn(shape)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None
        for module in model.modules():
            if isinstance(module, Bottleneck) or (isinstance(module, InvertedResidual) and module.same):
                # A branch that adds little to what it stands beside, as trained ones do: else differences grow with
                # the depth, and no two ways of rounding agree.
                nn.init.constant_(module.last_norm.weight, _BRANCH_SCALE)
        if norms:
            # Running averages keep activations of order one through the whole depth.
            model.train()(torch.cat([x, torch.randn(3, *shape[1:])]))
    return Network(model.eval(), x)
