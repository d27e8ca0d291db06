"""ImageNet weights in torchvision's layout, from files, in MONAI's ResNets: names, shapes, and what they compute."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from helpers.backbones_files import BLOCKS, torchvision_layout
from safetensors.torch import save_file
from torch import Generator, Tensor
from torch.testing import assert_close

from medad.backbones._weights import locate, read
from medad.backbones.base import BackboneError
from medad.registry import backbones

# torchvision's published numbers of parameters, and of those after the third stage.
PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "wide_resnet50_2": 68_883_240}


def plain_resnet(weights: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """The first three stages by PyTorch's functions."""

    def normed(key: str, seen: Tensor) -> Tensor:
        mean, var, scale, shift = (weights[f"{key}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(seen, mean, var, scale, shift)

    seen = F.conv2d(images, weights["conv1.weight"], stride=2, padding=3)
    seen = F.max_pool2d(F.relu(normed("bn1", seen)), 3, 2, 1)
    maps = []
    for stage in (1, 2, 3):
        index = 0
        while f"layer{stage}.{index}.conv1.weight" in weights:
            key, stride = f"layer{stage}.{index}", 2 if stage > 1 and index == 0 else 1
            places = [place for place in (1, 2, 3) if f"{key}.conv{place}.weight" in weights]
            strided = 2 if len(places) == 3 else 1  # a bottleneck halves in its 3 x 3 convolution
            made = seen
            for place in places:
                kernel = weights[f"{key}.conv{place}.weight"]
                made = F.conv2d(made, kernel, stride=stride if place == strided else 1, padding=kernel.shape[-1] // 2)
                made = normed(f"{key}.bn{place}", made)
                made = F.relu(made) if place < len(places) else made
            if f"{key}.downsample.0.weight" in weights:
                short = F.conv2d(seen, weights[f"{key}.downsample.0.weight"], stride=stride)
                seen = normed(f"{key}.downsample.1", short)
            seen = F.relu(made + seen)
            index += 1
        maps.append(seen)
    return maps


@pytest.mark.parametrize("name", BLOCKS)
def test_the_layout_has_torchvision_s_number_of_parameters(name: str) -> None:
    """What the other tests build on."""
    learned = [value for key, value in torchvision_layout(name).items() if "running" not in key and "num_" not in key]
    assert sum(value.numel() for value in learned) == PARAMETERS[name]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_file_gives_the_maps_that_its_weights_mean(name: str, suffix: str, tmp_path: Path) -> None:
    weights = torchvision_layout(name)
    path = tmp_path / f"weights{suffix}"
    torch.save(weights, path) if suffix == ".pth" else save_file(weights, path)
    backbone = backbones.get(name)
    network = backbone.build(read(locate(backbone, str(path)))).eval()
    images = torch.randn(2, 3, 64, 64, generator=Generator().manual_seed(1))
    with torch.no_grad():
        for ours, plain in zip(network(images), plain_resnet(weights, images), strict=True):
            assert_close(ours, plain, rtol=1e-3, atol=1e-3 * float(plain.abs().max()))


def test_the_published_file_is_found_in_pytorch_s_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    path.parent.mkdir(parents=True)
    torch.save(torchvision_layout("resnet18"), path)
    assert locate(backbones.get("resnet18"), "imagenet") == path


@pytest.mark.parametrize("given", ["resnet34", "resnet50"])
def test_weights_of_a_sibling_are_refused(given: str) -> None:
    """ResNet-34 has every tensor of ResNet-18, and more."""
    with pytest.raises(BackboneError, match=r"not the weights of ResNet-18: \d+ tensors"):
        backbones.get("resnet18").build(torchvision_layout(given))


def test_a_tensor_that_is_missing_is_named() -> None:
    weights = torchvision_layout("resnet18")
    del weights["layer2.1.bn2.bias"]
    with pytest.raises(BackboneError, match=r"1 tensors.*'layer2\.1\.bn2\.bias'.*found none"):
        backbones.get("resnet18").build(weights)


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    path, trap = tmp_path / "evil.pth", tmp_path / "executed"
    torch.save({"conv1.weight": Evil(trap)}, path)
    with pytest.raises(BackboneError, match=r"evil\.pth: not readable as weights"):
        read(path)
    path.write_bytes(pickle.dumps(Evil(trap)))
    with pytest.raises(BackboneError, match=r"evil\.pth: not readable as weights"):
        read(path)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors", "empty.pth", "empty.safetensors"])
def test_a_broken_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"" if "empty" in name else b"no weights at all")
    with pytest.raises(BackboneError, match=rf"{name}: not readable as weights"):
        read(tmp_path / name)


def test_something_else_than_a_table_of_tensors(tmp_path: Path) -> None:
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}}, tmp_path / "nested.pth")
    with pytest.raises(BackboneError, match=r"nested\.pth: not a table of tensors"):
        read(tmp_path / "nested.pth")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"mine\.pth: no such file of weights"):
        locate(backbones.get("resnet18"), str(tmp_path / "mine.pth"))


def test_a_download_happens_only_when_allowed_and_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The digest in torchvision's file name is that of the file; nothing leaves this machine here."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    asked: list[tuple[str, str | None]] = []

    def download(url: str, path: str, digest: str | None, progress: bool) -> None:
        asked.append((url, digest))
        torch.save(torchvision_layout("resnet18"), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(BackboneError, match="not here"):
        locate(backbones.get("resnet18"), "imagenet")
    assert not asked
    with caplog.at_level(logging.INFO, "medad"):
        path = locate(backbones.get("resnet18"), "imagenet", allow_download=True)
    assert asked == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd")]
    assert path.is_file()
    assert asked[0][0] in caplog.text
    locate(backbones.get("resnet18"), "imagenet", allow_download=True)
    assert len(asked) == 1


def test_a_download_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError('invalid hash value (expected "f37072fd", got "0000")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(BackboneError, match=r"download failed \(invalid hash value.*by hand"):
        locate(backbones.get("resnet18"), "imagenet", allow_download=True)
