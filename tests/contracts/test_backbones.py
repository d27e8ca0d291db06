"""What every backbone keeps to that can be built here, and what the others say."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from medad.backbones._weights import locate
from medad.backbones.base import Backbone, BackboneError, built
from medad.registry import backbones

HERE = ["resnet18", "resnet34", "resnet50", "wide_resnet50_2", "efficientnet_lite0", "vgg19"]
NEED_TIMM = [name for name in backbones.names() if name not in HERE]


@cache
def network(name: str) -> nn.Module:
    """Whose batch norms have seen images; no test may change it."""
    made = built(backbones.get(name), Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(3):
            made(images())
    return made.eval()


def images(side: int = 64) -> Tensor:
    return torch.randn(3, 3, side, side, generator=Generator().manual_seed(1))


def test_the_paper_s_backbones_are_there() -> None:
    published = {"hrnet_w18", "hrnet_w32", "hrnet_w48", "resnet18", "resnet34", "resnet50", "wide_resnet50_2", "timm"}
    assert published <= set(backbones.names())


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("side", [32, 64, 96])
def test_three_maps_from_fine_to_coarse(name: str, side: int) -> None:
    seen = images(side)
    before = seen.clone()
    with torch.no_grad():
        maps = network(name)(seen)
    assert [one.shape[-2:] for one in maps] == [(side // stride, side // stride) for stride in (4, 8, 16)]
    assert sorted({one.shape[1] for one in maps}) == list(dict.fromkeys(one.shape[1] for one in maps))
    assert all(one.isfinite().all() and one.std() > 0 for one in maps)
    assert torch.equal(seen, before)


@pytest.mark.parametrize("name", HERE)
def test_an_image_is_seen_alike_in_any_batch(name: str) -> None:
    with torch.no_grad():
        whole, alone = network(name)(images()), network(name)(images()[1:2])
    for one, other in zip(whole, alone, strict=True):
        assert_close(one[1:2], other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", HERE)
def test_every_weight_is_used(name: str) -> None:
    """An apprentice with weights that no map depends on would be stored and decayed for nothing."""
    made = built(backbones.get(name), Generator().manual_seed(0))
    sum(one.square().mean() for one in made(images())).backward()
    assert all(value.grad is not None for value in made.parameters())


@pytest.mark.parametrize("name", HERE)
def test_random_weights_come_from_the_generator_alone(name: str) -> None:
    state = torch.get_rng_state()
    first, second, other = (
        built(backbones.get(name), Generator().manual_seed(seed)).state_dict() for seed in (4, 4, 5)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first[next(iter(first))], other[next(iter(first))])


@pytest.mark.parametrize("name", HERE)
def test_weights_of_another_architecture_are_refused(name: str) -> None:
    other = next(one for one in HERE if one != name)
    with pytest.raises(BackboneError, match="not the weights of"):
        backbones.get(name).build(network(other).state_dict())


@pytest.mark.parametrize("name", [name for name in backbones.names() if name not in ("timm", "efficientnet_lite0")])
def test_missing_weights_say_where_to_get_them_and_where_to_put_them(
    name: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    backbone: Backbone = backbones.get(name)
    with pytest.raises(BackboneError) as raised:
        locate(backbone, "imagenet")
    said = str(raised.value)
    assert backbone.source().url in said
    assert f"{tmp_path}/hub/checkpoints/{backbone.source().file}" in said
    assert "--allow-download" in said
    assert backbone.title in said


@pytest.mark.parametrize("name", NEED_TIMM)
def test_without_timm_the_error_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(BackboneError, match=r"pip install 'medad\[timm\]'"):
        backbones.get(f"{name}:resnet10t.c3_in1k" if name == "timm" else name).build()


@pytest.mark.parametrize("name", HERE)
def test_a_part_that_there_is_not(name: str) -> None:
    with pytest.raises(BackboneError, match=r"no family of models.*'large'"):
        backbones.get(f"{name}:large")
