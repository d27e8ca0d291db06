"""What scoring does to be quick on a CPU changes no score."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from contracts.fakes import small
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from medad.methods.base import Method
from medad.methods.batching import score_in_shares
from medad.networks._convolutions import ManyMaps, to_few_maps
from medad.networks._refinement import ASRNet
from medad.types import Scored


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed))


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def learned(inputs: int = 2) -> ASRNet:
    """An ASR-Net whose batch norms are not the identity."""
    network = ASRNet(inputs)
    for seed, part in enumerate(network.modules()):
        if isinstance(part, nn.BatchNorm2d):
            with torch.no_grad():
                part.running_mean.copy_(noise(128, seed=seed))
                part.running_var.copy_(noise(128, seed=seed).exp())
                part.weight.copy_(noise(128, seed=seed + 50))
                part.bias.copy_(noise(128, seed=seed + 90))
    return network.eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("height", "width"), [(2, 5), (8, 8), (32, 16)])
def test_fewer_products_give_the_same_convolution(height: int, width: int, bias: bool) -> None:
    convolution = nn.Conv2d(12, 7, 3, padding=1, bias=bias)
    maps = noise(3, 12, height, width)
    with torch.no_grad():
        expected = convolution(maps)
        assert_close(ManyMaps(convolution)(nn.functional.pad(maps, (0, 0, 1, 1))), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 8), (32, 16)])
def test_one_product_gives_the_same_few_maps(height: int, width: int, bias: bool) -> None:
    convolution = nn.Conv2d(12, 2, 3, padding=1, bias=bias)
    maps = noise(3, 12, height, width)
    with torch.no_grad():
        assert_close(to_few_maps(maps, convolution), convolution(maps), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("shape", [(1, 16, 16), (5, 32, 32), (2, 7, 9)], ids=str)
def test_a_lean_asr_net_gives_what_its_layers_give(inputs: int, shape: tuple[int, int, int]) -> None:
    network, maps = learned(inputs), noise(shape[0], inputs, *shape[1:])
    before = maps.clone()
    with torch.no_grad():
        found = network(maps)
        assert_close(found, torch.softmax(network.layers(maps), dim=1), rtol=1e-5, atol=1e-6)
    assert torch.equal(maps, before)


def test_a_lean_asr_net_follows_its_weights_and_keeps_them() -> None:
    network, maps = learned(), noise(2, 2, 16, 16)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        first = network(maps)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        network.layers[3].weight.mul_(-1)
        assert_close(network(maps), torch.softmax(network.layers(maps), dim=1), rtol=1e-5, atol=1e-6)
        assert not torch.equal(network(maps), first)


def test_training_and_gradients_take_the_layers_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ASRNet, "_lean")
    network, maps = learned(), noise(2, 2, 16, 16)
    network(maps).sum().backward()
    assert all(value.grad is not None for value in network.parameters())
    with torch.no_grad():
        network.train()(maps)


@pytest.mark.parametrize("count", [1, 2, 3, 16])
@pytest.mark.usefixtures("threads")
def test_scores_do_not_depend_on_the_threads(count: int) -> None:
    method, images = small("ddad"), noise(21, 1, 32, 32).tanh()
    torch.set_num_threads(1)
    expected = method.score(images)
    torch.set_num_threads(count)
    for name, one in method.score(images).items():
        assert_close(one.score, expected[name].score, rtol=1e-6, atol=1e-7)
        assert_close(one.anomaly_map, expected[name].anomaly_map, rtol=1e-5, atol=1e-6)
        assert one.members.shape == expected[name].members.shape
    assert torch.get_num_threads() == count


def by_image(images: Tensor) -> dict[str, Scored]:
    """The mean of each image, and how many threads PyTorch has here."""
    assert torch.is_inference_mode_enabled()
    values = images.mean(dim=(1, 2, 3))
    return {"mean": Scored(values, images, torch.full((len(images), 1), float(torch.get_num_threads())))}


@pytest.mark.parametrize(("count", "images"), [(1, 70), (2, 8), (2, 9), (2, 64), (4, 100), (16, 33)])
@pytest.mark.usefixtures("threads")
def test_shares_come_back_in_order_and_run_on_one_thread_each(count: int, images: int) -> None:
    torch.set_num_threads(count)
    batch = noise(images, 1, 4, 4)
    found = score_in_shares(by_image, batch)["mean"]
    assert_close(found.score, batch.mean(dim=(1, 2, 3)))
    assert torch.equal(found.anomaly_map, batch)
    alone = images <= 8  # one share: nothing runs beside it
    assert (found.members == (count if alone else 1)).all()
    assert torch.get_num_threads() == count


@pytest.mark.usefixtures("threads")
def test_an_error_in_a_share_is_raised_and_the_threads_come_back() -> None:
    def fail(images: Tensor) -> dict[str, Scored]:
        raise ValueError("no udm")

    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="no udm"):
        score_in_shares(fail, noise(64, 1, 4, 4))
    assert torch.get_num_threads() == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_scores_on_a_gpu_are_those_on_a_cpu() -> None:
    method, images = small("ddad"), noise(40, 1, 32, 32).tanh()
    expected = method.score(images)
    there: Method = method.to("cuda")
    for name, one in there.score(images.to("cuda")).items():
        assert_close(one.score.cpu(), expected[name].score, rtol=1e-4, atol=1e-6)
