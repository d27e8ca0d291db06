"""`medad score --dicom`: which objects are written, that a repeated call writes none, and who is named where."""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from helpers import dicom_sources as sources
from PIL import Image
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from medad.cli import app
from medad.methods._max_intensity_settings import MaxIntensitySettings
from medad.methods.max_intensity import MaxIntensity
from medad.model import Card, load, save
from medad.outputs.dicom import KINDS
from medad.scoring import ScoreSettings, Summary, dicom_case, dicom_results, score_folder
from medad.scoring.core.settings import ScoringError
from medad.scoring.folder import score_folder_with

ORIENTATIONS = {
    "axial": sources.AXIAL,
    "flipped": sources.FLIPPED,
    "sagittal": sources.SAGITTAL,
    "oblique": sources.OBLIQUE,
    "enhanced": sources.OBLIQUE,
}
PEAK = (3, 25, 9)  # slice, row, column of the brightest pixel of each series
Score = Callable[..., Summary]


def bright(count: int) -> np.ndarray:
    """Dark slices (N, rows, columns) with a bright ball around ``PEAK``."""
    places = np.stack(np.meshgrid(*map(np.arange, (count, *sources.SIDE)), indexing="ij"), -1)
    distance = np.linalg.norm((places - (min(PEAK[0], count - 1), *PEAK[1:])) * (4, 1, 1), axis=-1)
    noise = np.random.default_rng(count).integers(0, 9, distance.shape)
    return (40 + noise + 200 * np.exp(-((distance / 5) ** 2))).astype(np.uint8)


def renamed(datasets: list[Dataset], study: int) -> list[Dataset]:
    """The data sets as those of a study of its own."""
    for index, dataset in enumerate(datasets):
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (f"{sources.ROOT}.{study}.{part}" for part in (1, 2))
        dataset.SOPInstanceUID = f"{sources.ROOT}.{study}.3.{index}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return datasets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A series in each orientation, an enhanced one, radiographs, a copy, and a picture that is no DICOM."""
    root = tmp_path_factory.mktemp("in")
    for study, (name, cosines) in enumerate(ORIENTATIONS.items()):
        slices = sources.series(bright(6), cosines)
        datasets = [sources.enhanced(slices)] if name == "enhanced" else slices
        sources.write(root / name, *renamed(datasets, 10 + study))
    for study in (20, 21):
        one = sources.instance(1, np.roll(bright(1)[0], study - 20, 0), "CR", BodyPartExamined="CHEST")
        sources.write(root / f"radiograph{study}", *renamed([one], study))
    shutil.copy(root / "radiograph20" / "000.dcm", root / "radiograph21" / "copy.dcm")
    Image.fromarray(bright(1)[0]).save(root / "picture.png")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose map is the image itself, so that the place of each value is known."""
    root = tmp_path_factory.mktemp("model")
    method = MaxIntensity(MaxIntensitySettings(size=64)).eval()
    card = Card(
        method="max_intensity",
        settings=method.settings.model_dump(mode="json"),
        seed=0,
        trained_on={},
        map_scale={"max": 1.0},
        map_threshold={"max": 0.0},
        calibration={"max": tuple(np.linspace(-0.9, 0.2, 40).tolist())},
        thresholds={"max": {"sens90": 0.3}},
    )
    save(root, method, card)
    return root


@pytest.fixture
def score(model: Path) -> Score:
    """Return a function that scores a folder with DICOM results."""

    def scored(folder: Path, out: Path, dicom: str = ",".join(KINDS), **more: object) -> Summary:
        return score_folder(load(model), folder, out, ScoreSettings(workers=1, force=True, dicom=dicom, **more))

    return scored


@pytest.fixture(scope="module")
def done(model: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The output folder of the command, and all that it said."""
    out = tmp_path_factory.mktemp("done") / "out"
    log = out.with_name("log.txt")
    handler = logging.FileHandler(log)
    logging.getLogger().addHandler(handler)
    command = ["score", str(model), str(folder), "--out", str(out), "--force", "--workers", "1", "--dicom"]
    result = CliRunner().invoke(app, [*command, "sr,seg,sc,gsps,pm"])
    logging.getLogger().removeHandler(handler)
    assert result.exit_code == 0, result.output
    return out, result.output + log.read_text()


def rows_of(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The rows of dicom.csv, by file and object."""
    with (out / "dicom.csv").open(encoding="utf-8", newline="") as file:
        return {(row["file"], row["object"]): row for row in csv.DictReader(file)}


def objects_in(out: Path) -> dict[str, str]:
    """SOP Instance UID of each object, by path."""
    paths = sorted((out / "dicom").rglob("*.dcm"))
    return {path.relative_to(out).as_posix(): pydicom.dcmread(path).SOPInstanceUID for path in paths}


def test_each_case_gets_its_objects_and_what_cannot_be_made_has_a_reason(done: tuple[Path, str]) -> None:
    out, said = done
    rows = rows_of(out)
    for name in ORIENTATIONS:
        assert {rows[f"{name}/000.dcm", kind]["status"] for kind in KINDS} == {"written"}
    assert rows["radiograph20/000.dcm", "sc"]["status"] == "written"
    assert "frame of reference" in rows["radiograph20/000.dcm", "pm"]["reason"]
    assert "no DICOM file" in rows["picture.png", "all"]["reason"]
    paths = [row["path"] for row in rows.values() if row["path"]]
    assert set(paths) == set(objects_in(out))
    assert len(paths) == 5 * 5 + 2 * 4
    assert "33 written" in said
    assert {row["status"] for row in rows.values()} == {"written", "not possible"}


def test_every_object_is_valid(done: tuple[Path, str]) -> None:
    out, _ = done
    assert not {path: wrong for path in objects_in(out) if (wrong := sources.errors(out / path))}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_the_brightest_pixel_of_the_file_is_the_peak_of_the_map_in_the_patient(
    done: tuple[Path, str], name: str
) -> None:
    """From the file, through reading, turning, resizing and back: the place follows from how the file was made."""
    out, _ = done
    across, down = np.reshape(ORIENTATIONS[name], (2, 3))
    expected = np.array([10.0, -20, 30]) + PEAK[0] * 3 * np.cross(across, down) + PEAK[1] * 0.5 * down
    expected += PEAK[2] * 0.8 * across
    for kind in ("seg", "pm"):
        dataset = pydicom.dcmread(out / rows_of(out)[f"{name}/000.dcm", kind]["path"])
        pixels = dataset.pixel_array.reshape(-1, *sources.SIDE)
        frame, row, column = np.unravel_index(pixels.argmax(), pixels.shape)
        shared, place = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence[frame]
        axes = np.reshape(np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float), (2, 3))
        spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
        origin = np.array(place.PlanePositionSequence[0].ImagePositionPatient, float)
        at = origin + row * spacing[0] * axes[1] + column * spacing[1] * axes[0]
        assert np.linalg.norm(at - expected) < 1.0  # the map has been resized to 64 x 64 and back
        source = place.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID.startswith(sources.ROOT)


def test_identity_is_in_the_objects_and_nowhere_else(done: tuple[Path, str], folder: Path) -> None:
    out, said = done
    planted = [*sources.IDENTITY.values(), "Winterbottom", sources.ROOT]
    objects = b"".join((out / path).read_bytes() for path in objects_in(out))
    assert all(value.encode() in objects for value in planted)
    for path in (path for path in out.rglob("*") if path.is_file() and path.suffix != ".dcm"):
        content = path.read_bytes()
        assert not [value for value in planted if value.encode() in content], path
    assert not [value for value in planted if value in said]
    assert not [path for path in out.rglob("*") if any(value in str(path.relative_to(out)) for value in planted)]


def test_a_repeated_call_writes_nothing_and_reads_no_pixels(
    done: tuple[Path, str], folder: Path, score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    before = {path: (out / path).stat().st_mtime_ns for path in objects_in(out)}
    monkeypatch.setattr(dicom_case.CaseScorer, "__call__", None)
    assert score(folder, out).dicom == {"present": 33, "not possible": 3}
    assert {path: (out / path).stat().st_mtime_ns for path in objects_in(out)} == before


def test_the_same_folder_gives_the_same_uids_elsewhere(
    done: tuple[Path, str], folder: Path, score: Score, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "copied"
    for name in ("oblique", "radiograph20"):
        shutil.copytree(folder / name, elsewhere / name)
    score(elsewhere, tmp_path / "out", "seg,sr", uids=True)  # which changes the table and no result
    again = objects_in(tmp_path / "out")
    assert len(again) == 4
    assert again.items() <= objects_in(done[0]).items()


def test_other_rules_give_other_uids_and_a_deleted_case_loses_its_objects(
    folder: Path, score: Score, tmp_path: Path
) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for name in ("radiograph20", "radiograph21"):
        shutil.copytree(folder / name, root / name)
    score(root, out, "sr,sc")
    first = objects_in(out)
    assert len(first) == 4
    score(root, out, "sr", threshold=0.9)
    second = objects_in(out)
    assert len(second) == 2  # the captures told of other rules
    assert not set(second.values()) & set(first.values())
    (root / "radiograph20" / "000.dcm").unlink()
    (root / "radiograph21" / "copy.dcm").unlink()
    (out / "dicom" / "notes.txt").write_text("mine")
    score(root, out, "sr", threshold=0.9)
    assert len(objects_in(out)) == 1
    assert (out / "dicom" / "notes.txt").is_file()


def test_after_an_interruption_the_same_call_goes_on(
    folder: Path, score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", dicom_results.write_object
    calls: list[Path] = []

    def stopped(path: Path, *rest: object) -> None:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(path)
        write(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(dicom_results, "write_object", stopped)
    with pytest.raises(KeyboardInterrupt):
        score(folder / "axial", out)
    before = objects_in(out)
    assert len(before) == 3
    monkeypatch.setattr(dicom_results, "write_object", write)
    assert score(folder / "axial", out).dicom == {"present": 3, "written": 2}
    assert before.items() <= objects_in(out).items()


def test_a_case_that_vanished_or_a_header_that_forbids_an_object_fails_alone(
    folder: Path, score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for name in ("radiograph20", "radiograph21"):
        shutil.copytree(folder / name, root / name)
    (root / "radiograph21" / "copy.dcm").unlink()
    read = dicom_results.read_source

    def vanished(files: tuple[Path, ...]) -> object:
        if "radiograph20" in str(files[0]):
            files[0].unlink()
        return read(files)

    monkeypatch.setattr(dicom_results, "read_source", vanished)
    assert score(root, out, "sr,sc").dicom == {"failed": 2, "written": 2}
    row = rows_of(out)["radiograph20/000.dcm", "sr"]
    assert row["reason"] == "there is no such file (missing)"


def test_wrong_kinds_and_exported_models_are_refused_in_words(folder: Path, model: Path, tmp_path: Path) -> None:
    command = ["score", str(model), str(folder), "--out", str(tmp_path / "out"), "--dicom", "seg,rtstruct"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "no DICOM object 'rtstruct': choose from seg, sr, sc, gsps, pm" in " ".join(result.output.split())
    from medad.scoring.engine.with_torch import WithTorch

    with pytest.raises(ScoringError, match="an exported model writes no DICOM objects"):
        score_folder_with(WithTorch(load(model)), folder, tmp_path / "out", ScoreSettings(dicom="seg"))
