"""ASR-Net, which refines anomaly maps (Cai et al., Medical Image Analysis 86:102794, 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ASRNet(nn.Module):
    """Maps (B, inputs, H, W) -> for each pixel the probabilities of normal and abnormal, (B, 2, H, W)."""

    def __init__(self, inputs: int, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (inputs, width):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 2, 3, padding=1))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, inputs, H, W) -> probabilities (B, 2, H, W); channel 1 is abnormal."""
        return torch.softmax(self.layers(maps), dim=1)
