"""Parts of the networks that no second implementation covers."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn
from torch.testing import assert_close

from medad.networks._ensemble import Ensemble
from medad.networks._refinement import ASRNet
from medad.networks.memae import Memory
from medad.registry import networks
from medad.types import Reconstruction


class Fixed(nn.Module):
    """Answers with the image plus a number, and a log variance of that number if asked to."""

    def __init__(self, shift: float, predicts_noise: bool) -> None:
        super().__init__()
        self.shift = shift
        self.predicts_noise = predicts_noise

    def forward(self, images: torch.Tensor) -> Reconstruction:
        logs = torch.full_like(images, self.shift) if self.predicts_noise else None
        return Reconstruction(images + self.shift, logs)


def ensemble(*shifts: float, predicts_noise: bool = False) -> Ensemble:
    left = list(shifts)
    return Ensemble(lambda: Fixed(left.pop(0), predicts_noise), len(shifts))


@pytest.mark.parametrize("members", [1, 3])
def test_an_ensemble_stacks_its_members_in_order(members: int) -> None:
    images = torch.rand(2, 3, 4, 4, generator=Generator().manual_seed(0))
    made = ensemble(*range(members))(images)
    assert made.mean.shape == (members, 2, 3, 4, 4)
    assert made.variance is None
    for index in range(members):
        assert torch.equal(made.mean[index], images + index)


def test_an_ensemble_turns_log_variances_into_variances() -> None:
    made = ensemble(0.0, 1.0, -2.0, predicts_noise=True)(torch.zeros(2, 1, 4, 4))
    assert made.variance is not None
    assert made.variance.shape == (3, 2, 1, 4, 4)
    assert_close(made.variance[:, 0, 0, 0, 0], torch.tensor([1.0, 2.718281828, 0.135335283]))


@pytest.mark.parametrize("name", networks.names())
def test_members_share_no_weights(name: str) -> None:
    made = Ensemble(lambda: networks.get(name)(1, 16), 3)
    places = [value.data_ptr() for value in made.parameters()]
    assert len(set(places)) == len(places)
    assert len(places) == 3 * len(list(made.members[0].parameters()))


def memory(items: list[list[float]], shrink: float = 0.0) -> Memory:
    made = Memory(len(items), len(items[0]), shrink)
    with torch.no_grad():
        made.items.copy_(torch.tensor(items))
    return made


def test_memory_by_hand() -> None:
    # z M^T = (ln 3, 0): attention (3/4, 1/4); z' = 3/4 (1, 0) + 1/4 (0, 2)
    codes, attention = memory([[1.0, 0.0], [0.0, 2.0]])(torch.tensor([[3.0, 1.0]]).log())
    assert_close(attention, torch.tensor([[0.75, 0.25]]))
    assert_close(codes, torch.tensor([[0.75, 0.5]]))


def test_shrunken_attention_is_zero_below_the_threshold_and_sums_to_one() -> None:
    # logits (ln 6, ln 3, ln 1): attention (0.6, 0.3, 0.1); what is over 0.2 stays as it is: (0.6, 0.3, 0) / 0.9
    codes = torch.tensor([[6.0, 3.0, 1.0]]).log()
    identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    _, attention = memory(identity, shrink=0.2)(codes)
    assert_close(attention, torch.tensor([[2 / 3, 1 / 3, 0.0]]))
    _, plain = memory(identity)(codes)
    assert_close(plain, torch.tensor([[0.6, 0.3, 0.1]]))


def test_memory_begins_uniform_within_one_over_the_root_of_its_width() -> None:
    items = networks.get("memae")(1, 16).memory.items
    assert items.shape == (25, 16)
    assert 0.9 * 16**-0.5 < items.abs().max() <= 16**-0.5
    assert abs(items.std() - 16**-0.5 / 3**0.5) < 0.02


def test_asr_net_gives_probabilities() -> None:
    found = ASRNet(2)(torch.rand(2, 2, 8, 8, generator=Generator().manual_seed(0)))
    assert found.shape == (2, 2, 8, 8)
    assert_close(found.sum(dim=1), torch.ones(2, 8, 8))
    assert (found > 0).all()
