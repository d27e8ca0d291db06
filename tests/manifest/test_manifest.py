"""Manifests: what is read, how rows become studies, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making import gray_image
from PIL import Image

from medad.csv_tables import read_cells
from medad.files import write_csv
from medad.manifest.manifest import ManifestError
from medad.manifest.reading import read_manifest
from medad.splits import SplitError, compose
from medad.types import MedadError

GOOD = """file,role,label,patient,scanner
n1.png,normal,,A,x
n2.png,normal,0,B,y
u1.png,unlabeled,,C,x
u2.png,unlabeled,1,D,x
t1.png,test,0,E,x
t2.png,test,1,F,"y, z"
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ward")
    for name in ("n1", "n2", "u1", "u2", "t1", "t2", "m2"):
        Image.fromarray(gray_image(np.random.default_rng(1), side=16)).save(folder / f"{name}.png")
    return folder


def written(folder: Path, text: str, name: str = "manifest.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_text(text, encoding=encoding)
    return folder / name


def said(folder: Path, text: str) -> str:
    with pytest.raises(MedadError) as raised:
        read_manifest(written(folder, text))
    return str(raised.value)


def test_rows_become_studies(images: Path) -> None:
    found = read_manifest(written(images, GOOD))
    assert (found.name, found.cut) == (images.name, "volumes")
    assert [study.id for study in found.studies("test")] == ["t1.png", "t2.png"]
    last = found.studies("test")[1]
    assert (last.label, last.attributes, last.files) == (1, (("scanner", "y, z"),), (images / "t2.png",))
    patients = [study.patient for role in ("normal", "unlabeled", "test") for study in found.studies(role)]
    assert len(set(patients)) == 6
    assert all(len(str(one)) == 12 for one in patients)
    training = found.training()
    assert ([s.id for s in training.normal], [s.id for s in training.unlabeled]) == (
        ["n1.png", "n2.png"],
        ["u1.png", "u2.png"],
    )
    assert all(study.label is None and not study.attributes for study in training.unlabeled)


def test_an_unlabeled_set_is_composed_only_where_every_label_is_known(images: Path) -> None:
    some = read_manifest(written(images, GOOD)).pools()
    assert (len(some.unknown), some.unlabeled_normal, some.unlabeled_abnormal) == (2, (), ())
    assert len(compose(some, 0.6).training.unlabeled) == 2
    assert len(compose(some, 0.6, 1).training.unlabeled) == 1
    with pytest.raises(SplitError, match="2 unlabeled"):
        compose(some, 0.6, 3)
    every = read_manifest(written(images, GOOD.replace("u1.png,unlabeled,,", "u1.png,unlabeled,0,"))).pools()
    assert [len(part) for part in (every.unknown, every.unlabeled_normal, every.unlabeled_abnormal)] == [0, 1, 1]
    assert [study.id for study in compose(every, 1.0).training.unlabeled] == ["u2.png"]


@pytest.mark.parametrize(
    ("encoding", "change"),
    [
        ("utf-8-sig", lambda text: text),
        ("utf-8", lambda text: text.replace('"y, z"', "y").replace(",", ";")),
        ("utf-8", lambda text: text.replace('"y, z"', "y").replace(",", "\t").replace("\n", "\r\n")),
        ("utf-8", lambda text: text.replace(",0,", ",0.0,").replace(",1,", ",1.0,") + ",,,,\n\n"),
    ],
    ids=["byte order mark", "semicolons", "tabs", "labels as numbers, empty rows"],
)
def test_tables_as_spreadsheets_and_pandas_write_them(images: Path, encoding: str, change) -> None:  # type: ignore[no-untyped-def]
    found = read_manifest(written(images, change(GOOD), encoding=encoding))
    assert [study.label for study in found.studies("test")] == [0, 1]
    assert len(found.rows) == 6


def test_parquet_says_the_same_as_csv(images: Path) -> None:
    path = written(images, GOOD)
    pd.read_csv(path).to_parquet(images / "same.parquet")
    csv, parquet = read_manifest(path), read_manifest(images / "same.parquet")
    assert parquet.rows == csv.rows
    assert parquet.digest() == csv.digest()
    assert parquet.name == "same"


def test_a_table_that_is_none(images: Path) -> None:
    (images / "broken.parquet").write_bytes(b"PAR1 no")
    for path, word in (
        (images / "broken.parquet", "not valid Parquet"),
        (images / "gone.csv", "no such file"),
        (images / "n1.png", "UTF-8"),
        (written(images, "a,b\n1,2\n", "other.csv"), "no column 'file'"),
        (written(images, "file,role\nn1.png\n", "short.csv"), "row 2 has 1 cells"),
        (written(images, "file,role,role\nn1.png,normal,test\n", "twice.csv"), "'role' is there twice"),
        (written(images, "file,role\n", "empty.csv"), "no rows"),
        (written(images, "file\nn1.png\n", "alone.csv"), "no column 'role'"),
    ):
        with pytest.raises(MedadError, match=word):
            read_manifest(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("t1.png,test,0", "t1.png,tset,0", "row 6, column 'role': 'tset' is not allowed"),
        ("t1.png,test,0", "t1.png,test,", "row 6, column 'label': is empty"),
        ("t1.png,test,0", "t1.png,test,2", "row 6, column 'label': must be 0 (normal), 1 (abnormal)"),
        ("n2.png,normal,0", "n2.png,normal,1", "row 3, column 'label': is 1 in a row of known normals"),
        ("n1.png", "", "row 2, column 'file': is empty"),
        ("n1.png", "gone.png", "column 'file': 1 of 6 files are not there, first gone.png (row 2)"),
        ("n1.png", "./n2.png", "row 3, column 'file': the same file as in row 2"),
        ("test,0,E", "test,0,A", "1 of the patient values are in both training and test"),
    ],
)
def test_a_wrong_cell_is_named(images: Path, old: str, new: str, message: str) -> None:
    assert message in said(images, GOOD.replace(old, new))


def test_no_patient_is_quoted(images: Path) -> None:
    text = said(images, GOOD.replace(",E,", ",Secret-4711,").replace(",A,", ",Secret-4711,"))
    assert "patient" in text
    assert "4711" not in text


@pytest.mark.parametrize("column", ["PatientName", "patient_id", "Accession Number", "StudyInstanceUID", "DOB"])
def test_a_column_that_names_people_is_refused(images: Path, column: str) -> None:
    assert f"column {column!r} may name a person" in said(images, GOOD.replace("scanner", column))


def test_all_defects_are_counted(images: Path) -> None:
    rows = "".join(f"gone{index}.png,test,\n" for index in range(7))
    text = said(images, "file,role,label\n" + rows)
    assert text.count("is empty: a test row") == 5
    assert "and 3 more" in text


def test_files_of_a_study_are_one_volume_or_slices_that_stay_together(images: Path) -> None:
    text = "file,role,label,study,cut\nn1.png,normal,,S1,{0}\nn2.png,normal,,S1,{0}\nt1.png,test,1,S2,{0}\n"
    volumes = read_manifest(written(images, text.format("volumes")))
    assert [[file.name for file in study.files] for study in volumes.studies("normal")] == [["n1.png", "n2.png"]]
    slices = read_manifest(written(images, text.format("slices")))
    assert [study.id for study in slices.studies("normal")] == ["n1.png", "n2.png"]
    assert len({study.patient for study in slices.studies("normal")}) == 1
    assert slices.studies("test")[0].patient not in {None, slices.studies("normal")[0].patient}
    assert slices.digest() != volumes.digest()
    for cut in ("volumes", "slices"):
        text_both = text.format(cut).replace("S2", "S1")
        assert "1 of the study values are in both training and test" in said(images, text_both)
    assert "rows 2 to 3, column 'role'" in said(images, text.format("volumes").replace("n2.png,normal", "n2.png,test"))
    assert "column 'cut': 'pages' is not allowed" in said(images, text.format("pages"))
    assert "must hold one value" in said(images, text.format("slices").replace("S2,slices", "S2,volumes"))


def test_slices_of_one_volume_are_on_one_side(images: Path) -> None:
    (images / "v.nii").write_bytes(b"-")
    text = "file,role,label\nv.nii#z1,normal,\nv.nii#z2,{},{}\n"
    assert len({s.patient for s in read_manifest(written(images, text.format("normal", ""))).studies("normal")}) == 1
    assert "1 of the volume values are in both training and test" in said(images, text.format("test", "1"))


def test_masks_and_their_kinds(images: Path) -> None:
    text = "file,role,label,mask,mask_kind,dataset\nt2.png,test,1,m2.png,{},Ward 7: chest\n"
    found = read_manifest(written(images, text.format("boxes")))
    study = found.studies("test")[0]
    assert (study.mask, study.mask_kind) == (images / "m2.png", "boxes")
    assert found.name == "Ward-7-chest"
    assert "'lines' is not allowed: choose from pixels, boxes" in said(images, text.format("lines"))
    assert "column 'mask': 1 of 1 files" in said(images, text.format("").replace("m2.png", "m3.png"))


def test_training_needs_normals_and_no_test_rows(images: Path) -> None:
    alone = read_manifest(written(images, "file,role\nn1.png,normal\n"))
    assert len(alone.training().normal) == 1
    assert alone.pools().test_normal == ()
    with pytest.raises(ManifestError, match="role 'normal'"):
        read_manifest(written(images, "file,role\nu1.png,unlabeled\n")).training()


def test_the_digest_follows_what_the_rows_and_files_say(images: Path, tmp_path: Path) -> None:
    def digests(text: str) -> tuple[str, str]:
        found = read_manifest(written(images, text))
        return found.digest(), found.pools().digest()

    first = digests(GOOD)
    assert digests(GOOD) == first
    for change in (GOOD.replace("t1.png,test,0", "t1.png,test,1"), GOOD.replace(",A,", ",AA,")):
        assert all(new != old for new, old in zip(digests(change), first, strict=True))
    learned = ("normal", "unlabeled")  # a model does not change with what it is tested on
    before = read_manifest(written(images, GOOD)).digest(learned)
    assert read_manifest(written(images, GOOD.replace("t1.png,test,0", "t1.png,test,1"))).digest(learned) == before
    assert read_manifest(written(images, GOOD.replace(",A,", ",AA,"))).digest(learned) != before
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in images.glob("*.png"):
        (moved / file.name).write_bytes(file.read_bytes())
    assert read_manifest(written(moved, GOOD)).digest() == first[0]
    (moved / "t1.png").write_bytes((moved / "t1.png").read_bytes() + b"\0")
    assert read_manifest(written(moved, GOOD)).digest() != first[0]


def test_a_folder_stands_for_the_manifest_in_it(images: Path, tmp_path: Path) -> None:
    written(images, GOOD)
    assert read_manifest(images).path == images / "manifest.csv"
    with pytest.raises(ManifestError, match=r"manifest\.csv"):
        read_manifest(tmp_path)


def test_no_cell_is_a_formula_and_all_come_back(tmp_path: Path) -> None:
    cells = ["=1+1", "+49", "-x", "-5", "@now", "'quoted", "'=odd", "plain, with comma", ""]
    write_csv(tmp_path / "a.csv", ["file", "value"], [["x", cell] for cell in cells], exact=True)
    text = (tmp_path / "a.csv").read_text()
    assert not [line for line in text.splitlines() if line.split(",", 1)[1].lstrip('"').startswith(("=", "@", "-x"))]
    assert [row[1] for row in read_cells(tmp_path / "a.csv", "file")[1]] == cells
