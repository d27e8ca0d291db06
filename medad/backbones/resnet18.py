"""ResNet-18."""

from medad.backbones._resnet import Basic, TorchvisionResNet
from medad.registry import backbones

backbones.register("resnet18")(TorchvisionResNet("ResNet-18", Basic, (2, 2, 2, 2), "resnet18-f37072fd"))
