"""`medad inspect`: the table, the JSON and the montage."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import typer
from numpy.testing import assert_array_equal
from PIL import Image
from typer.testing import CliRunner

from medad.cli._terminal import show_table
from medad.cli.inspect import inspect
from medad.io.inspection import TILE, captions, thumbnail

PIXELS = (np.arange(20, dtype=np.uint16) * 100).reshape(4, 5)


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(inspect)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def test_everything_is_a_row_and_the_exit_code_tells(dicom, run, tmp_path):
    dicom("a.dcm", PIXELS, PhotometricInterpretation="MONOCHROME1", bits=12, Modality="CR")
    (tmp_path / "notes.txt").write_text("hello")
    good = run(tmp_path, "--json")
    assert good.exit_code == 0
    dicom("b.dcm", PIXELS, Rows=99, Modality="CR")
    done = run(tmp_path, "--json")
    assert done.exit_code == 1
    rows = {row["file"]: row for row in json.loads(done.stdout)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.dcm": "read",
        "b.dcm": "refused",
        "notes.txt": "skipped",
    }
    assert rows["a.dcm"]["values"] == [4095 - 1900, 4095]
    assert rows["a.dcm"]["shape"] == [1, 5, 4]
    assert rows["a.dcm"]["reading"]["inverted"] is True
    assert rows["b.dcm"]["what"] == "truncated"
    assert rows["b.dcm"]["remedy"]


def test_the_table_and_the_montage_of_all_of_pydicoms_files(bundled, run, tmp_path):
    done = run(bundled, "--png", tmp_path / "m.png")
    assert done.exit_code == 1
    for word in ("MONOCHROME1", "inverted", "PALETTE COLOR", "rt-dose", "truncated", "JPEG 2000", "missing-slices"):
        assert word in done.stdout
    assert "Traceback" not in done.stdout
    sheet = np.asarray(Image.open(tmp_path / "m.png"))
    assert sheet.shape[1] == 8 * TILE
    assert sheet.std() > 10


def test_a_wrong_setting_is_named(run, tmp_path):
    done = run(tmp_path, "--voi", "windo")
    assert done.exit_code == 2
    assert "windo" in done.output


def test_a_thumbnail_has_rows_down_and_a_volume_anterior_up_and_right_on_the_left(series, read, volume, dicom):
    picture = read(dicom("a.dcm", PIXELS), voi="window")
    assert thumbnail(picture).shape == (4, 5)
    assert thumbnail(picture)[3, 4] == 255
    flat = read(series("a", volume))
    middle = volume[3].astype(float)  # axial, rows to posterior, columns to the left: as DICOM stores it
    order = np.argsort(thumbnail(flat).ravel(), kind="stable")
    assert_array_equal(order, np.argsort(middle.ravel(), kind="stable"))


def test_names_are_shown_as_they_are(run, tmp_path):
    """Brackets are no markup, colons no emoji, and control characters do not reach the terminal."""
    names = [
        "scan[1].png",
        "[red]x[/red].png",
        "a[/b].png",
        ":warning:.png",
        "back\\",
        "line\nbreak.png",
        "esc\x1b[31m",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)  # "[red]x[" is a folder
        Image.fromarray(PIXELS.astype(np.uint8)).save(tmp_path / name, format="PNG")
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    for name in names[:5]:
        assert name in done.stdout
    assert "line\\x0abreak.png" in done.stdout
    assert "esc\\x1b[31m" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "files",
    [
        [f"patient{letter}/study/series/IM0001" for letter in "ABC"],
        [f"{letter}/a/very/long/path/to/a/folder/of/images/IM000{n}.dcm" for letter in "xy" for n in range(3)],
        [f"one/{'same' * 20}{index}{'same' * 20}.png" for index in range(12)],
        ["größe.png", "grüße.png"],
        ["only.png"],
        [],
    ],
)
def test_captions_are_short_and_no_two_are_equal(files):
    names = captions(files)
    assert len(set(names)) == len(files)
    assert all(len(name) <= 25 and name.isascii() for name in names)
    assert captions(["deep/er/a.png", "deep/er/b.png"]) == ["a.png", "b.png"]


def test_a_file_of_several_volumes_is_refused_with_an_option_that_is_there(run, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 3, 2), np.int16), np.eye(4)), tmp_path / "4d.nii.gz")
    (row,) = json.loads(run(tmp_path, "--json").stdout)
    assert (row["status"], row["what"]) == ("refused", "4d")
    assert "--split of 'medad inspect' and 'medad score'" in row["remedy"]
    assert "time=" not in row["remedy"]
    assert "store each in a file of its own" in " ".join(run(tmp_path).stdout.replace("│", " ").split())
    assert run(tmp_path, "--split").exit_code == 0


def test_a_narrow_table_cuts_no_word_and_leaves_out_empty_columns(capsys):
    name, text = "a_rather_long_name_of_a_file_0001.dcm", "b" * 90
    show_table(("file", "empty", "what"), [(name, "", text)], width=60)
    shown = capsys.readouterr().out
    assert "empty" not in shown
    assert name[:24] in shown
    cells = [line.split("│")[1:3] for line in shown.splitlines() if line.startswith("│")]
    assert ["".join(part).replace(" ", "") for part in zip(*cells, strict=True)] == [name, text]
