"""What every method keeps to, with every network that it can have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.fakes import fake_load, fit, ignore, same_weights, small, studies, training_set, variants
from torch import Generator, Tensor
from torch.testing import assert_close

from medad.methods.base import Method
from medad.registry import methods
from medad.types import Study, TrainingSet

VARIANTS = variants()
TRAINED = [(name, network) for name, network in VARIANTS if "epochs" in methods.get(name).settings_model.model_fields]


def named(variant: tuple[str, str | None]) -> str:
    """ "ddad-ae", or "pca" for a method without a choice of networks."""
    return "-".join(filter(None, variant))


every = pytest.mark.parametrize("variant", VARIANTS, ids=named)


@cache
def fitted(name: str, network: str | None) -> Method:
    """Fitted once for all tests, which must not change it."""
    return fit(small(name, network))


def images(channels: int = 1) -> Tensor:
    return torch.rand(4, channels, 32, 32, generator=Generator().manual_seed(11)) * 2 - 1


def test_there_is_something_to_test() -> None:
    assert {"ddad", "pca", "max_intensity"} <= {name for name, _ in VARIANTS}
    assert {("ddad", "ae"), ("ddad", "aeu"), ("ddad", "memae")} <= set(TRAINED)


@every
def test_scores_of_a_batch(variant: tuple[str, str | None]) -> None:
    method, x = fitted(*variant), images()
    scored = method.score(x)
    assert list(scored) == list(method.scores)
    assert all(title.strip() for title in method.scores.values())
    for one in scored.values():
        assert one.score.shape == (4,)
        assert one.anomaly_map.shape == (4, 1, 32, 32)
        assert one.members.shape[0] == 4
        assert one.members.ndim == 2
        assert_close(one.members.mean(dim=1), one.score)
        for values in (one.score, one.anomaly_map, one.members):
            assert values.isfinite().all()
            assert not values.requires_grad
        assert one.anomaly_map.std() > 0  # no constant; the scores of untrained networks may agree to the last digit


@every
def test_score_ignores_the_rest_of_the_batch(variant: tuple[str, str | None]) -> None:
    method, x = fitted(*variant), images()
    whole, alone = method.score(x), method.score(x[1:2])
    for name in method.scores:
        assert_close(whole[name].score[1:2], alone[name].score)
        assert_close(whole[name].members[1:2], alone[name].members)
        assert_close(whole[name].anomaly_map[1:2], alone[name].anomaly_map)


@every
def test_scoring_changes_nothing(variant: tuple[str, str | None]) -> None:
    method, x = fitted(*variant), images()
    state = {name: value.clone() for name, value in method.state_dict().items()}
    first, second = method.score(x), method.score(x)
    assert torch.equal(x, images())
    assert all(torch.equal(first[name].anomaly_map, second[name].anomaly_map) for name in method.scores)
    assert all(torch.equal(value, state[name]) for name, value in method.state_dict().items())


@every
def test_a_seed_decides_everything(variant: tuple[str, str | None]) -> None:
    """Two fits are equal to the last bit, whatever the global random states are, and leave those as they were."""
    first = fitted(*variant)
    torch.manual_seed(99)
    np.random.seed(99)
    second = small(*variant)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert same_weights(first, fit(second))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.parametrize("variant", TRAINED, ids=named)
def test_another_seed_gives_another_model(variant: tuple[str, str | None]) -> None:
    first, second = fitted(*variant).state_dict(), fit(small(*variant), seed=1).state_dict()
    learned = [name for name, value in fitted(*variant).named_parameters() if value.requires_grad]
    assert not any(torch.equal(first[name], second[name]) for name in learned)


@every
def test_weights_fill_a_method_that_was_just_built(variant: tuple[str, str | None]) -> None:
    method, x = fitted(*variant), images()
    tensors = {name: value.contiguous().clone() for name, value in method.state_dict().items()}
    copy = small(*variant)
    copy.load_state_dict(tensors)
    copy.eval()
    assert same_weights(method, copy)
    for name, one in copy.score(x).items():
        assert torch.equal(one.score, method.score(x)[name].score)
        assert torch.equal(one.anomaly_map, method.score(x)[name].anomaly_map)


@every
def test_scores_are_known_before_training(variant: tuple[str, str | None]) -> None:
    assert small(*variant).scores == fitted(*variant).scores


@every
def test_three_channels(variant: tuple[str, str | None]) -> None:
    method = fit(small(*variant, channels=3))
    for one in method.score(images(3)).values():
        assert one.anomaly_map.shape == (4, 1, 32, 32)
        assert one.anomaly_map.isfinite().all()


@every
def test_fit_sees_training_studies_without_labels_only(variant: tuple[str, str | None]) -> None:
    method = small(*variant)
    load, data = fake_load(method), training_set()
    method.fit(data, load, track=ignore, rng=Generator().manual_seed(0))
    assert set(load.asked) <= {*data.normal, *data.unlabeled}
    assert all(study.label is None and study.mask is None for study in load.asked)


@every
def test_a_finished_fit_is_continued_to_itself(variant: tuple[str, str | None], tmp_path: Path) -> None:
    first = fit(small(*variant), keep=tmp_path)
    assert same_weights(first, fitted(*variant))
    assert same_weights(fit(small(*variant), keep=tmp_path), first)


@pytest.mark.parametrize("told", [{"label": 0}, {"label": 1}, {"mask": Path("mask.png")}], ids=str)
@pytest.mark.parametrize("side", ["normal", "unlabeled"])
def test_a_training_set_refuses_labels_and_masks(side: str, told: dict[str, object]) -> None:
    leaking = Study("x", (Path("x.png"),), **told)  # type: ignore[arg-type]
    sides = {"normal": studies("normal", 2), "unlabeled": studies("unlabeled", 2), side: (leaking,)}
    with pytest.raises(ValueError, match="'x' carries a label or a mask"):
        TrainingSet(**sides)
    TrainingSet(**{**sides, side: (leaking.unlabeled(),)})
