"""Wide-ResNet-50-2."""

from medad.backbones._resnet import TorchvisionResNet, WideBottleneck
from medad.registry import backbones

backbones.register("wide_resnet50_2")(
    TorchvisionResNet("Wide-ResNet-50-2", WideBottleneck, (3, 4, 6, 3), "wide_resnet50_2-95faca4d")
)
