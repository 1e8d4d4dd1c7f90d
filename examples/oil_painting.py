"""A small network that paints pictures in oil, and the filter that it learned that from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: What the network is exported for; pictures of other sizes are resized.
SIZE = 256


class ResidualBlock(nn.Module):
    """Two convolutions, and what they are given added to what they make."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as ``x``."""
        return x + self.second(functional.relu(self.first(x)))


class OilPainter(nn.Module):
    """Pixels 0..255, (N, 3, H, W) in RGB order, H and W multiples of 4, to pixels of the same shape.

    The layout of J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution" (2016), a quarter as wide and without normalisation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [
                nn.Conv2d(3, 12, 9, padding=4),
                nn.Conv2d(12, 24, 3, stride=2, padding=1),
                nn.Conv2d(24, 32, 3, stride=2, padding=1),
            ]
        )
        self.blocks = nn.ModuleList([ResidualBlock(32) for _ in range(3)])
        self.up = nn.ModuleList([nn.Conv2d(32, 24, 3, padding=1), nn.Conv2d(24, 12, 3, padding=1)])
        self.last = nn.Conv2d(12, 3, 9, padding=4)

    def forward(self, x: Tensor) -> Tensor:
        """The painting."""
        x = x / 255
        for layer in self.down:
            x = functional.relu(layer(x))
        for block in self.blocks:
            x = block(x)
        for layer in self.up:
            x = functional.relu(layer(functional.interpolate(x, scale_factor=2.0, mode="nearest")))
        return torch.clamp(self.last(x), 0, 1) * 255


def oil_filter(x: Tensor, radius: int = 4) -> Tensor:
    """Kuwahara's filter, which wipes out what is small and keeps edges, and stronger colours.

    Each pixel becomes the mean of that one of its four neighbouring squares whose brightness varies least. M. Kuwahara,
    K. Hachimura, S. Eiho, M. Kinoshita, "Processing of RI-angiocardiographic images" (1976).

    Args:
        x: pixels 0..1, (N, 3, H, W).
        radius: of the squares, which are ``radius + 1`` pixels wide.
    """
    side = radius + 1
    padded = functional.pad(x, [radius] * 4, mode="reflect")
    means = functional.avg_pool2d(padded, side, stride=1)
    grey = padded.mean(1, keepdim=True)
    variance = functional.avg_pool2d(grey * grey, side, stride=1) - functional.avg_pool2d(grey, side, stride=1) ** 2
    height, width = x.shape[2:]
    corners = [(top, left) for top in (0, radius) for left in (0, radius)]
    spreads = torch.stack([variance[:, 0, top : top + height, left : left + width] for top, left in corners])
    best = spreads.argmin(0)
    painted = torch.zeros_like(x)
    for place, (top, left) in enumerate(corners):
        chosen = (best == place).unsqueeze(1)
        painted = torch.where(chosen, means[:, :, top : top + height, left : left + width], painted)
    colourless = painted.mean(1, keepdim=True)
    return torch.clamp(colourless + 1.5 * (painted - colourless), 0, 1)
