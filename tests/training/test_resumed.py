"""A training that was killed goes on from its checkpoint to the same result."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from contracts.fakes import ignore, same_weights
from contracts.toys import EPOCHS, Killed, counting, dying, into, never, toy_images, toy_task
from torch import nn

import medad.training
from medad.training import Task, TrainingError, adam, train
from medad.types import MedadError


@pytest.fixture
def at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)


@pytest.mark.parametrize(("epoch", "batch"), [(1, 1), (1, 3), (2, 1), (3, 1), (3, 3), (3, 5), (6, 5)])
def test_killed_in_a_batch_and_continued_to_equal_weights(
    epoch: int, batch: int, tmp_path: Path, at_every_epoch: None
) -> None:
    whole, expected, losses = toy_task(), {}, {}
    train([whole], "toy", track=into(expected))
    with pytest.raises(Killed):
        train([dying(toy_task(), epoch, batch)], "toy", track=ignore, keep=tmp_path)
    again = toy_task()
    if epoch > 1:  # all that was learned must come from the checkpoint, nothing from where the network is now
        for value in again.network.parameters():
            nn.init.ones_(value)
    steps = counting(again)
    train([again], "toy", track=into(losses), keep=tmp_path)
    assert same_weights(again.network, whole.network)
    assert losses == expected
    assert list(losses) == [("toy/loss", step) for step in range(1, EPOCHS + 1)]
    assert len(steps) == (EPOCHS - epoch + 1) * len(again)
    assert _optimizer_state(again) == _optimizer_state(whole)


def _optimizer_state(task: Task) -> dict[int, list[object]]:
    state = task.optimizer.state_dict()["state"]
    return {key: [value.tolist() for value in one.values()] for key, one in state.items()}


def test_killed_while_reporting_and_continued_to_equal_weights(tmp_path: Path, at_every_epoch: None) -> None:
    def track(name: str, value: float, step: int) -> None:
        if step == 3:
            raise Killed

    whole, again, losses = toy_task(), toy_task(), {}
    train([whole], "toy", track=ignore)
    with pytest.raises(Killed):
        train([toy_task()], "toy", track=track, keep=tmp_path)
    train([again], "toy", track=into(losses), keep=tmp_path)
    assert same_weights(again.network, whole.network)
    assert [step for _, step in losses] == [1, 2, 3, 4, 5, 6]


def test_killed_while_writing_leaves_the_checkpoint_before(
    tmp_path: Path, at_every_epoch: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, written = torch.save, iter(range(100))

    def half(state: object, path: Path) -> None:
        if next(written) == 2:
            Path(path).write_bytes(b"half of it")
            raise Killed
        save(state, path)

    whole, again = toy_task(), toy_task()
    train([whole], "toy", track=ignore)
    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Killed):
        train([toy_task()], "toy", track=ignore, keep=tmp_path)
    monkeypatch.undo()
    train([again], "toy", track=ignore, keep=tmp_path)
    assert same_weights(again.network, whole.network)


def test_without_a_checkpoint_it_begins_again(tmp_path: Path) -> None:
    """Killed before the first checkpoint is due."""
    whole, again = toy_task(), toy_task()
    train([whole], "toy", track=ignore)
    with pytest.raises(Killed):
        train([dying(toy_task(), 3, 2)], "toy", track=ignore, keep=tmp_path)
    assert not list(tmp_path.rglob("*.pt"))
    train([again], "toy", track=ignore, keep=tmp_path)
    assert same_weights(again.network, whole.network)


def test_checkpoints_do_not_change_the_result(tmp_path: Path, at_every_epoch: None) -> None:
    plain, kept = toy_task(), toy_task()
    train([plain], "toy", track=ignore)
    train([kept], "toy", track=ignore, keep=tmp_path / "new" / "folder")
    assert same_weights(plain.network, kept.network)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["toy.pt"]


def test_a_finished_task_is_not_trained_again(tmp_path: Path) -> None:
    first, again, losses = toy_task(), toy_task(), {}
    train([first], "toy", track=ignore, keep=tmp_path)
    again.loss = partial(never)
    train([again], "toy", track=into(losses), keep=tmp_path)
    assert same_weights(first.network, again.network)
    assert list(losses.values()) == first.losses


def test_divergence_is_never_continued_from(tmp_path: Path, at_every_epoch: None) -> None:
    task = toy_task()
    inner, steps = task.loss, iter(range(1000))
    task.loss = lambda batch: inner(batch) * (float("nan") if next(steps) >= 2 * len(task) else 1.0)
    with pytest.raises(TrainingError):
        train([task], "toy", track=ignore, keep=tmp_path)
    again, whole = toy_task(), toy_task()
    train([again], "toy", track=ignore, keep=tmp_path)
    train([whole], "toy", track=ignore)
    assert same_weights(again.network, whole.network)


@pytest.mark.parametrize("other", ["seed", "learning rate", "batch size", "images", "fewer epochs"])
def test_a_checkpoint_of_another_training_is_not_continued(other: str, tmp_path: Path, at_every_epoch: None) -> None:
    """Either it is refused with an error that names the folder, or it is ignored; never a mixture of the two."""

    def task() -> Task:
        if other == "images":
            return toy_task(images=toy_images() + 1)
        if other in ("batch size", "fewer epochs"):
            return toy_task(**{"batch size": {"batch_size": 2}, "fewer epochs": {"epochs": 2}}[other])  # type: ignore[arg-type]
        made = toy_task(seed=1 if other == "seed" else 0)
        if other == "learning rate":
            made.optimizer = adam(made.network, 1e-3)
        return made

    whole, again = task(), task()
    train([whole], "toy", track=ignore)
    with pytest.raises(Killed):
        train([dying(toy_task(), 4, 1)], "toy", track=ignore, keep=tmp_path)
    try:
        train([again], "toy", track=ignore, keep=tmp_path)
    except MedadError as error:
        refused = str(error)
    else:
        refused = None
    assert str(tmp_path) in refused if refused else same_weights(again.network, whole.network)


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "toy.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(MedadError, match=r"toy\.pt"):
        train([toy_task()], "toy", track=ignore, keep=tmp_path)
