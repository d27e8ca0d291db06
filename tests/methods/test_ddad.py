"""What is special to DDAD: who learns from what, from which start, and which settings go together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from contracts.fakes import fake_load, fit, ignore, same_weights, small, studies, training_set
from torch import Generator, Tensor, nn
from torch.testing import assert_close

import medad.methods.ddad
from medad.config import ConfigError, build
from medad.methods.ddad import DDADSettings
from medad.registry import networks
from medad.training import Task, TrainingError
from medad.types import Study, TrainingSet


def weights(module: nn.Module) -> Tensor:
    return torch.cat([value.detach().flatten() for value in module.parameters()])


def tasks_of(monkeypatch: pytest.MonkeyPatch, **settings: object) -> dict[str, Task]:
    """The tasks that DDAD makes, by name, not trained."""
    made: dict[str, Task] = {}

    def keep_only(tasks: Sequence[Task], what: str, **_: object) -> None:
        made.update({task.name: task for task in tasks})

    monkeypatch.setattr(medad.methods.ddad, "train", keep_only)
    fit(small("ddad", **settings))  # type: ignore[arg-type]
    return made


def test_the_published_settings_are_the_defaults() -> None:
    settings = DDADSettings()
    assert (settings.size, settings.channels, settings.network, settings.members) == (64, 1, "ae", 3)
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (250, 64, 5e-4)
    assert (settings.refine_epochs, settings.refine_batch_size) == (100, 8)
    assert (settings.refine_learning_rate, settings.refine_weight_decay) == (1e-4, 1e-4)
    assert settings.anomaly_rate == 0.6


def test_optimizers_are_the_published_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tasks_of(monkeypatch, batch_size=4, refine_batch_size=2)
    for name, task in made.items():
        group = task.optimizer.param_groups[0]
        refiner = name.startswith("r_")
        assert isinstance(task.optimizer, torch.optim.Adam)
        assert group["betas"] == (0.5, 0.999)
        assert (group["lr"], group["weight_decay"]) == ((1e-4, 1e-4) if refiner else (5e-4, 0.0))
        assert (task.batch_size, task.epochs) == ((2, 1) if refiner else (4, 2))
        assert {id(value) for value in group["params"]} == {id(value) for value in task.network.parameters()}


def test_the_ndm_learns_from_normal_images_and_the_udm_from_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tasks_of(monkeypatch)
    data, load = training_set(), fake_load(small("ddad"))
    assert list(made) == ["ndm0", "ndm1", "udm0", "udm1", "r_intra", "r_dual"]
    for name, task in made.items():
        learned = (*data.normal, *data.unlabeled) if name.startswith("udm") else data.normal
        assert torch.equal(task.images, load(learned)), name


def test_members_begin_apart_and_in_their_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list(tasks_of(monkeypatch, members=3).values())
    starts = [weights(task.network)[:1000].tolist() for task in made]
    orders = [torch.randperm(100, generator=task.generator).tolist() for task in made]
    assert len({tuple(start) for start in starts}) == len(made)
    assert len({tuple(order) for order in orders}) == len(made)


@pytest.mark.parametrize("network", networks.names())
def test_networks_begin_as_pytorch_begins_them(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions and linear layers: uniform within 1 / sqrt(fan-in); batch norms: the identity."""
    for name, task in tasks_of(monkeypatch, network=network).items():
        for part in task.network.modules():
            if isinstance(part, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                bound = part.weight[0].numel() ** -0.5
                assert 0.9 * bound < part.weight.abs().max() <= bound, name
                assert abs(part.weight.std() / bound - 3**-0.5) < 0.1, name
                if part.bias is not None:
                    assert part.bias.any()
                    assert part.bias.abs().max() <= bound
            elif isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
                assert torch.equal(part.weight, torch.ones_like(part.weight))
                assert not part.bias.any()
                assert (part.eps, part.momentum) == (1e-5, 0.1)


def test_building_twice_and_fitting_begins_from_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and buffers that a method had before are forgotten."""
    first = fit(small("ddad"))
    again = fit(fit(small("ddad"), seed=3))
    assert same_weights(first, again)


def test_modules_stay_as_they_are_while_asr_net_learns() -> None:
    alone, refined = small("ddad", scores=("inter",)), small("ddad", scores=("inter", "r_dual", "r_intra"))
    fit(alone)
    fit(refined)
    assert same_weights(alone.ndm, refined.ndm)
    assert same_weights(alone.udm, refined.udm)


def test_asr_net_learns_from_blended_normal_images_and_evaluated_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    blend, seen = medad.methods.ddad.blend_patches, []
    method = small("ddad", scores=("r_dual",))
    normal = fake_load(method)(training_set().normal)

    def noted(images: Tensor, pool: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        modes = (method.ndm.training, method.udm.training, method.refiners["r_dual"].training)
        seen.append((modes, {tuple(image.flatten()[:8].tolist()) for image in images}))
        assert torch.equal(pool, normal)
        return blend(images, pool, generator)

    monkeypatch.setattr(medad.methods.ddad, "blend_patches", noted)
    fit(method)
    known = {tuple(image.flatten()[:8].tolist()) for image in normal}
    assert len(seen) == 2  # 10 normal images, batches of 4, one epoch
    for modes, images in seen:
        assert modes == (False, False, True)
        assert images <= known
    assert not any(part.training for part in method.modules())


def test_the_loss_of_asr_net_goes_down() -> None:
    method = small("ddad", size=16, scores=("rec", "r_intra"), epochs=4, refine_epochs=12)
    losses: list[float] = []
    fit(
        method,
        data=TrainingSet(studies("normal", 24)),
        track=lambda name, value, step: losses.append(value) if name == "r_intra/loss" else None,
    )
    assert len(losses) == 12
    assert losses[-1] < 0.8 * losses[0]


def test_without_a_score_that_needs_it_there_is_no_udm() -> None:
    method = small("ddad", scores=("single", "rec", "intra", "r_intra"))
    assert method.udm is None
    fit(method, data=TrainingSet(studies("normal", 10)))
    assert list(method.score(torch.zeros(1, 1, 32, 32))) == ["single", "rec", "intra", "r_intra"]


@pytest.mark.parametrize("name", ["inter", "r_dual"])
def test_without_unlabeled_studies_the_error_says_what_does_without(name: str) -> None:
    method = small("ddad", scores=("rec", name))
    read: list[Study] = []
    with pytest.raises(TrainingError, match=r"no.*--set scores=\[rec\]"):
        method.fit(
            TrainingSet(studies("normal", 10)), lambda wanted: read.extend(wanted), track=ignore, rng=Generator()
        )
    assert not read


@pytest.mark.parametrize("scores", [("single",), ("r_dual", "rec"), ("inter", "r_intra")])
def test_scores_come_in_the_order_asked_for(scores: tuple[str, ...]) -> None:
    assert tuple(small("ddad", scores=scores).score(torch.zeros(2, 1, 32, 32))) == scores


def test_all_scores_come_from_one_pass() -> None:
    method = small("ddad")
    passes: list[str] = []
    for name in ("ndm", "udm"):
        getattr(method, name).register_forward_hook(lambda *_, name=name: passes.append(name))
    method.score(torch.zeros(2, 1, 32, 32))
    assert sorted(passes) == ["ndm", "udm"]


def test_scores_are_means_of_maps_and_members_are_single_networks() -> None:
    method = small("ddad", members=3)
    images = torch.rand(4, 1, 32, 32, generator=Generator().manual_seed(0))
    scored = method.score(images)
    for one in scored.values():
        assert_close(one.score, one.anomaly_map.mean(dim=(1, 2, 3)))
    assert {name: one.members.shape[1] for name, one in scored.items()} == {
        "single": 3,
        **dict.fromkeys(("rec", "intra", "inter", "r_intra", "r_dual"), 1),
    }
    with torch.no_grad():
        errors = [(member(images).mean - images).square().mean(dim=(1, 2, 3)) for member in method.ndm.members]
    assert_close(scored["single"].members, torch.stack(errors, dim=1))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"size": 40}, "multiple of 16"),
        ({"network": "vae"}, "ae, aeu, memae"),
        ({"scores": ("rec", "intre")}, "single"),
        ({"scores": ("rec", "rec")}, "each once"),
        ({"scores": ()}, "scores"),
        ({"members": 0}, "members"),
        ({"refine_batch_size": 1}, "refine_batch_size"),
        ({"epoch": 3}, "Did you mean 'epochs'"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(DDADSettings, wrong, "settings")


def test_one_member_has_no_intra_and_this_is_said_before_training() -> None:
    with pytest.raises(ConfigError, match=r"members=1.*at least 2 networks"):
        small("ddad", members=1, scores=("rec", "intra"))
    method = fit(small("ddad", members=1, scores=("single", "rec", "inter")))
    assert list(method.score(torch.zeros(1, 1, 32, 32))) == ["single", "rec", "inter"]


def test_too_few_images_name_the_setting() -> None:
    with pytest.raises(TrainingError, match=r"ndm0: 3 training images .* batch of 4.*batch_size"):
        fit(small("ddad"), data=training_set(normal=3))


def test_too_few_images_for_asr_net_name_its_own_setting_before_training() -> None:
    losses: list[float] = []
    with pytest.raises(TrainingError, match="refine_batch_size=") as raised:
        fit(small("ddad", refine_batch_size=16), track=lambda name, value, step: losses.append(value))
    assert "set batch_size" not in str(raised.value)
    assert not losses


def test_building_leaves_the_global_random_state() -> None:
    state = torch.get_rng_state()
    small("ddad")
    assert torch.equal(torch.get_rng_state(), state)
