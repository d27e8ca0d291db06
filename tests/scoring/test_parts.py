"""`medad score --split`: each volume and each page is a study of its own in the ledger."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medad.scoring.index.file_info import Session, look_into
from medad.scoring.index.file_parts import counted
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    root.mkdir()
    rng = np.random.default_rng(0)
    nib.save(nib.Nifti1Image(rng.random((6, 5, 4, 3)).astype(np.float32), np.eye(4)), root / "a.nii.gz")
    pages = [Image.fromarray(rng.integers(0, 256, (6, 9)).astype(np.uint8)) for _ in range(2)]
    pages[0].save(root / "b.tif", save_all=True, append_images=pages[1:])
    Image.fromarray(rng.integers(0, 256, (6, 9)).astype(np.uint8)).save(root / "c.png")
    return root


def studies(ledger: Ledger, folder: Path, out: Path, split: bool) -> list[tuple[str, str]]:
    """IDs and files of the studies that are to do, after one more look at the folder."""
    session = Session()
    index = Index(ledger, folder, session=session)
    index.walk(out)
    for paths, content in index.unseen():
        found = [look_into(path, False, session, content) for path in paths]
        index.looked([counted(one) for one in found] if split else found)
    for path in index.look_alikes():
        index.digested(path, f"content {path.read_bytes()[:40]!r}")
    index.group()
    return [(study.id, study.files[0].name) for study in index.to_do()]


def test_parts_are_studies(folder: Path, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "out" / "ledger.sqlite", {})) as ledger:
        found = studies(ledger, folder, tmp_path / "out", split=True)
        names = ["a.nii.gz", "a.nii.gz#2", "a.nii.gz#3", "b.tif", "b.tif#2", "c.png"]
        assert sorted(found) == [(name, name) for name in names]
        assert sorted(studies(ledger, folder, tmp_path / "out", split=True)) == sorted(found)
        (folder / "a.nii.gz").unlink()
        assert [name for name, _ in sorted(studies(ledger, folder, tmp_path / "out", split=True))] == names[3:]


def test_without_split_a_file_is_one_study(folder: Path, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "out" / "ledger.sqlite", {})) as ledger:
        assert len(studies(ledger, folder, tmp_path / "out", split=False)) == 3


def test_parts_of_copies_are_copies(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "b.tif", folder / "copy.tif")
    with closing(Ledger(tmp_path / "out" / "ledger.sqlite", {})) as ledger:
        found = [name for name, _ in studies(ledger, folder, tmp_path / "out", split=True)]
        assert "b.tif" in found
        assert "b.tif#2" in found
        assert not any(name.startswith("copy") for name in found)


def test_a_file_that_changes_has_as_many_parts_as_it_has_then(folder: Path, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "out" / "ledger.sqlite", {})) as ledger:
        studies(ledger, folder, tmp_path / "out", split=True)
        nib.save(nib.Nifti1Image(np.ones((6, 5, 4), np.float32), np.eye(4)), folder / "a.nii.gz")
        found = [name for name, _ in studies(ledger, folder, tmp_path / "out", split=True)]
        assert sorted(found) == ["a.nii.gz", "b.tif", "b.tif#2", "c.png"]
