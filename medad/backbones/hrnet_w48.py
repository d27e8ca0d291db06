"""HRNet-w48."""

from medad.backbones._timm import HRNet
from medad.registry import backbones

backbones.register("hrnet_w48")(HRNet("HRNet-w48", "hrnet_w48"))
