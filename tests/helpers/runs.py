"""A model that costs nothing, a small mixed folder, and runs in processes of their own that can be killed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.making import FAST, gray_image, write_dicom
from PIL import Image

from medad.methods.ddad import DDAD, DDADSettings
from medad.model import Card, load, save
from medad.scoring import ScoreSettings, score_folder
from medad.scoring.core.entries import Entry
from medad.scoring.index.ledger import Ledger

TABLE, LOG = "scores.csv", "written.log"


def untrained(folder: Path) -> Path:
    """A model folder; its weights are what they were initialized to."""
    torch.manual_seed(0)
    method = DDAD(DDADSettings(**FAST))
    scale = dict.fromkeys(method.scores, 1.0)
    card = Card(method="ddad", settings=method.settings.model_dump(mode="json"), seed=0, trained_on={}, map_scale=scale)
    save(folder, method.eval(), card)
    return folder


def mixed(folder: Path, radiographs: int = 12, seed: int = 0) -> Path:
    """Radiographs, a series over two folders, copies, a volume, pictures, what is broken and what is no image."""
    rng = np.random.default_rng(seed)
    for index in range(radiographs):
        write_dicom(folder / f"day{index % 3}" / f"IM{index:04}", gray_image(rng), Modality="DX")
    for index in range(5):
        tags = {"SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.9", "ImagePositionPatient": [0, 0, index]}
        write_dicom(folder / f"half{index % 2}" / f"s{index}", gray_image(rng), **tags)
    Image.fromarray(gray_image(rng)).save(folder / "a.png")
    volume = np.stack([gray_image(rng) for _ in range(3)], axis=-1).astype(np.int16)
    nib.save(nib.Nifti1Image(volume, np.diag([-1.0, -1.0, 2.0, 1.0])), folder / "volume.nii.gz")
    (folder / "note.txt").write_text("hello")
    (folder / "cut.dcm").write_bytes((folder / "day1" / "IM0001").read_bytes()[:-900])
    shutil.copy(folder / "a.png", folder / "again.png")
    return folder


def score(model: Path, folder: Path, out: Path, **settings: object) -> Path:
    """Score; the table."""
    score_folder(load(model), folder, out, ScoreSettings(workers=2, **settings))  # type: ignore[arg-type]
    return out / TABLE


def drawn(out: Path) -> dict[str, bytes]:
    """The pictures in an output folder."""
    folders = (out / "heatmaps", out / "thumbnails")
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def stop_after_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is interrupted once its first row is written."""
    write = Ledger.write

    def stopped(ledger: Ledger, entries: list[tuple[str, Entry]]) -> None:
        write(ledger, entries)
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "write", stopped)


def started(
    model: Path, folder: Path, out: Path, before: Callable[[], None] = lambda: None, **settings: object
) -> BaseProcess:
    """A run in a process of its own, after ``before()``; it notes each study that it has written in ``out``/LOG."""

    def run() -> None:
        write = Ledger.write

        def noted(ledger: Ledger, entries: list[tuple[str, Entry]]) -> None:
            write(ledger, entries)
            with (out / LOG).open("a") as log:
                log.writelines(f"{study_id}\n" for study_id, _ in entries)

        Ledger.write = noted  # type: ignore[method-assign,assignment]
        before()
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
        score(model, folder, out, **settings)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


def children(pid: int) -> list[int]:
    """Processes that ``pid`` has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
