"""DDAD killed in any of its stages goes on to the same weights, to the last bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from contracts.fakes import fit, same_weights, small
from contracts.toys import EPOCHS, Killed, Losses, into

import medad.training
from medad.files import PART
from medad.methods.base import Method


@pytest.fixture(autouse=True)
def _checkpoints_and_workers(_one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    torch.set_num_threads(2)


def ddad() -> Method:
    return small("ddad", "memae", size=16, epochs=EPOCHS, refine_epochs=4)


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[Method, Losses]:
    losses: Losses = {}
    return fit(ddad(), track=into(losses)), losses


@pytest.mark.parametrize(("task", "epoch"), [("ndm0", 3), ("udm1", 3), ("udm1", 6), ("r_intra", 2), ("r_dual", 4)])
def test_ddad_killed_and_continued(task: str, epoch: int, tmp_path: Path, uninterrupted: tuple[Method, Losses]) -> None:
    def track(name: str, value: float, step: int) -> None:
        if (name, step) == (f"{task}/loss", epoch):
            raise Killed

    with pytest.raises(Killed):
        fit(ddad(), track=track, keep=tmp_path)
    losses: Losses = {}
    assert same_weights(fit(ddad(), track=into(losses), keep=tmp_path), uninterrupted[0])
    assert losses == uninterrupted[1]


def test_ddad_does_not_depend_on_the_number_of_workers(uninterrupted: tuple[Method, Losses]) -> None:
    torch.set_num_threads(1)
    losses: Losses = {}
    assert same_weights(fit(ddad(), track=into(losses)), uninterrupted[0])
    assert losses == uninterrupted[1]
    modules = {f"{module}{index}/loss" for module in ("ndm", "udm") for index in range(2)}
    expected = {(name, epoch) for name in modules for epoch in range(1, EPOCHS + 1)}
    expected |= {(f"{name}/loss", epoch) for name in ("r_intra", "r_dual") for epoch in range(1, 5)}
    assert set(losses) == expected


DIES = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(2)
import medad.training
from contracts.fakes import fit
from contracts.fakes import small

medad.training.SECONDS_BETWEEN_CHECKPOINTS = 0.0

def track(name, value, step):
    if (name, step) == ("udm0/loss", 3):
        os.kill(os.getpid(), signal.SIGKILL)

fit(small("ddad", "memae", size=16, epochs=6, refine_epochs=4), track=track, keep=Path(sys.argv[1]))
"""


def test_ddad_killed_by_the_system_and_continued(tmp_path: Path, uninterrupted: tuple[Method, Losses]) -> None:
    tests = Path(__file__).parent.parent
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = {
        file.name: torch.load(file, weights_only=True)
        for file in tmp_path.glob("*.pt")
        if not file.name.startswith(PART)
    }
    assert len(left["udm0.pt"]["udm0"]["losses"]) == 2
    assert "r_dual.pt" not in left
    losses: Losses = {}
    assert same_weights(fit(ddad(), track=into(losses), keep=tmp_path), uninterrupted[0])
    assert losses == uninterrupted[1]
