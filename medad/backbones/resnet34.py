"""ResNet-34."""

from medad.backbones._resnet import Basic, TorchvisionResNet
from medad.registry import backbones

backbones.register("resnet34")(TorchvisionResNet("ResNet-34", Basic, (3, 4, 6, 3), "resnet34-b627a593"))
