"""Whatever changes between two runs, or during one, the next run ends as one with an output folder of its own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from helpers.making import gray_image, write_dicom
from helpers.runs import drawn, score
from PIL import Image

from medad.model import load
from medad.scoring import ScoreSettings, score_folder
from medad.scoring.index import file_info, scan_folder, stamps
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index

SERIES = {"SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.9"}


def as_if_new(model: Path, box: Path, out: Path, fresh: Path) -> str:
    """Run again; the table, which must be that of a run with an output folder of its own, as the pictures must be."""
    table = score(model, box, out, heatmaps="all").read_text()
    shutil.rmtree(fresh, ignore_errors=True)
    assert table == score(model, box, fresh, heatmaps="all").read_text()
    assert drawn(out) == drawn(fresh)
    return table


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-900])


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray_image(np.random.default_rng(seed))).save(path, format="BMP")  # equal sizes
    return path


def slices(box: Path, count: int = 3) -> None:
    rng = np.random.default_rng(4)
    for index in range(count):
        write_dicom(box / "s" / f"{index}", gray_image(rng), ImagePositionPatient=[0, 0, index], **SERIES)


@pytest.mark.parametrize("kind", ["radiograph", "one slice", "raster", "series"])
@pytest.mark.parametrize("broken", [False, True])
def test_a_copy_that_comes_later_and_before_in_the_order(model: Path, tmp_path: Path, kind: str, broken: bool) -> None:
    box, out = tmp_path / "box", tmp_path / "out"
    if kind == "series":
        slices(box)
        good = box / "s" / "1"
    elif kind == "raster":
        good = picture(box / "s" / "1", 1)
    else:
        modality = {"Modality": "DX"} if kind == "radiograph" else {}
        good = write_dicom(box / "s" / "1", gray_image(np.random.default_rng(1)), **modality)
    score(model, box, out, heatmaps="all")
    (box / "a").mkdir()
    shutil.copy(good, box / "a" / "copy")
    if broken:
        cut(box / "a" / "copy")
    table = as_if_new(model, box, out, tmp_path / "fresh")
    assert ("a/copy,failed" in table) == broken
    assert table.count(",scored,") == 1
    if not broken and kind != "series":
        assert re.search(r"s/1,skipped,.*a/copy", table)
    (box / "a" / "copy").unlink()
    assert as_if_new(model, box, out, tmp_path / "fresh").count(",scored,") == 1


def test_the_stand_in_of_a_bad_slice_that_goes_away_is_missed(model: Path, tmp_path: Path) -> None:
    box, out = tmp_path / "box", tmp_path / "out"
    slices(box)
    shutil.copytree(box / "s", box / "t")
    cut(box / "s" / "1")
    assert ",s/0,scored," in score(model, box, out, heatmaps="all").read_text()
    (box / "t" / "1").unlink()
    assert ",s/0,failed,its slice 1: " in as_if_new(model, box, out, tmp_path / "fresh")


def test_a_bad_slice_that_is_mended_after_an_interruption_is_taken(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, out = tmp_path / "box", tmp_path / "out"
    slices(box)
    shutil.copytree(box / "s", box / "t")
    whole = (box / "s" / "1").read_bytes()
    cut(box / "s" / "1")
    write = Ledger.write

    def stopped(ledger, entries):  # type: ignore[no-untyped-def]
        write(ledger, entries)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            score(model, box, out, heatmaps="all")
    (box / "s" / "1").write_bytes(whole)
    assert "failed" not in as_if_new(model, box, out, tmp_path / "fresh")


def test_another_content_of_equal_size_and_time_is_seen(model: Path, tmp_path: Path) -> None:
    box, out = tmp_path / "box", tmp_path / "out"
    path = picture(box / "a", 1)
    before = path.stat()
    first = score(model, box, out, heatmaps="all").read_text()
    picture(path, 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert as_if_new(model, box, out, tmp_path / "fresh") != first


def test_another_content_within_a_tick_of_the_clock_is_seen(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of this file system stands still; what did not change is not scored again."""
    real = stamps.stamp_of
    for module in (stamps, scan_folder, file_info):
        monkeypatch.setattr(module, "stamp_of", lambda path: (real(path)[0], 0, 1))
    monkeypatch.setattr(file_info, "is_recent", lambda stamp: True)
    box, out = tmp_path / "box", tmp_path / "out"
    picture(box / "a", 1)
    picture(box / "b", 3)
    first = score(model, box, out, heatmaps="all").read_text()
    picture(box / "a", 2)
    assert score_folder(load(model), box, out, ScoreSettings(workers=1, heatmaps="all")).kept == 1
    assert as_if_new(model, box, out, tmp_path / "fresh") != first


def test_the_second_half_of_a_pair_that_changes_is_seen(model: Path, tmp_path: Path) -> None:
    box, out = tmp_path / "box", tmp_path / "out"
    box.mkdir()
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        volume = np.stack([gray_image(rng) for _ in range(3)], axis=-1)
        nib.save(nib.Nifti1Pair(volume, np.eye(4)), box / f"{name}.hdr")
    first = score(model, box, out, heatmaps="all").read_text()
    assert score_folder(load(model), box, out, ScoreSettings(workers=1, heatmaps="all")).kept == 4
    (box / "two.img").replace(box / "one.img")
    assert as_if_new(model, box, out, tmp_path / "fresh") != first


def test_what_could_not_be_opened_is_tried_again(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box, out = tmp_path / "box", tmp_path / "out"
    picture(box / "a", 1)
    slices(box)
    look = file_info._looked

    def refused(path, uids, secret):  # type: ignore[no-untyped-def]
        if path.name == "1":
            return file_info.Looked(path, "failed", "it may not be opened", kind="no-permission")
        return look(path, uids, secret)

    with monkeypatch.context() as patch:
        patch.setattr(file_info, "_looked", refused)
        assert ",s/1,failed," in score(model, box, out, heatmaps="all").read_text()
    assert "failed" not in as_if_new(model, box, out, tmp_path / "fresh")


class Chaos:
    """Changes a folder at random, and so that the same seed makes the same changes."""

    def __init__(self, box: Path, seed: int) -> None:
        self.box, self.rng, self.count = box, np.random.default_rng(seed), 0
        slices(box)
        for index in range(4):
            self._new(box / f"{'dgkm'[index]}{index}")

    def change(self) -> str:
        """One change; its name."""
        files = sorted(path for path in self.box.rglob("*") if path.is_file())
        path = files[int(self.rng.integers(len(files)))]
        changes: list[Callable[[Path], None]] = [
            *(
                self._copy,
                self._copy,
                self._cut,
                self._overwrite,
                self._delete,
                self._rename,
                self._slice,
                self._broken,
            ),
            *(self._new_file, self._touch),
        ]
        change = changes[int(self.rng.integers(len(changes)))]
        change(path)
        return f"{change.__name__} {path.relative_to(self.box)}"

    def _place(self) -> Path:
        self.count += 1
        folder = self.box / ("a", "h", "s", "z")[int(self.rng.integers(4))]
        folder.mkdir(exist_ok=True)
        return folder / f"{'aemz'[int(self.rng.integers(4))]}{self.count}"

    def _new(self, path: Path) -> None:
        if self.rng.random() < 0.5:
            picture(path, int(self.rng.integers(5)))
        else:
            write_dicom(path, gray_image(self.rng), Modality="DX")

    def _new_file(self, path: Path) -> None:
        self._new(self._place())

    def _copy(self, path: Path) -> None:
        shutil.copy2(path, self._place())

    def _broken(self, path: Path) -> None:
        place = self._place()
        shutil.copy2(path, place)
        self._cut(place)

    def _cut(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[: -int(self.rng.integers(2, 900))])

    def _overwrite(self, path: Path) -> None:
        """Damage that neither size nor time shows."""
        info, content = path.stat(), bytearray(path.read_bytes())
        if len(content) > 600:
            content[-500:] = self.rng.bytes(500)
        path.write_bytes(content)
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))

    def _delete(self, path: Path) -> None:
        if sum(one.is_file() for one in self.box.rglob("*")) > 5:
            path.unlink()

    def _rename(self, path: Path) -> None:
        path.rename(self._place())

    def _touch(self, path: Path) -> None:
        path.touch()

    def _slice(self, path: Path) -> None:
        self.count += 1
        place = [0, 0, int(self.rng.integers(-3, 6))]
        write_dicom(self._place(), gray_image(self.rng), ImagePositionPatient=place, **SERIES)


def disturbed(chaos: Chaos, patch: pytest.MonkeyPatch) -> None:
    """Change the folder once all has been looked into, and after some rows."""
    group, write = Index.group, Ledger.write

    def changed(index):  # type: ignore[no-untyped-def]
        chaos.change()
        return group(index)

    def noted(ledger, entries):  # type: ignore[no-untyped-def]
        write(ledger, entries)
        if chaos.rng.random() < 0.3:
            chaos.change()

    patch.setattr(Index, "group", changed)
    patch.setattr(Ledger, "write", noted)


def resumed_as_new(model: Path, folder: Path, seed: int, rounds: int) -> None:
    chaos = Chaos(folder / "box", seed)
    history: list[str] = []
    for step in range(rounds):
        history += [chaos.change() for _ in range(int(chaos.rng.integers(1, 4)))]
        if step % 2:
            with pytest.MonkeyPatch.context() as patch:
                disturbed(chaos, patch)
                score(model, chaos.box, folder / "out", heatmaps="all")
            history.append("(a run that was disturbed)")
        try:
            as_if_new(model, chaos.box, folder / "out", folder / "fresh")
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {history}\n{error}") from error


def test_after_changes_at_random_a_run_ends_as_a_new_one(model: Path, tmp_path: Path) -> None:
    resumed_as_new(model, tmp_path, seed=1, rounds=5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_after_many_changes_at_random_a_run_ends_as_a_new_one(model: Path, tmp_path: Path, seed: int) -> None:
    resumed_as_new(model, tmp_path, seed, rounds=20)
