"""Networks of CDO that give the features that a test has chosen, whatever the image."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.fakes import small
from torch import Tensor, nn

from medad.methods.cdo import CDO


class Given(nn.Module):
    """Features of each scale, (B, C, h, w)."""

    def __init__(self, features: Sequence[Tensor]) -> None:
        super().__init__()
        self.features = list(features)

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.features


def cdo_with(expert: Sequence[Tensor], apprentice: Sequence[Tensor], **settings: object) -> CDO:
    """CDO whose two networks give these features."""
    method = small("cdo", channels=3, **settings)
    assert isinstance(method, CDO)
    method.pair.expert, method.pair.apprentice = Given(expert), Given(apprentice)
    return method
