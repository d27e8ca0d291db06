"""Write and read checkpoints: files of {task: state}, each written atomically."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from medad.files import WriteError, writing
from medad.types import MedadError

State = dict[str, Any]  # tensors, numbers, and lists and dictionaries of them; "losses" holds one number per epoch


def write(folder: Path, states: dict[str, State]) -> None:
    """Write the states of tasks that are trained together to one file in ``folder``.

    Raises:
        WriteError: the operating system refuses.
    """
    first, *rest = states
    path = folder / f"{_stem(first)}{f'+{len(rest)}' if rest else ''}.pt"
    with writing(path) as part:
        try:
            torch.save(states, part)
        except RuntimeError as error:  # PyTorch's own kind for a full disk
            raise WriteError(f"{path} cannot be written: {str(error).splitlines()[0]}") from None


def read(folder: Path, tasks: Collection[str]) -> dict[str, State]:
    """Return the states of those of ``tasks`` that have one; of several states of a task, that with most epochs.

    Raises:
        MedadError: a file cannot be read as a checkpoint.
    """
    stems = {_stem(task) for task in tasks}
    furthest: dict[str, State] = {}
    for path in sorted(folder.glob("*.pt")):
        if path.stem.partition("+")[0] in stems:
            states = _load(path)
            for task in states.keys() & set(tasks):
                if task not in furthest or len(states[task]["losses"]) > len(furthest[task]["losses"]):
                    furthest[task] = states[task]
    return furthest


def _load(path: Path) -> dict[str, State]:
    try:
        states: dict[str, State] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds for a file that is no checkpoint
        raise MedadError(f"{path} cannot be read as a checkpoint ({type(error).__name__}): remove it") from error
    return states


def _stem(task: str) -> str:
    return task.replace("/", "-")
