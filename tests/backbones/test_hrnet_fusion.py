"""timm's HRNet with branches that meet bilinearly, against a fusion written here; where timm can be imported."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from medad.backbones.base import built
from medad.registry import backbones

try:
    import timm
except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch raises RuntimeError
    pytest.skip(f"timm cannot be imported here: {error}", allow_module_level=True)


class Corners(nn.Module):
    """Upsampling with corners on corners, as a product with explicit weights along each axis."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def weights(self, side: int) -> Tensor:
        made = torch.zeros(side * self.factor, side, dtype=torch.float64)
        for place in range(side * self.factor):
            source = place * (side - 1) / (side * self.factor - 1)
            first = min(int(source), max(side - 2, 0))
            made[place, first] = 1 - (source - first)
            if side > 1:
                made[place, first + 1] = source - first
        return made

    def forward(self, features: Tensor) -> Tensor:
        rows, columns = (self.weights(side).to(features) for side in features.shape[-2:])
        return torch.einsum("yr,bcrs,xs->bcyx", rows, features, columns)


def replaced(network: nn.Module) -> nn.Module:
    """A copy whose upsampling layers are those of this file."""
    copy = deepcopy(network)
    for part in list(copy.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.Upsample):
                setattr(part, name, Corners(round(child.scale_factor)))
    assert not any(isinstance(part, nn.Upsample) for part in copy.modules())
    return copy


@pytest.mark.parametrize("width", [18, 32, 48])
def test_bilinear_fusion(width: int) -> None:
    backbone = backbones.get(f"hrnet_w{width}")
    network, own = (
        built(backbone, Generator().manual_seed(0)),
        built(backbone.with_fusion("nearest"), Generator().manual_seed(0)),
    )
    images = torch.randn(2, 3, 64, 64, generator=Generator().manual_seed(1), dtype=torch.float64)
    network, own = network.double(), own.double()  # so deep a random network multiplies rounding
    with torch.no_grad():
        network.train()(images)  # batch norms that have seen the images: features of an ordinary size
        network.eval()
        own.eval()
        own.load_state_dict(network.state_dict())  # the same weights
        ours, expected, nearest = network(images), replaced(own)(images), own(images)
    assert [tuple(one.shape[-2:]) for one in ours] == [(16, 16), (8, 8), (4, 4)]
    for one, other, timm_s in zip(ours, expected, nearest, strict=True):
        assert_close(one, other, rtol=1e-6, atol=1e-9)
        assert not torch.allclose(one, timm_s, rtol=1e-2, atol=1e-3)


def test_timm_s_own_form_stays() -> None:
    own = backbones.get("hrnet_w18").with_fusion("nearest").build()
    plain = timm.create_model("hrnet_w18", features_only=True, feature_location="", out_indices=(1, 2, 3))
    plain.load_state_dict(own.state_dict())
    images = torch.randn(1, 3, 64, 64, generator=Generator().manual_seed(1))
    with torch.no_grad():
        for one, other in zip(own.eval()(images), plain.eval()(images), strict=True):
            assert torch.equal(one, other)
