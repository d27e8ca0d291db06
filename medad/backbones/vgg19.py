"""VGG-19 (Simonyan and Zisserman, ICLR 2015)."""

from __future__ import annotations

from torch import Tensor, nn

from medad.backbones.base import Backbone, Tensors, WeightsSource, fill
from medad.registry import backbones

FILE = "vgg19-dcbb9e9d.pth"
URL = f"https://download.pytorch.org/models/{FILE}"
STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (2, 512))  # convolutions and channels; the last stage is cut off
OUTPUTS = (13, 22, 31)  # the ReLUs after conv3_2, conv4_2 and conv5_2, by their numbers in torchvision
UNUSED = ("features.32.", "features.34.", "classifier.")


class Features(nn.Module):
    """The layers up to conv5_2: images (B, 3, S, S) -> maps of side S/4, S/8 and S/16 after second convolutions."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for convolutions, channels in STAGES:
            for _ in range(convolutions):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.ModuleList(layers[: OUTPUTS[-1] + 1])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the three maps, fine to coarse."""
        maps = []
        for number, layer in enumerate(self.features):
            images = layer(images)
            if number in OUTPUTS:
                maps.append(images)
        return maps


class VGG19(Backbone):
    """VGG-19 without batch norms, in torchvision's layout."""

    title = "VGG-19"

    def source(self) -> WeightsSource:
        """Return the source of torchvision's file."""
        return WeightsSource(FILE, URL, "dcbb9e9d")

    def build(self, tensors: Tensors | None = None) -> nn.Module:
        """Build the layers up to conv5_2."""
        network = Features()
        return network if tensors is None else fill(network, tensors, self.title, UNUSED)


backbones.register("vgg19")(VGG19())
