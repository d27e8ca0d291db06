"""ResNets on MONAI's two-dimensional ResNet, with weights in torchvision's layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai.networks.nets.resnet import ResNet, ResNetBlock, ResNetBottleneck
from torch import Tensor, nn

from medad.backbones.base import Backbone, Tensors, WeightsSource, fill

PUBLISHED = "https://download.pytorch.org/models"
UNUSED = ("layer4.", "fc.")  # the layers after the third stage


class WideBottleneck(ResNetBottleneck):
    """A bottleneck whose inner convolutions are twice as wide (Zagoruyko and Komodakis, BMVC 2016)."""

    def __init__(self, in_planes: int, planes: int, spatial_dims: int, stride: int = 1, **more: Any) -> None:
        super().__init__(in_planes, planes, spatial_dims, stride, **more)
        wide = 2 * planes
        self.conv1, self.bn1 = nn.Conv2d(in_planes, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2, self.bn2 = nn.Conv2d(wide, wide, 3, stride, padding=1, bias=False), nn.BatchNorm2d(wide)
        self.conv3 = nn.Conv2d(wide, planes * self.expansion, 1, bias=False)


class Stages(ResNet):
    """A ResNet up to its third stage: images (B, 3, S, S) -> maps of side S/4, S/8 and S/16."""

    def __init__(self, block: type[nn.Module], layers: tuple[int, ...]) -> None:
        planes = [64, 128, 256, 512]
        super().__init__(block, list(layers), planes, 2, 3, 7, 2, feed_forward=False, bias_downsample=False)
        del self.layer4, self.avgpool

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the three maps, fine to coarse."""
        first: Tensor = self.layer1(self.maxpool(self.act(self.bn1(self.conv1(images)))))
        second: Tensor = self.layer2(first)
        return [first, second, self.layer3(second)]


@dataclass(frozen=True)
class TorchvisionResNet(Backbone):
    """A ResNet. ``published`` names torchvision's first weights file for it, which ends with its digest."""

    title: str
    block: type[nn.Module]
    layers: tuple[int, ...]
    published: str

    def source(self) -> WeightsSource:
        """Return the source of torchvision's file."""
        file = f"{self.published}.pth"
        return WeightsSource(file, f"{PUBLISHED}/{file}", self.published.rpartition("-")[2])

    def build(self, tensors: Tensors | None = None) -> nn.Module:
        """Build stages 1 to 3."""
        network = Stages(self.block, self.layers)
        return network if tensors is None else fill(network, tensors, self.title, UNUSED)


Basic, Bottleneck = ResNetBlock, ResNetBottleneck
