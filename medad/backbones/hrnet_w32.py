"""HRNet-w32."""

from medad.backbones._timm import HRNet
from medad.registry import backbones

backbones.register("hrnet_w32")(HRNet("HRNet-w32", "hrnet_w32"))
