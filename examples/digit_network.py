"""The digit classifier as a torch module."""

from __future__ import annotations

import torch
from torch import nn


class DigitNetwork(nn.Module):
    """Three convolutions, each normalised, then two inner products: about 24,000 parameters.

    Input float32 (n, 1, 28, 28) in 0..1, output float32 (n, 10), the scores before the softmax.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 5, padding=2, bias=False)
        self.norm1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(24)
        self.conv3 = nn.Conv2d(24, 32, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(32)
        self.dense1 = nn.Linear(32 * 3 * 3, 48)
        self.dense2 = nn.Linear(48, 10)

    def blocks(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Convolutions with their normalisations, in order; ReLU and 2 × 2 max pooling follow each."""
        return [(self.conv1, self.norm1), (self.conv2, self.norm2), (self.conv3, self.norm3)]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scores of the ten digits."""
        flow = image
        for conv, norm in self.blocks():
            flow = nn.functional.max_pool2d(torch.relu(norm(conv(flow))), 2)
        return self.dense2(torch.relu(self.dense1(flow.flatten(1))))
