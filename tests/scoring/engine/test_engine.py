"""Batch scoring from folder to rows: series across folders, copies, names of any bytes, and a folder that fills."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.making import gray_image, write_dicom
from helpers.runs import TABLE, children, score, started
from PIL import Image

from medad.data.preprocessing import Preprocessing
from medad.experiments.score_studies import ScoredStudy
from medad.io import UnreadableImage
from medad.methods.ddad import DDAD
from medad.model import load
from medad.scoring import ScoreSettings, ScoringError, score_folder
from medad.scoring.core.scorer import BLOCK, Scorer
from medad.scoring.engine.local import entry_of
from medad.scoring.index.file_info import Session, _hash, look_into
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index
from medad.types import Scored, Study

RNG = np.random.default_rng(5)
SESSION = Session()


def rows(table: Path) -> pd.DataFrame:
    return pd.read_csv(table, keep_default_na=False, dtype={"file": str}).set_index("file")


@pytest.fixture(scope="module")
def scored(model: Path, box: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder."""
    return score(model, box, tmp_path_factory.mktemp("scored"), heatmaps="all").parent


def test_every_file_is_a_row_or_a_slice_of_one(scored: Path, box: Path) -> None:
    table = rows(scored / TABLE)
    assert table["files"].sum() == sum(path.is_file() for path in box.rglob("*"))
    series = table.loc["half0/s0"]  # of both folders
    assert (series["status"], series["files"], series["slices"]) == ("scored", 5, 5)
    assert "truncated" in table.loc["cut.dcm", "reason"]
    assert table.loc["note.txt", "reason"] == "it is text"


def test_a_volume_has_the_score_that_calibration_would_give_it() -> None:
    """ "single" is of several networks, each of which has a worst slice of its own."""
    members = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    scored = Scored(members.mean(dim=1), torch.zeros(2, 1, 4, 4), members)
    judged = ScoredStudy(Study("volume", (Path("volume.nii"),)), torch.zeros(2, 1, 4, 4), {"single": scored})
    assert entry_of({"single": scored}, 0.0).scores == {"single": 2.0} == {"single": judged.members("single").mean()}


def test_a_copy_is_not_scored_again_and_says_of_what(scored: Path) -> None:
    table = rows(scored / TABLE)
    assert table.loc["a.png", "status"] == "scored"
    assert tuple(table.loc["again.png", ["status", "reason"]]) == ("skipped", "it holds the same image as a.png")


def test_the_copy_of_a_broken_file_is_scored_in_its_place(scored: Path) -> None:
    """cut.dcm is a truncated copy of day1/IM0001, and comes first."""
    table = rows(scored / TABLE)
    assert tuple(table.loc[["cut.dcm", "day1/IM0001"], "status"]) == ("failed", "scored")


def test_a_copy_is_scored_when_its_first_file_is_gone(model: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    Image.fromarray(gray_image(RNG)).save(box / "a.png")
    shutil.copy(box / "a.png", box / "b.png")
    first = rows(score(model, box, tmp_path / "out"))
    (box / "a.png").unlink()
    second = rows(score(model, box, tmp_path / "out"))
    assert list(second.index) == ["b.png"]
    assert float(second.loc["b.png", "rec"]) == float(first.loc["a.png", "rec"])


def test_slices_of_two_patients_are_never_one_study(model: Path, tmp_path: Path) -> None:
    for index in range(4):
        tags = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.9", "PatientID": f"P{index // 2}"}
        write_dicom(tmp_path / "box" / f"{index}", gray_image(RNG), ImagePositionPatient=[0, 0, index], **tags)
    assert rows(score(model, tmp_path / "box", tmp_path / "out"))["files"].to_dict() == {"0": 2, "2": 2}


def test_names_of_any_bytes_are_scored_and_shown(model: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    names = [b"caf\xe9.png", "日本 \u202e.png".encode(), b"new\nline.png", b"=cmd.png", b'-x, "y".png']
    for name in names:
        path = box / os.fsdecode(b"sub\xff") / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gray_image(RNG)).save(path, format="PNG")
    table = score(model, box, tmp_path / "out")
    found = rows(table)
    assert set(found["status"]) == {"scored"}
    assert len(found) == len(names)
    assert r"sub\xff/caf\xe9.png" in found.index
    assert score(model, box, tmp_path / "out").read_bytes() == table.read_bytes()


def test_no_patient_and_no_uid_is_in_what_is_written(scored: Path, model: Path, box: Path, tmp_path: Path) -> None:
    import pydicom

    uid = str(pydicom.dcmread(box / "day0" / "IM0000").SOPInstanceUID)
    for path in scored.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for word in (b"SECRET-4711", b"Secret^Person", uid.encode(), b"1.2.3.4"):
            assert word not in content, path
    asked = rows(score(model, box, tmp_path / "out", uids=True))
    assert asked.loc["day0/IM0000", "SOPInstanceUID"] == uid
    assert asked.loc["half0/s0", "SeriesInstanceUID"] == "1.2.3.4"


def test_the_output_folder_inside_the_scored_one_is_left_alone(model: Path, box: Path, tmp_path: Path) -> None:
    inside = shutil.copytree(box, tmp_path / "box")
    first = score(model, inside, inside / "out").read_bytes()
    assert score(model, inside, inside / "out").read_bytes() == first


def test_no_hash_in_the_ledger_is_that_of_a_patient_or_of_an_hour(model: Path, tmp_path: Path) -> None:
    """Numbers and hours are few enough to try them all."""
    for index in range(3):
        tags = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.9", "AcquisitionTime": "101530"}
        path = tmp_path / "box" / f"{index}"
        write_dicom(path, gray_image(RNG), ImagePositionPatient=[0, 0, index], **tags)
    found = look_into(path, True, SESSION)
    assert found.look == "slice"
    assert hashlib.sha256(b"SECRET-4711").hexdigest()[:12] not in str(found)
    assert _hash("101530") not in str(found)
    assert score(model, tmp_path / "box", tmp_path / "out").read_text().count(",scored,") == 1


def test_wrong_input_is_said(model: Path, box: Path, tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="there is no such file"):
        score(model, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ScoringError, match="no score 'nothing' in this model: choose from single"):
        score(model, box, tmp_path / "out", score="nothing")


def test_a_folder_of_nothing_gives_an_empty_table(model: Path, tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    summary = score_folder(load(model), tmp_path / "box", tmp_path / "out")
    assert (summary.counts, summary.kept) == ({}, 0)
    assert len((tmp_path / "out" / TABLE).read_text().splitlines()) == 1


def test_an_image_scores_the_same_to_the_last_bit_in_any_company(model: Path) -> None:
    method = load(model).method
    images = np.random.default_rng(0).uniform(-1, 1, (3 * BLOCK + 1, 1, 32, 32)).astype(np.float32)
    one, two = Scorer(method, 1), Scorer(method, 2)
    alone = [one([images[index : index + 1]])[0] for index in range(len(images))]
    together = two([images[:5], images[5:]])
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).numpy()
    mixed = one([images[order]])[0]
    for name in method.scores:
        expected = torch.cat([part[name].score for part in alone])
        assert torch.equal(torch.cat([part[name].score for part in together]), expected)
        assert torch.equal(mixed[name].score, expected[order])
        assert torch.equal(mixed[name].anomaly_map, torch.cat([part[name].anomaly_map for part in alone])[order])
    one.close()
    two.close()


def test_a_score_that_is_not_finite_is_a_failure(
    model: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DDAD.score

    def spoiled(self, images):  # type: ignore[no-untyped-def]
        scored = real(self, images)
        return {**scored, "rec": replace(scored["rec"], score=scored["rec"].score * float("nan"))}

    monkeypatch.setattr(DDAD, "score", spoiled)
    table = rows(score(model, box, tmp_path))
    assert "scored" not in set(table["status"])
    assert "no finite score" in table.loc["a.png", "reason"]


def index_of(folder: Path, ledger: Ledger) -> list[str]:
    """A look at a folder that is filling, without workers; the studies to do."""
    index = Index(ledger, folder, settling=True, session=SESSION)
    index.walk(folder / "none")
    for paths, content in index.unseen():
        index.looked([look_into(path, False, SESSION, content) for path in paths])
    index.group()
    return [study.id for study in index.to_do()]


def test_files_that_are_still_arriving_are_not_counted_as_to_be_looked_into(tmp_path: Path) -> None:
    box, ledger = tmp_path / "box", Ledger(tmp_path / "out" / "ledger.sqlite", {})
    write_dicom(box / "a.dcm", gray_image(RNG))
    index = Index(ledger, box, settling=True)
    for expected in (0, 1):
        index.walk(tmp_path / "out")
        assert index.unlooked() == sum(len(paths) for paths, _ in index.unseen()) == expected
    ledger.close()


def test_in_a_folder_that_fills_a_file_counts_when_it_is_still(tmp_path: Path) -> None:
    box, ledger = tmp_path / "box", Ledger(tmp_path / "out" / "ledger.sqlite", {})
    path = write_dicom(box / "a.dcm", gray_image(RNG), Modality="DX")
    whole = path.read_bytes()
    path.write_bytes(whole[:2000])
    assert index_of(box, ledger) == []
    path.write_bytes(whole)
    assert index_of(box, ledger) == []
    assert index_of(box, ledger) == ["a.dcm"]
    ledger.close()


def test_a_series_that_is_arriving_is_scored_once_it_is_whole(tmp_path: Path) -> None:
    box, ledger = tmp_path / "box", Ledger(tmp_path / "out" / "ledger.sqlite", {})
    for index in range(4):
        tags = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.9", "ImagePositionPatient": [0, 0, index]}
        write_dicom(box / f"{index}", gray_image(RNG), **tags)
        assert index_of(box, ledger) == []
    assert index_of(box, ledger) == []
    assert index_of(box, ledger) == ["0"]
    ((files,),) = sqlite3.connect(tmp_path / "out" / "ledger.sqlite").execute("SELECT files FROM cases")
    assert files == b"0\x001\x002\x003"
    ledger.close()


def test_watching_scores_what_arrives_and_ends_on_an_interruption(model: Path, tmp_path: Path) -> None:
    import signal
    import time

    box, out = tmp_path / "box", tmp_path / "out"
    box.mkdir()
    process = started(model, box, out, watch=0.2)
    for name in ("a.png", "b.png"):
        Image.fromarray(gray_image(RNG)).save(box / name)
        end = time.monotonic() + 60
        while f",{name},scored" not in ((out / TABLE).read_text() if (out / TABLE).exists() else ""):
            assert time.monotonic() < end, "not scored"
            time.sleep(0.05)
    os.kill(process.pid or 0, signal.SIGINT)
    process.join(30)
    assert process.exitcode == 1  # KeyboardInterrupt; the command turns it into 130
    assert not children(os.getpid()) or process.pid not in children(os.getpid())


def test_what_failed_is_tried_again_when_asked(
    model: Path, box: Path, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self, study):  # type: ignore[no-untyped-def]
        raise UnreadableImage(study.files[0], "corrupt", "the decoder was away", "try again")

    with monkeypatch.context() as patch:
        patch.setattr(Preprocessing, "read", away)
        assert "the decoder was away" in score(model, box, tmp_path).read_text()
    assert "the decoder was away" in score(model, box, tmp_path).read_text()
    assert score(model, box, tmp_path, retry_failed=True).read_bytes() == undisturbed


def test_settings_that_change_no_row_may_change_between_runs(model: Path, box: Path, tmp_path: Path) -> None:
    first = score(model, box, tmp_path).read_bytes()
    settings = ScoreSettings(workers=1, timeout=50, max_failed=1)
    assert score_folder(load(model), box, tmp_path, settings).kept == len(first.splitlines()) - 1
    with pytest.raises(Exception, match="another force"):
        score(model, box, tmp_path, force=True)
