"""HRNet-w18."""

from medad.backbones._timm import HRNet
from medad.registry import backbones

backbones.register("hrnet_w18")(HRNet("HRNet-w18", "hrnet_w18"))
