"""ASR-Net, which refines anomaly maps (Cai et al., Medical Image Analysis 86:102794, 2023)."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from medad.functional.capture import captured
from medad.networks._convolutions import ManyMaps, to_few_maps

IN_CACHE = 2  # images per part: the 128 maps of an image take 2 MB at 64 x 64; larger parts exceed the CPU cache


class ASRNet(nn.Module):
    """Anomaly maps (B, inputs, H, W) -> probabilities of normal and abnormal for each pixel, (B, 2, H, W)."""

    def __init__(self, inputs: int, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (inputs, width):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 2, 3, padding=1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the probabilities (B, 2, H, W) for ``maps`` (B, inputs, H, W); channel 1 is abnormal."""
        plain = self.training or torch.is_grad_enabled() or captured() or maps.device.type != "cpu" or maps.shape[2] % 2
        return torch.softmax(self.layers(maps) if plain else self._lean(maps), dim=1)

    def _lean(self, maps: Tensor) -> Tensor:
        """Return the result of ``layers`` in evaluation mode for maps (B, inputs, H, W), H even, faster on a CPU."""
        first, first_norm, relu, second, second_norm, _, last = cast(Any, self.layers)
        widen, mix = fuse_conv_bn_eval(first, first_norm), ManyMaps(fuse_conv_bn_eval(second, second_norm))
        refined = []
        for part in torch.split(maps, IN_CACHE):
            wide = relu(F.conv2d(part, widen.weight, widen.bias, padding=(2, 1)))
            wide[:, :, [0, -1]] = 0  # the zero padding of ``mix`` beyond the image
            refined.append(to_few_maps(relu(mix(wide)), last))
        return torch.cat(refined)
