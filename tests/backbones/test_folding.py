"""A trunk with folded batch norms computes what the network with batch norms does."""

from __future__ import annotations

import copy

import torch
from torch import Generator, nn
from torch.testing import assert_close

from medad.backbones.base import fold_batch_norms
from medad.backbones.efficientnet_lite0 import FOLDED, EfficientNetLite0, Trunk


def with_statistics(network: nn.Module) -> nn.Module:
    """Give each batch norm statistics and weights that change its input."""
    generator = Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
            ):
                values.uniform_(low, high, generator=generator)
    return network.eval()


def test_folding_changes_no_feature_map() -> None:
    torch.manual_seed(0)
    plain = with_statistics(Trunk(EfficientNetLite0()._whole()))
    folded = fold_batch_norms(copy.deepcopy(plain), FOLDED)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    images = torch.rand(2, 3, 64, 64, generator=Generator().manual_seed(1))
    with torch.inference_mode():
        for expected, maps in zip(plain(images), folded(images), strict=True):
            assert expected.std() > 1e-4
            assert_close(maps, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
