"""From raw downloads to the prepared layout: pixels, masks, splits, and what happens when it is stopped."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.making import gray_image, write_dicom
from PIL import Image

from medad.data.prepare.cases import boxes_filled
from medad.data.prepare.custom_split import custom_split
from medad.data.prepare.prepare import PrepareError, prepare
from medad.datasets.base import About
from medad.datasets.layouts import LISTS, MedADLayout
from medad.datasets.prepared import read_cases
from medad.datasets.raw_downloads import RawCase
from medad.parallel import Lost, each
from medad.registry import datasets

COUNTS = dict(zip(LISTS, (4, 3, 3, 2, 2), strict=True))


class Toy(MedADLayout):
    """Every case of raw/cases.json."""

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        cases = json.loads((raw / "cases.json").read_text())
        return [
            RawCase(c[0], (raw / c[1],), c[2], c[3], tuple(map(tuple, c[4])), raw / c[5] if c[5] else None)
            for c in cases
        ]


def toy() -> Toy:
    return Toy(About("Toy", "-", "-", "-", "-", "-", "-", "cxr", tuple(COUNTS.items())), "Toy", 4)


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """8 normal and 6 abnormal DICOM images of 60 x 50 pixels; abnormal ones have a box, one has a mask instead."""
    monkeypatch.setitem(datasets._things, "toy", toy())
    return write_raw(tmp_path / "raw", 60)


def write_raw(folder: Path, rows: int, count: int = 14) -> Path:
    rng = np.random.default_rng(3)
    cases = []
    for index in range(count):
        label = int(index % 7 in (1, 3, 5))
        image = np.asarray(Image.fromarray(gray_image(rng, bool(label), rows)))[:, : rows - 10]
        tags = {"PhotometricInterpretation": "MONOCHROME1"} if index % 2 else {}
        write_dicom(folder / f"{index:02d}.dcm", image, Modality="DX", RescaleIntercept=-7, RescaleSlope=1, **tags)
        boxes = [[10.4, 5.6, 20.0, 8.2]] if label and index != 1 else []
        cases.append(
            [f"{index:02d}.png", f"{index:02d}.dcm", label, f"P{index // 2}", boxes, "m.png" if index == 1 else ""]
        )
    mask = np.zeros((rows, rows - 10), np.uint8)
    mask[: rows // 2] = 1
    Image.fromarray(mask).save(folder / "m.png")
    (folder / "cases.json").write_text(json.dumps(cases))
    return folder


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def stored(raw: Path, name: str) -> np.ndarray:
    import pydicom

    return pydicom.dcmread(raw / name).pixel_array.astype(np.float64)


@pytest.mark.parametrize(("name", "monochrome1"), [("00.dcm", False), ("01.dcm", True)])
def test_published_preprocessing_is_that_of_the_paper(raw: Path, tmp_path: Path, name: str, monochrome1: bool) -> None:
    """METHODS.md: max - x for MONOCHROME1, min-max to 8 bits, 512 x 512 bilinear; here by NumPy and Pillow alone."""
    prepare("toy", raw, tmp_path / "out", workers=1)
    values = stored(raw, name)
    values = values.max() - values if monochrome1 else values
    eight = ((values - values.min()) / (values.max() - values.min()) * 255).astype(np.uint8)
    wanted = np.asarray(Image.fromarray(eight).resize((512, 512), Image.Resampling.BILINEAR), dtype=int)
    with Image.open(tmp_path / "out" / "Toy" / "images" / name.replace("dcm", "png")) as made:
        assert (made.mode, made.size, made.format) == ("L", (512, 512), "PNG")
        assert np.abs(np.asarray(made, dtype=int) - wanted).max() <= 1


def test_clinical_preprocessing_applies_the_window(raw: Path, tmp_path: Path) -> None:
    image = np.tile(np.arange(50, dtype=np.uint8), (60, 1))  # stored as 16 x, so 0..784; rescaled -7..777
    write_dicom(
        raw / "00.dcm", image, Modality="DX", RescaleIntercept=-7, RescaleSlope=1, WindowCenter=400, WindowWidth=200
    )
    prepare("toy", raw, tmp_path / "out", preprocessing="clinical", workers=1)
    values = np.asarray(Image.open(tmp_path / "out" / "Toy" / "images" / "00.png"))
    row = np.asarray(
        Image.fromarray(((image * 16.0 - 7 - 299.5) / 199 * 255).clip(0, 255).astype(np.uint8)).resize((512, 512), 2)
    )
    assert np.abs(values.astype(int) - row).max() <= 1
    assert (values == 0).mean() > 0.3 < (values == 255).mean() + 0.1
    with pytest.raises(PrepareError, match="holds images of the preprocessing 'clinical'"):
        prepare("toy", raw, tmp_path / "out", workers=1)


def test_masks_and_what_is_known_of_each_case(raw: Path, tmp_path: Path) -> None:
    done = prepare("toy", raw, tmp_path / "out", workers=1)
    cases = read_cases(done.root)
    assert len(cases) == 14
    assert (cases["00.png"].mask_kind, cases["01.png"].mask_kind, cases["03.png"].mask_kind) == (
        None,
        "pixels",
        "boxes",
    )
    assert cases["00.png"].patient == cases["01.png"].patient != "P0"
    assert sorted(path.name for path in (done.root / "masks").iterdir()) == [
        "01.png",
        "03.png",
        "05.png",
        "08.png",
        "10.png",
        "12.png",
    ]
    half = np.asarray(Image.open(done.root / "masks" / "01.png"))
    assert set(np.unique(half)) == {0, 255}
    assert (half[:256] == 255).all()
    assert not half[256:].any()
    box = np.asarray(Image.open(done.root / "masks" / "03.png")) > 0  # rows 6 to 13 of 60, columns 10 to 29 of 50
    assert box.mean() == pytest.approx(8 / 60 * 20 / 50, rel=0.02)
    assert np.argwhere(box).min(axis=0) == pytest.approx([6 / 60 * 512, 10 / 50 * 512], abs=1)


def test_boxes_are_cut_at_the_border_and_never_empty() -> None:
    marked = boxes_filled([(-2, -2, 4, 3), (8, 4, 9, 9), (4, 2, 0.1, 0.1)], (6, 10))
    wanted = np.zeros((6, 10), bool)
    wanted[0:1, 0:2] = wanted[4:, 8:] = wanted[2, 4] = True
    np.testing.assert_array_equal(marked, wanted)


def test_a_jpeg_that_stays_a_jpeg_is_copied_byte_for_byte(raw: Path, tmp_path: Path) -> None:
    Image.fromarray(gray_image(np.random.default_rng(1))).save(raw / "a.jpg")
    (raw / "b.jpg").write_bytes((raw / "a.jpg").read_bytes()[:-400])
    cases = json.loads((raw / "cases.json").read_text())
    (raw / "cases.json").write_text(
        json.dumps([*cases, ["a.jpg", "a.jpg", 0, None, [], ""], ["b.jpg", "b.jpg", 0, None, [], ""]])
    )
    done = prepare("toy", raw, tmp_path / "out", workers=1)
    assert (done.root / "images" / "a.jpg").read_bytes() == (raw / "a.jpg").read_bytes()
    assert not (done.root / "images" / "b.jpg").exists()
    assert "b.jpg,b.jpg," in (done.root / "unreadable.csv").read_text()


def test_without_the_official_lists_a_custom_split_is_drawn_and_benched(raw: Path, tmp_path: Path) -> None:
    done = prepare("toy", raw, tmp_path / "out", workers=2)
    assert (done.kind, list(done.lists.values()), done.complete) == ("custom split", [3, 2, 3, 1, 2], True)
    assert done.notes[0] == "8 normal images are there and the published split has 9: shorter in proportion"
    pools = toy().pools(tmp_path / "out", tmp_path)
    assert pools.kind == "custom split"
    learned = {s.patient for s in (*pools.normal, *pools.unlabeled_normal, *pools.unlabeled_abnormal)}
    assert not learned & {s.patient for s in (*pools.test_normal, *pools.test_abnormal)}
    assert json.loads((done.root / "data.json").read_text())["split"].startswith("custom")


def test_given_lists_are_taken_over_and_only_their_images_prepared(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {
        "train": {"0": ["00.png"], "unlabeled": {"0": ["02.png"], "1": ["01.png"]}},
        "test": {"0": ["04.png"], "1": ["05.png"]},
    }
    split = tmp_path / "official.json"
    split.write_text(json.dumps(content))
    digests = tuple(
        hashlib.sha256(name.encode()).hexdigest()[:12] for name in ("00.png", "02.png", "01.png", "04.png", "05.png")
    )
    official = Toy(toy().about, "Toy", 2, digests)
    monkeypatch.setitem(datasets._things, "toy", official)
    done = prepare("toy", raw, tmp_path / "out", split=split, workers=1)
    assert (done.kind, done.made, done.complete) == ("official", 5, True)
    assert (done.root / "data.json").read_bytes() == split.read_bytes()
    assert official.pools(tmp_path / "out", tmp_path).kind == "official"

    (raw / "05.dcm").write_bytes((raw / "05.dcm").read_bytes()[:700])
    (raw / "04.dcm").unlink()
    again = prepare("toy", raw, tmp_path / "out2", split=split, workers=1)
    assert (again.kind, again.unreadable, again.complete) == ("official", 2, False)
    with (again.root / "unreadable.csv").open() as file:
        assert [(row["name"], row["file"]) for row in csv.DictReader(file)] == [
            ("04.png", "04.dcm"),
            ("05.png", "05.dcm"),
        ]

    split.write_text(json.dumps(content).replace("04.png", "none.png"))
    absent = prepare("toy", raw, tmp_path / "out3", split=split, workers=1)
    assert (absent.kind, absent.absent, absent.complete) == ("custom split", 1, False)
    split.write_text(json.dumps(content).replace("04.png", "03.png"))
    with pytest.raises(PrepareError, match="disagree on the label of 1 images, first"):
        prepare("toy", raw, tmp_path / "out4", split=split, workers=1)


def test_what_cannot_be_prepared_is_said_before_any_work(raw: Path, tmp_path: Path) -> None:
    cases = json.loads((raw / "cases.json").read_text())
    for change, said in (
        ([*cases, cases[0]], "1 name stands for two images"),
        ([["../x.png", *cases[0][1:]]], "is no file name"),
        ([], "none of the images"),
    ):
        (raw / "cases.json").write_text(json.dumps(change))
        with pytest.raises(PrepareError, match=said):
            prepare("toy", raw, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_what_is_there_as_recorded_is_kept_and_anything_else_made_again(raw: Path, tmp_path: Path) -> None:
    first = prepare("toy", raw, tmp_path / "out", workers=1)
    assert (first.made, first.kept) == (14, 0)
    bytes_before = contents(first.root)
    (first.root / "images" / "02.png").write_bytes(b"damaged")
    (first.root / "masks" / "03.png").unlink()
    write_dicom(raw / "04.dcm", gray_image(np.random.default_rng(8), side=30), Modality="DX")
    second = prepare("toy", raw, tmp_path / "out", workers=1)
    assert (second.made, second.kept) == (3, 11)
    after = contents(second.root)
    assert {name for name in after if after[name] != bytes_before[name]} == {"images/04.png", "digests.csv"}


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
if __name__ == "__main__":
    from data.prepare.test_prepare import toy
    from medad.data.prepare.prepare import prepare
    from medad.registry import datasets
    datasets.register("toy")(toy())
    print(prepare("toy", Path(sys.argv[1]), Path(sys.argv[2]), workers=2).kept)
"""


def test_killed_half_way_and_started_again_it_ends_with_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    big = write_raw(tmp_path / "big", 600, 40)
    whole = prepare("toy", big, tmp_path / "whole", workers=1)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parents[2])))
    command = [sys.executable, str(script), str(big), str(tmp_path / "killed")]
    process = subprocess.Popen(command, start_new_session=True)
    images = tmp_path / "killed" / "Toy" / "images"
    deadline = time.monotonic() + 60
    while not images.is_dir() or len(list(images.glob("*.png"))) < 6:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    _wait_for_end_of_session(process.pid)
    assert not (tmp_path / "killed" / "Toy" / "data.json").exists()
    done = prepare("toy", big, tmp_path / "killed", workers=1)
    assert done.kept >= 4
    assert done.made >= 1
    assert contents(done.root) == contents(whole.root)


def _wait_for_end_of_session(pid: int) -> None:
    """The workers see that their parent is gone and end too."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("worker processes outlive the killed command")


def deadly(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def test_a_worker_that_dies_costs_one_item() -> None:
    results = dict(each(deadly, list(range(20)), 2, "work"))
    assert isinstance(results.pop(5), Lost)
    assert results == {n: n * n for n in range(20) if n != 5}


def some_cases(normal: int, abnormal: int, each_patient: int | None = None) -> list[RawCase]:
    labels = [0] * normal + [1] * abnormal
    return [
        RawCase(f"{i}.png", (Path(f"{i}.dcm"),), label, None if each_patient is None else f"P{i % each_patient}")
        for i, label in enumerate(labels)
    ]


def test_a_drawn_split_has_the_published_counts_and_follows_the_seed_alone() -> None:
    cases = some_cases(30, 20)
    lists, notes = custom_split(cases, COUNTS, 0)
    assert ({title: len(names) for title, names in lists.items()}, notes) == (COUNTS, [])
    labels = {case.name: case.label for case in cases}
    assert all(labels[n] == LISTS[title][1] for title, names in lists.items() for n in names)
    assert len({n for names in lists.values() for n in names}) == sum(COUNTS.values())
    assert custom_split(cases[::-1], COUNTS, 0)[0] == lists
    assert custom_split(cases, COUNTS, 1)[0] != lists


def test_too_few_cases_are_shared_out_in_proportion() -> None:
    lists, notes = custom_split(some_cases(90, 100), dict(zip(LISTS, (100, 40, 30, 60, 30), strict=True)), 0)
    assert [len(names) for names in lists.values()] == [45, 18, 30, 27, 30]
    assert notes == ["90 normal images are there and the published split has 200: shorter in proportion"]


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_on_two_sides_of_a_drawn_split(seed: int) -> None:
    cases = some_cases(200, 150, each_patient=60)
    wanted = dict(zip(LISTS, (60, 30, 40, 31, 30), strict=True))
    lists, _ = custom_split(cases, wanted, seed)
    assert {title: len(names) for title, names in lists.items()} == wanted
    patients = {case.name: case.patient for case in cases}
    learned = {patients[n] for title in list(LISTS)[:3] for n in lists[title]}
    assert not learned & {patients[n] for title in list(LISTS)[3:] for n in lists[title]}
