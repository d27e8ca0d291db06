"""ResNet-50."""

from medad.backbones._resnet import Bottleneck, TorchvisionResNet
from medad.registry import backbones

backbones.register("resnet50")(TorchvisionResNet("ResNet-50", Bottleneck, (3, 4, 6, 3), "resnet50-0676ba61"))
