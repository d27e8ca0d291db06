"""RD4AD: what is learned, and which teachers fit. tests/reference has student, loss and map."""

from __future__ import annotations

import pytest
import torch
from contracts.fakes import fit, small
from torch import Tensor, nn

from medad.backbones.base import Backbone
from medad.config import ConfigError
from medad.registry import backbones

TINY = {"blocks": (1, 1, 1, 1), "epochs": 1}


class TwoMaps(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [images[:, :, ::4, ::4], images[:, :, ::8, ::8]]


def test_the_student_learns_and_the_teacher_does_not() -> None:
    losses: list[float] = []
    method = small("rd4ad", epochs=4)
    teacher = {name: value.clone() for name, value in method.backbone.state_dict().items()}
    fit(method, track=lambda name, value, step: losses.append(value))
    assert losses[-1] < 0.7 * losses[0]
    assert all(torch.equal(value, teacher[name]) for name, value in method.backbone.state_dict().items())
    assert not any(value.requires_grad for value in method.backbone.parameters())


def test_a_teacher_without_three_halved_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(backbones.get("resnet18")), "build", lambda self, tensors=None: TwoMaps())
    assert isinstance(backbones.get("resnet18"), Backbone)
    with pytest.raises(ConfigError, match=r"three feature maps.*this one has maps of side 8, 4"):
        small("rd4ad")
