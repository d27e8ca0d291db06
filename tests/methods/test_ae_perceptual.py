"""The perceptual autoencoder: statistics of the training images; tests/reference has loss and maps."""

from __future__ import annotations

import pytest
import torch
from contracts.fakes import fake_load, fit, small, studies
from torch.testing import assert_close

from medad.backbones.base import BackboneError
from medad.config import ConfigError
from medad.functional.imagenet import normalize_for_imagenet

TINY = {"hidden": 32, "latent": 4}


def test_features_are_normalized_by_the_training_images() -> None:
    method = fit(small("ae_perceptual"))
    with torch.no_grad():
        features = method.backbone.network(normalize_for_imagenet(fake_load(method)(studies("normal", 10))))[1]
    assert_close(method.center.flatten(), features.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    spread = features.std(dim=(0, 2, 3), correction=0)
    assert_close(method.spread.flatten()[spread > 1e-4], spread[spread > 1e-4], rtol=1e-3, atol=1e-5)


def test_a_map_that_the_backbone_lacks_and_weights_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="scale=4: resnet18 has 3 feature maps"):
        small("ae_perceptual", scale=4)
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    with pytest.raises(BackboneError, match="weights of ResNet-18 are not here"):
        small("ae_perceptual", weights="imagenet").rehearse()
    assert "not trained: no AE-PL" in small("ae_perceptual").scores["perceptual"]
