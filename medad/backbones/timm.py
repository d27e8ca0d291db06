"""Any model of timm, as timm:NAME."""

from medad.backbones._timm import AnyTimm
from medad.registry import backbones

backbones.register("timm")(AnyTimm("timm", ""))
