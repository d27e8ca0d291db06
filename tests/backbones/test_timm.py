"""What is asked of timm, on a stand-in: the real package cannot be installed beside a CPU build of torch here."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medad.backbones.base import BackboneError
from medad.registry import backbones

STRIDES = (2, 4, 8, 16, 32)


class Model(nn.Module):
    """Gives maps of five strides, or those asked for; its names are timm's for HRNet's stem."""

    def __init__(self, places: tuple[int, ...]) -> None:
        super().__init__()
        self.places = places
        self.conv1 = nn.Conv2d(3, 4, 3, 2, 1)
        self.fuse = nn.Upsample(scale_factor=2, mode="nearest")  # timm's, between branches
        self.feature_info = SimpleNamespace(reduction=lambda: [STRIDES[place] for place in places])

    def forward(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(self.conv1(images), STRIDES[place] // 2) for place in self.places]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def create_model(name: str, **more: Any) -> Model:
        made.append({"name": name, **more})
        if name == "nothing":
            raise RuntimeError("Unknown model (nothing)")
        model = Model(more.get("out_indices", range(5)))
        tensors = more.get("pretrained_cfg_overlay", {}).get("state_dict")
        if tensors:
            model.load_state_dict(tensors, strict=False)  # as timm does for features
        return model

    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    return made


def weights(seed: int = 0) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Model(()).state_dict()


@pytest.mark.parametrize("width", [18, 32, 48])
def test_hrnet_gives_the_first_three_branches_after_stage_4(width: int, calls: list[dict[str, Any]]) -> None:
    """Index 0 is the stem; an empty feature location leaves out the head's widening."""
    network = backbones.get(f"hrnet_w{width}").build()
    asked = {"name": f"hrnet_w{width}", "features_only": True, "feature_location": "", "out_indices": (1, 2, 3)}
    assert calls == [asked]
    assert [one.shape[-1] for one in network(torch.zeros(1, 3, 64, 64))] == [16, 8, 4]


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [(None, ("bilinear", True)), ("bilinear", ("bilinear", True)), ("nearest", ("nearest", None))],
)
def test_how_hrnet_s_branches_meet(fusion: Any, expected: tuple[str, bool], calls: list[dict[str, Any]]) -> None:
    backbone = backbones.get("hrnet_w32")
    network = (backbone if fusion is None else backbone.with_fusion(fusion)).build(weights())
    assert (network.fuse.mode, network.fuse.align_corners) == expected
    assert torch.equal(network.conv1.weight, weights()["conv1.weight"])
    assert backbones.get("timm:hrnet_w32").with_fusion("bilinear").build().fuse.mode == "nearest"  # timm's own form


def test_a_timm_whose_branches_cannot_be_changed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=lambda *_, **__: nn.Conv2d(3, 4, 1)))
    with pytest.raises(BackboneError, match=r"HRNet-w32: this timm builds it without.*fusion=nearest"):
        backbones.get("hrnet_w32").build()
    assert backbones.get("hrnet_w32").with_fusion("nearest").build()


def test_hrnet_s_weights_fit_to_the_last_name(calls: list[dict[str, Any]]) -> None:
    given = weights()
    head = {"incre_modules.0.0.conv1.weight": torch.zeros(1), "classifier.bias": torch.zeros(1)}
    network = backbones.get("hrnet_w32").build({**given, **head})
    assert all(torch.equal(value, given[name]) for name, value in network.state_dict().items())
    with pytest.raises(BackboneError, match=r"not the weights of HRNet-w32.*'stage4"):
        backbones.get("hrnet_w32").build({**given, "stage4.0.weight": torch.zeros(1)})
    assert backbones.get("hrnet_w32").source().file == "hrnet_w32.ms_in1k.safetensors"


def test_any_model_gives_its_maps_of_strides_4_to_16(calls: list[dict[str, Any]]) -> None:
    backbone = backbones.get("timm:convnext_tiny.fb_in1k")
    network = backbone.build()
    assert [call.get("out_indices") for call in calls] == [None, (1, 2, 3)]
    assert {call["name"] for call in calls} == {"convnext_tiny.fb_in1k"}
    assert not any(call.get("pretrained") for call in calls)  # timm would download
    assert [one.shape[-1] for one in network(torch.zeros(1, 3, 64, 64))] == [16, 8, 4]
    url = "https://huggingface.co/timm/convnext_tiny.fb_in1k/resolve/main/model.safetensors"
    assert backbone.source().url == url


def test_weights_reach_timm_as_tensors_never_as_a_name_to_download(calls: list[dict[str, Any]]) -> None:
    given = weights(3)
    network = backbones.get("timm:convnext_tiny.fb_in1k").build(given)
    assert torch.equal(network.conv1.weight, given["conv1.weight"])
    assert calls[-1]["pretrained"] is True
    assert set(calls[-1]["pretrained_cfg_overlay"]) == {"state_dict"}


def test_weights_that_timm_ignores_are_refused(calls: list[dict[str, Any]]) -> None:
    """timm loads features without insisting on any name."""
    with pytest.raises(BackboneError, match=r"not the weights of timm's convnext_tiny.*'conv1\.weight'"):
        backbones.get("timm:convnext_tiny").build({"stem.weight": torch.zeros(4, 3, 3, 3)})


def test_a_model_that_timm_does_not_know(calls: list[dict[str, Any]]) -> None:
    with pytest.raises(BackboneError, match=r"timm's nothing: timm refuses it: Unknown model"):
        backbones.get("timm:nothing").build()
    with pytest.raises(BackboneError, match="timm:NAME"):
        backbones.get("timm").build()
