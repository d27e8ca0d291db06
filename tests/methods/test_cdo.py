"""What is special to CDO: its two networks, what enters them, what is learned, and what a user is told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contracts.fakes import fake_load, fit, ignore, same_weights, small, studies, training_set
from helpers.backbones_files import torchvision_layout
from helpers.making import gray_image, write_dicom
from PIL import Image
from torch import Tensor
from torch.testing import assert_close
from typer.testing import CliRunner

import medad.methods.cdo
from medad.backbones.base import BackboneError
from medad.cli import app
from medad.config import ConfigError, build
from medad.data.loading import Loader
from medad.methods.cdo import CDO, CDOSettings
from medad.model import Card, load, save
from medad.training import Decay, Task, TrainingError
from medad.types import Study, TrainingSet


def cdo(**settings: Any) -> CDO:
    made = small("cdo", **settings)
    assert isinstance(made, CDO)
    return made


def images(count: int = 4, channels: int = 1) -> Tensor:
    return torch.rand(count, channels, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1


def the_task(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[CDO, Task]:
    made: list[Task] = []
    monkeypatch.setattr(medad.methods.cdo, "train", lambda tasks, what, **_: made.extend(tasks))
    method = cdo(**settings)
    fit(method)
    (task,) = made
    return method, task


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision_layout("resnet18"), path)
    return path


def test_only_the_apprentice_learns(weights: Path) -> None:
    method = cdo(weights=str(weights))
    fit(method)
    given = torch.load(weights, weights_only=True)
    expert, apprentice = method.pair.expert.state_dict(), method.pair.apprentice.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in expert.items())
    learned = [name for name in apprentice if name.endswith("conv1.weight")]
    assert learned
    assert not any(torch.equal(apprentice[name], given[name]) for name in learned)
    assert not any(value.requires_grad for value in method.pair.expert.parameters())


def test_what_is_trained_is_the_apprentice_from_its_own_start(monkeypatch: pytest.MonkeyPatch) -> None:
    method, task = the_task(monkeypatch, learning_rate=2e-3, weight_decay=0.1, decay=0.5, decay_every=3)
    assert task.network is method.pair.apprentice
    owned = {id(value) for value in method.pair.apprentice.parameters()}
    assert {id(value) for group in task.optimizer.param_groups for value in group["params"]} == owned
    assert isinstance(task.optimizer, torch.optim.AdamW)
    assert (task.optimizer.defaults["lr"], task.optimizer.defaults["weight_decay"]) == (2e-3, 0.1)
    assert task.decay == Decay(0.5, 3)
    assert torch.equal(task.images, fake_load(method)(training_set().normal))
    expert, apprentice = method.pair.expert.state_dict(), method.pair.apprentice.state_dict()
    assert not torch.equal(expert["conv1.weight"], apprentice["conv1.weight"])
    _, other = the_task(monkeypatch, optimizer="adam")
    assert type(other.optimizer) is torch.optim.Adam
    assert other.optimizer.defaults["betas"] == (0.5, 0.999)


def test_the_expert_is_never_in_training_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    method = cdo()
    seen: list[tuple[bool, bool]] = []
    method.pair.expert.register_forward_hook(
        lambda *_: seen.append((method.pair.expert.training, method.pair.apprentice.training))
    )
    fit(method)
    assert (False, True) in seen
    assert not any(expert for expert, _ in seen)
    method.train()
    assert not any(part.training for part in method.pair.expert.modules())


@pytest.mark.parametrize(
    "setting", [{"gamma": 0.0}, {"rectangles": 0}, {"noise_grain": 4}, {"foreground": True}, {"clip": 1e-3}], ids=str
)
def test_a_setting_that_is_said_to_act_does(setting: dict[str, Any]) -> None:
    one, other = cdo(), cdo(**setting)
    assert not torch.equal(
        fit(one).state_dict()["pair.apprentice.conv1.weight"], fit(other).state_dict()["pair.apprentice.conv1.weight"]
    )


@pytest.mark.parametrize("key", ["fusion", "foreground", "clip"])
def test_a_checkpoint_of_another_release_is_refused(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, task = the_task(monkeypatch)
    changed = {"fusion": "nearest", "foreground": True, "clip": 5.0}[key]
    _, other = the_task(monkeypatch, **{key: changed})
    with pytest.raises(TrainingError, match=f"other {key}"):
        other.restore(task.state(), tmp_path)
    earlier = task.state()
    earlier["of"] = {name: value for name, value in earlier["of"].items() if name not in ("fusion", "foreground")}
    with pytest.raises(TrainingError, match=r"other fusion, foreground.*remove the folder"):
        task.restore(earlier, tmp_path)


def test_a_checkpoint_of_another_gamma_expert_or_backbone_is_refused(tmp_path: Path, weights: Path) -> None:
    fit(cdo(), keep=tmp_path)
    with pytest.raises(TrainingError, match="other gamma"):
        fit(cdo(gamma=1.0), keep=tmp_path)
    with pytest.raises(TrainingError, match="other expert"):
        fit(cdo(weights=str(weights)), keep=tmp_path)
    with pytest.raises(TrainingError, match="other backbone"):
        fit(cdo(backbone="efficientnet_lite0"), keep=tmp_path)


def test_a_killed_training_goes_on_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the second of three epochs: noise and order go on where they were."""
    monkeypatch.setattr("medad.training.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = cdo(epochs=3)
    fit(whole)
    noise, steps = medad.methods.cdo.white_noise, iter(range(100))

    def dying(*given: Any) -> tuple[Tensor, Tensor]:
        if next(steps) == 5:  # the probe, three steps of the first epoch, one of the second
            raise KeyboardInterrupt
        return noise(*given)

    monkeypatch.setattr(medad.methods.cdo, "white_noise", dying)
    with pytest.raises(KeyboardInterrupt):
        fit(cdo(epochs=3), keep=tmp_path)
    assert list(tmp_path.glob("*.pt"))
    monkeypatch.setattr(medad.methods.cdo, "white_noise", noise)
    resumed = cdo(epochs=3)
    fit(resumed, keep=tmp_path)
    assert same_weights(whole, resumed)


def test_gray_is_color_of_three_equal_channels(weights: Path) -> None:
    gray, color = cdo(channels=1, weights=str(weights)), cdo(channels=3, weights=str(weights))
    color.load_state_dict(gray.state_dict())
    seen = images()
    for name, one in gray.eval().score(seen).items():
        assert torch.equal(one.anomaly_map, color.eval().score(seen.expand(-1, 3, -1, -1))[name].anomaly_map)


def test_sixteen_bit_files_enter_as_what_they_show(tmp_path: Path) -> None:
    """The same picture as 8-bit PNG, 16-bit PNG and 12-bit DICOM with the full range: nearly the same map."""
    pixels = gray_image(np.random.default_rng(0), side=64)
    pixels.flat[:2] = 0, 255
    Image.fromarray(pixels).save(tmp_path / "8.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "16.png")
    write_dicom(tmp_path / "12.dcm", pixels)
    method = cdo()
    fit(method)
    loader = Loader(method.settings)
    seen = loader([Study(name, (tmp_path / name,)) for name in ("8.png", "16.png", "12.dcm")])
    assert seen.shape == (3, 1, 32, 32)
    assert_close(seen[1:], seen[:1].expand(2, -1, -1, -1), rtol=0, atol=1e-4)
    maps = method.score(seen)["max"].anomaly_map
    assert_close(maps[1:], maps[:1].expand(2, -1, -1, -1), rtol=1e-3, atol=1e-4)


def test_margin_and_overlap_are_told_before_and_after(caplog: pytest.LogCaptureFixture) -> None:
    told: dict[str, list[tuple[float, int]]] = {}
    with caplog.at_level(logging.INFO, "medad"):
        fit(cdo(), track=lambda name, value, step: told.setdefault(name, []).append((value, step)))
    assert [step for _, step in told["apprentice/margin"]] == [0, 2]
    assert [step for _, step in told["apprentice/overlap"]] == [0, 2]
    assert all(0 <= value <= 1 for value, _ in told["apprentice/overlap"])
    assert "before and after training: margin" in caplog.text


def test_unlabeled_studies_are_not_read() -> None:
    method = cdo()
    reader = fake_load(method)
    data = training_set()
    method.fit(data, reader, track=ignore, rng=torch.Generator().manual_seed(0))
    assert set(reader.asked) == set(data.normal)


def test_no_weights_is_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    method = cdo()
    fit(method)
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("no CDO" in record.getMessage() for record in warned)
    assert all("no CDO" in title for title in method.scores.values())
    assert method.settings.architecture == "resnet18-random"


def test_missing_weights_stop_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    method = cdo(weights="imagenet")
    assert method.settings.architecture == "resnet18"
    read: list[object] = []
    for attempt in (
        method.rehearse,
        lambda: method.fit(training_set(), read.append, track=ignore, rng=torch.Generator()),  # type: ignore[arg-type]
    ):
        with pytest.raises(BackboneError, match=r"--allow-download"):
            attempt()
    assert not read


def test_weights_of_another_network_are_refused_with_the_file(weights: Path) -> None:
    with pytest.raises(BackboneError, match=rf"{weights.name}: these are not the weights of ResNet-34"):
        cdo(backbone="resnet34", weights=str(weights)).rehearse()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"size": 48}, "multiple of 32"),
        ({"backbone": "resnet1"}, "did you mean 'resnet"),
        ({"gamma": -1}, "gamma"),
        ({"rectangles": -1}, "rectangles"),
        ({"top_share": 0}, "top_share"),
        ({"decay": 0}, "decay"),
        ({"optimizer": "sgd"}, "adamw or adam"),
        ({"maps": "sum"}, "features or cosine"),
        ({"fusion": "bicubic"}, "bilinear or nearest"),
        ({"resize": "bicubic"}, "antialiased, plain or two_steps"),
        ({"clip": -1}, "clip"),
        ({"foreground": "capsule"}, "foreground"),
        ({"gama": 1}, "Did you mean 'gamma'"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(CDOSettings, wrong, "settings")


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    """The incomplete last batch is kept, be it the only one."""
    method = cdo()
    before = method.pair.apprentice.state_dict()["conv1.weight"].clone()
    fit(method, data=TrainingSet(studies("normal", 3)))
    assert not torch.equal(method.pair.apprentice.state_dict()["conv1.weight"], before)


def test_a_model_folder_scores_without_the_file_of_weights(weights: Path, tmp_path: Path) -> None:
    moved = tmp_path / "weights.pth"
    moved.write_bytes(weights.read_bytes())
    method = cdo(weights=str(moved))
    fit(method)
    scales = dict.fromkeys(method.scores, 1.0)
    card = Card(method="cdo", settings=method.settings.model_dump(mode="json"), seed=0, trained_on={}, map_scale=scales)
    save(tmp_path / "model", method, card)
    moved.unlink()
    loaded = load(tmp_path / "model").method
    for name, one in loaded.score(images()).items():
        assert torch.equal(one.score, method.score(images())[name].score)


def test_a_model_of_an_earlier_medad_scores_as_it_did(tmp_path: Path) -> None:
    """Its card does not say which map, fusion and resize it was made with: there was one of each then."""
    method = cdo(maps="cosine", fusion="nearest", resize="antialiased")
    fit(method)
    settings = method.settings.model_dump(mode="json")
    younger = ("maps", "fusion", "resize", "foreground", "clip")
    earlier = {key: value for key, value in settings.items() if key not in younger}
    scales = dict.fromkeys(method.scores, 1.0)
    save(tmp_path / "model", method, Card(method="cdo", settings=earlier, seed=0, trained_on={}, map_scale=scales))
    loaded = load(tmp_path / "model")
    assert loaded.method.settings == method.settings
    assert loaded.card.settings["maps"] == "cosine"
    for name, one in loaded.method.score(images()).items():
        assert torch.equal(one.anomaly_map, method.score(images())[name].anomaly_map)


def test_train_and_score_a_folder(tmp_path: Path) -> None:
    """`medad train cdo`, then `medad score`: both scores of every study, and a heatmap with its color bar."""
    rng = np.random.default_rng(1)
    for index in range(6):
        write_dicom(tmp_path / "normal" / f"{index}.dcm", gray_image(rng, side=48))
    write_dicom(tmp_path / "inbox" / "one.dcm", gray_image(rng, True, side=48))
    Image.fromarray(gray_image(rng, side=40)).save(tmp_path / "inbox" / "two.png")
    (tmp_path / "inbox" / "note.txt").write_text("no image")
    fast = {"size": 32, "channels": 1, "backbone": "resnet18", "weights": "none", "batch_size": 4, "epochs": 1}
    told = [part for key, value in fast.items() for part in ("--set", f"{key}={value}")]
    where = ["--normal", str(tmp_path / "normal"), "--out", str(tmp_path / "out"), "--no-tracking", "--device", "cpu"]
    done = CliRunner().invoke(app, ["train", "cdo", *where, *told])
    assert done.exit_code == 0, done.output
    model, out = tmp_path / "out" / "model", tmp_path / "scores"
    drawn = ["--device", "cpu", "--heatmaps", "all"]
    done = CliRunner().invoke(app, ["score", str(model), str(tmp_path / "inbox"), "--out", str(out), *drawn])
    assert done.exit_code == 0, done.output
    import pandas as pd

    table = pd.read_csv(out / "scores.csv").set_index("file")
    assert table["status"].to_dict() == {"note.txt": "skipped", "one.dcm": "scored", "two.png": "scored"}
    scored = table[table["status"] == "scored"]
    assert (scored["max"] >= scored["top"]).all()
    # the source's grid, widened and lengthened by the color bar
    assert Image.open(out / scored.loc["one.dcm", "heatmap"]).size == (240, 48 + 36)
    assert Image.open(out / scored.loc["two.png", "heatmap"]).size == (240, 40 + 36)
