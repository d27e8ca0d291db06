"""Networks that take their steps together learn what each would have learned by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from contracts.fakes import fake_load, fit, ignore, same_weights, small, training_set
from contracts.toys import Killed, Losses, counting, dying, into, never, seeded, toy_task
from torch import Generator, Tensor, nn
from torch.testing import assert_close

import medad.data.loading
import medad.methods.ddad
import medad.training
from medad.config import Settings
from medad.data.loading import Loader
from medad.data.study_reading import ReadStudy
from medad.functional.losses import reconstruction_loss
from medad.registry import networks
from medad.training import Task, TrainingError, adam, train, visible
from medad.training.stepping import Together
from medad.types import Study

every = pytest.mark.parametrize("network", networks.names())


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def on_a_gpu(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that needs one."""
    needs = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    return pytest.mark.gpu(needs(test))


def images(count: int = 22, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, 1, 16, 16, generator=seeded(1)).to(dtype) * 2 - 1


def _loss(network: nn.Module, batch: Tensor) -> Tensor:
    return reconstruction_loss(batch, network(batch))


def members(
    network: str = "ae",
    count: int = 3,
    name: str = "ndm",
    device: str = "cpu",
    seen: Tensor | None = None,
    epochs: int = 3,
) -> list[Task]:
    """Tasks as DDAD makes them. In double precision, rounding does not hide a mistake, nor look like one."""
    seen = images() if seen is None else seen
    tasks = []
    for index in range(count):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(index)
            one: nn.Module = networks.get(network)(1, 16)
        one.to(device, seen.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        tasks.append(
            Task(f"{name}{index}", one, partial(_loss, one), seen, adam(one, 5e-4), 4, epochs, seeded(index), kin=name)
        )
    return tasks


def assert_alike(first: Sequence[Task], second: Sequence[Task], tolerance: float = 1e-8) -> None:
    """Weights, batch norm statistics, losses, states of the optimizers and of the generators."""
    close = partial(assert_close, rtol=0, atol=tolerance, check_device=False)
    for one, two in zip(first, second, strict=True):
        close(dict(one.network.state_dict()), dict(two.network.state_dict()))
        close(one.losses, two.losses)
        close(one.optimizer.state_dict()["state"], two.optimizer.state_dict()["state"])
        assert torch.equal(one.generator.get_state(), two.generator.get_state())


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many networks are in each group that is trained together."""
    found: list[int] = []

    def noted(group: Sequence[nn.Module], *more: object) -> Together:
        found.append(len(group))
        return Together(group, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(medad.training, "Together", noted)
    return found


@pytest.fixture
def at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)


@every
def test_together_is_one_by_one(network: str, sizes: list[int]) -> None:
    alone, together = members(network), members(network)
    train(alone, "alone", track=ignore, together=False)
    assert not sizes
    train(together, "together", track=ignore, together=True)
    assert sizes == [3]
    assert_alike(alone, together)
    assert not same_weights(together[0].network, members(network)[0].network)
    assert all(int(state["step"]) == 15 for task in together for state in task.optimizer.state_dict()["state"].values())


@every
def test_one_step_in_single_precision(network: str) -> None:
    """After many, rounding alone tells two runs apart: another memory format of the weights does as much."""
    alone, together = (members(network, seen=images(4, torch.float32), epochs=1) for _ in range(2))
    train(alone, "alone", track=ignore, together=False)
    train(together, "together", track=ignore, together=True)
    for one, two in zip(alone, together, strict=True):
        assert_close(one.losses, two.losses, rtol=0, atol=1e-5)
        assert_close(dict(one.network.named_buffers()), dict(two.network.named_buffers()), rtol=0, atol=1e-5)


def test_losses_are_tracked_for_each_member() -> None:
    losses: Losses = {}
    tasks = members()
    train(tasks, "together", track=into(losses), together=True)
    assert set(losses) == {(f"ndm{index}/loss", epoch) for index in range(3) for epoch in (1, 2, 3)}
    for task in tasks:
        assert task.losses == [losses[f"{task.name}/loss", epoch] for epoch in (1, 2, 3)]
    assert len({task.losses[-1] for task in tasks}) == 3


def test_divergence_names_the_member() -> None:
    tasks, losses = members(), {}
    with torch.no_grad():
        next(tasks[1].network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"^ndm1: the loss became nan in epoch 1; lower the learning rate"):
        train(tasks, "together", track=into(losses), together=True)
    assert torch.tensor(tasks[0].losses).isfinite().all()


def test_members_are_whole_afterwards() -> None:
    """Their tensors are their own, in their own memory format, as safetensors and fused optimizers want them."""
    tasks = members()
    train(tasks, "together", track=ignore, together=True)
    for task in tasks:
        assert not task.network.training
        for value in task.network.state_dict().values():
            assert value.untyped_storage().nbytes() == value.nbytes
        for weight in task.network.parameters():
            state = task.optimizer.state[weight]
            assert state["exp_avg"].stride() == state["exp_avg_sq"].stride() == weight.stride()
            assert state["exp_avg"].untyped_storage().nbytes() == weight.nbytes


def test_only_equal_steps_are_shared(sizes: list[int]) -> None:
    same, other_images, other_rate, other_epochs, no_kin = (members(count=2, epochs=1) for _ in range(5))
    for task in other_images:
        task.images = task.images.clone() if task is other_images[0] else other_images[0].images
    for task in other_rate:
        task.images, task.optimizer = same[0].images, adam(task.network, 1e-3)
    for task in (*other_epochs, *no_kin, *same):
        task.images = same[0].images
    for task in other_epochs:
        task.epochs = 2
    for task in no_kin:
        task.kin = None
    tasks = [*same, *other_images, *other_rate, *other_epochs, *no_kin]
    expected = [len(task.losses) + task.epochs for task in tasks]
    train(tasks, "together", track=ignore, together=True)
    assert sizes == [2, 2, 2, 2]
    assert [len(task.losses) for task in tasks] == expected


def test_groups_in_several_threads_do_not_disturb_each_other() -> None:
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tasks = [*members(name="ndm", epochs=2), *members("memae", name="udm", seen=images(30), epochs=2)]
        train(tasks, "together", track=ignore, together=True)
        results.append(tasks)
    for one, two in zip(*results, strict=True):
        assert same_weights(one.network, two.network)
        assert one.losses == two.losses


def test_a_network_alone_in_its_group_needs_no_stack(sizes: list[int]) -> None:
    (one,), (two,) = members(count=1), members(count=1)
    train([one], "together", track=ignore, together=True)
    train([two], "alone", track=ignore)
    assert not sizes
    assert same_weights(one.network, two.network)


def test_groups_are_spread_over_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names of the CPU stand for two GPUs; a task without kin stays at home."""
    places: list[str] = []
    run = medad.training._run

    def noted(tasks: Sequence[Task], device: torch.device, *more: object) -> None:
        places.append(f"{tasks[0].name} {len(tasks)} {device}")
        run(tasks, device, *more)  # type: ignore[arg-type]

    def all_tasks() -> list[Task]:
        names = {"ndm": 2, "udm": 2, "x": 1}
        made = [task for name, count in names.items() for task in members(name=name, count=count, epochs=2)]
        return [*made, toy_task("toy", epochs=1)]

    monkeypatch.setattr(medad.training, "_run", noted)
    spread, home = all_tasks(), all_tasks()
    train(spread, "spread", track=ignore, together=True, devices=[torch.device("cpu:0"), torch.device("cpu:1")])
    assert sorted(places) == ["ndm0 2 cpu:0", "toy 1 cpu", "udm0 2 cpu:1", "x0 1 cpu:0"]
    train(home, "home", track=ignore, together=True)
    assert_alike(spread, home)


def test_one_device_stands_for_itself() -> None:
    assert visible(torch.device("cpu")) == [torch.device("cpu")]
    assert visible(torch.device("cuda:1")) == [torch.device("cuda:1")]
    assert len(visible(torch.device("cuda"))) == torch.cuda.device_count()


# Killed and continued.


@pytest.mark.parametrize(
    ("network", "epoch", "batch"),
    [*((network, 3, 2) for network in networks.names()), ("ae", 1, 3), ("ae", 2, 1), ("ae", 4, 5)],
)
def test_killed_and_continued_to_equal_weights(
    network: str, epoch: int, batch: int, tmp_path: Path, at_every_epoch: None
) -> None:
    whole, killed, again = (members(network, epochs=4) for _ in range(3))
    expected: Losses = {}
    losses: Losses = {}
    train(whole, "whole", track=into(expected), together=True)
    dying(killed[0], epoch, batch)
    with pytest.raises(Killed):
        train(killed, "killed", track=ignore, keep=tmp_path, together=True)
    steps = counting(again[0])
    if epoch > 1:  # all that was learned must come from the checkpoint, nothing from where the networks are now
        for value in (value for task in again for value in task.network.parameters()):
            nn.init.ones_(value)
    train(again, "again", track=into(losses), keep=tmp_path, together=True)
    assert_alike(again, whole, tolerance=0)
    assert losses == expected
    assert len(steps) == (4 - epoch + 1) * 5
    assert [path.name for path in tmp_path.iterdir()] == ["ndm0+2.pt"]


@pytest.mark.parametrize("strategies", [(True, False, True), (False, True)], ids=str)
def test_a_checkpoint_is_continued_by_the_other_strategy(
    strategies: tuple[bool, ...], tmp_path: Path, at_every_epoch: None
) -> None:
    """Also where members are at different epochs."""
    *killings, last = strategies
    torch.set_num_threads(1)
    for together in killings:
        killed = members(epochs=4)
        dying(killed[0], 2, 2)
        with pytest.raises(Killed):
            train(killed, "killed", track=ignore, keep=tmp_path, together=together)
        assert len({len(task.losses) for task in killed}) == (1 if together else 2)
    whole, again = members(epochs=4), members(epochs=4)
    train(again, "again", track=ignore, keep=tmp_path, together=last)
    train(whole, "whole", track=ignore)
    assert_alike(again, whole)


def test_the_furthest_checkpoint_counts(tmp_path: Path, at_every_epoch: None) -> None:
    first, again = members(epochs=2), members(epochs=2)
    train(first, "first", track=ignore, keep=tmp_path, together=True)
    alone = dying(members(epochs=2)[1], 2, 1)
    with pytest.raises(Killed):
        train([alone], "alone", track=ignore, keep=tmp_path / "other")
    (tmp_path / "other" / "ndm1.pt").rename(tmp_path / "ndm1.pt")
    for task in again:
        task.loss = never
    train(again, "again", track=ignore, keep=tmp_path, together=False)
    assert_alike(again, first, tolerance=0)


# Mixed precision.


def test_amp_on_a_cpu_says_so_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    plain, mixed = members(), members()
    train(plain, "plain", track=ignore)
    with caplog.at_level(logging.WARNING):
        train(mixed, "mixed", track=ignore, amp=True)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("medad")] == [
        "amp=true needs a GPU with bfloat16 arithmetic: training in float32 on cpu"
    ]
    assert_alike(plain, mixed, tolerance=0)


@pytest.mark.parametrize("together", [True, False])
@every
def test_in_bfloat16_losses_are_near_and_weights_single(
    network: str, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's autocast on a CPU stands for a GPU's."""
    monkeypatch.setattr(medad.training, "_has_bfloat16", lambda device: True)
    plain, mixed = (members(network, seen=images(dtype=torch.float32)) for _ in range(2))
    train(plain, "plain", track=ignore, together=together)
    train(mixed, "mixed", track=ignore, together=together, amp=True)
    for one, two in zip(plain, mixed, strict=True):
        assert_close(one.losses, two.losses, rtol=0.05, atol=0.01)
        assert one.losses != two.losses
        assert {value.dtype for value in two.network.parameters()} == {torch.float32}


# DDAD and the images.


@every
def test_ddad_trains_its_members_together(network: str, monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    images = torch.rand(4, 1, 32, 32, generator=seeded(11)) * 2 - 1
    alone = fit(small("ddad", network)).score(images)
    monkeypatch.setattr(medad.methods.ddad, "train", partial(train, together=True))
    together = fit(small("ddad", network)).score(images)
    assert sizes == [2, 2]
    for name in alone:
        assert_close(together[name].score, alone[name].score, rtol=1e-3, atol=1e-4)


def test_images_that_do_not_fit_stay_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    studies = [Study(str(index), (Path(str(index)),)) for index in range(3)]
    for free, logged in ((3 * 4 * 1024 * 4, 0), (3 * 4 * 1024 * 4 - 1, 1)):
        loader = Loader(Settings(size=32))
        monkeypatch.setattr(
            loader, "_read", lambda wanted: [ReadStudy(torch.ones(1, 1, 32, 32), None, None, "", None) for _ in wanted]
        )
        monkeypatch.setattr(medad.data.loading, "_free_memory", lambda device, free=free: free)
        caplog.clear()
        with caplog.at_level(logging.INFO, "medad"):
            assert loader(studies).shape == (3, 1, 32, 32)
        assert len(caplog.messages) == logged
        assert all("3 images (0 MiB) do not fit on cpu" in message for message in caplog.messages)


# On a GPU.


@on_a_gpu
@every
def test_a_gpu_trains_together_by_default_to_what_a_cpu_gives(network: str, sizes: list[int]) -> None:
    here, there = members(network), members(network, device="cuda", seen=images().cuda())
    train(here, "CPU", track=ignore)
    train(there, "GPU", track=ignore)
    assert sizes == [3]
    assert_alike(here, there, tolerance=1e-7)


@on_a_gpu
def test_images_may_stay_on_the_cpu() -> None:
    there, apart = members(device="cuda", seen=images().cuda()), members(device="cuda")
    for tasks in (there, apart):
        train(tasks, "GPU", track=ignore)
    assert_alike(there, apart, tolerance=1e-9)


@on_a_gpu
def test_a_checkpoint_of_a_gpu_is_continued_by_a_cpu(tmp_path: Path, at_every_epoch: None) -> None:
    there, here, whole = members(device="cuda", seen=images().cuda()), members(), members()
    dying(there[0], 3, 1)
    with pytest.raises(Killed):
        train(there, "GPU", track=ignore, keep=tmp_path)
    train(here, "CPU", track=ignore, keep=tmp_path)
    train(whole, "CPU", track=ignore)
    assert_alike(here, whole, tolerance=1e-7)


@on_a_gpu
@every
def test_bfloat16_on_a_gpu(network: str) -> None:
    single = images(dtype=torch.float32).cuda()
    plain, mixed = (members(network, device="cuda", seen=single) for _ in range(2))
    train(plain, "plain", track=ignore)
    train(mixed, "mixed", track=ignore, amp=True)
    for one, two in zip(plain, mixed, strict=True):
        assert_close(one.losses, two.losses, rtol=0.05, atol=0.01)


@on_a_gpu
@pytest.mark.parametrize("keeps", ["all", "nothing"])
def test_ddad_on_a_gpu(keeps: str) -> None:
    """All of it: modules together, refiners one by one, with the images there or left behind."""
    here, there = small("ddad"), small("ddad")
    read = fake_load(there)

    class Load:
        device = "cuda"

        def __call__(self, wanted: Sequence[Study]) -> Tensor:
            return read(wanted).to("cuda" if keeps == "all" else "cpu")

        def stream(self, wanted: Sequence[Study], images: int) -> Iterator[tuple[Study, Tensor]]:
            return ((study, seen.to("cuda")) for study, seen in read.stream(wanted, images))

    there.fit(training_set(), Load(), track=ignore, rng=Generator().manual_seed(0))
    fit(here)
    x = torch.rand(4, 1, 32, 32, generator=seeded(11)) * 2 - 1
    expected, found = here.score(x), there.score(x.cuda())
    for name in expected:
        assert_close(found[name].score.cpu(), expected[name].score, rtol=0.1, atol=0.01)


@on_a_gpu
def test_a_loader_counts_what_is_free() -> None:
    free = medad.data.loading._free_memory(torch.device("cuda"))
    taken = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    assert free - medad.data.loading._free_memory(torch.device("cuda")) == pytest.approx(taken.nbytes, rel=0.1)
