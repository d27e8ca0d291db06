"""Tables that somebody hands over: what is no table is refused with its line, and nothing ends in a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from medad import csv_tables
from medad.csv_tables import TableError, read_cells
from medad.manifest.manifest import ManifestError
from medad.manifest.reading import parse_manifest, read_manifest
from medad.types import MedadError

REFUSED = {
    "latin": (b"file,role\na.png,normal\n\xe4.png,normal\n", "line 3: not UTF-8"),
    "utf16": ("file,role\na.png,normal\n".encode("utf-16"), "line 1: not UTF-8"),
    "long field": (b"file,role\na.png,normal\n" + b"x" * 200_000 + b",normal\n", "line 3: not valid CSV: field larger"),
    "long heading": (b"x" * 200_000 + b",file\n", "line 1: not valid CSV: field larger"),
    "open quote": (b'file,role\n"a.png,normal\n', "not valid CSV: unexpected end"),
    "text after a quote": (b'file,role\n"a"b.png,normal\n', "line 2: not valid CSV"),
    "cells": (b"file,role\na.png\n", "row 2 has 1 cells"),
    "no heading": (b"name,role\n", "no column 'file'; its columns: 'name', 'role'"),
    "empty": (b"", "no column 'file'; its columns: none"),
    "many columns": (b"file," + b",".join(b"c%d" % number for number in range(2000)) + b"\n", "at most 1000"),
    "twice": (b"file,a\xe2\x80\xae,a\xe2\x80\xae\n", r"column 'a\\u202e' is there twice"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match=said) as caught:
        read_cells(tmp_path / "t.csv", "file")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(tmp_path: Path, end: str, mark: bytes) -> None:
    text = f"file;role{end}a.png;normal{end}b.png;test{end}"
    (tmp_path / "t.csv").write_bytes(mark + text.encode())
    assert read_cells(tmp_path / "t.csv", "file") == (["file", "role"], [["a.png", "normal"], ["b.png", "test"]])


def test_mixed_line_ends(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"file,role\r\na.png,normal\nb.png,test\r")
    assert read_cells(tmp_path / "t.csv", "file")[1] == [["a.png", "normal"], ["b.png", "test"]]


@pytest.mark.parametrize("name", ["gone.csv", "n" * 300 + ".csv", "a\0b.csv", "folder.parquet"])
def test_a_path_that_is_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(TableError, match="there is no such file"):
        read_cells(tmp_path / name, "file")
    if name != "folder.parquet":
        with pytest.raises(MedadError):
            read_manifest(tmp_path / name)


def test_odd_values_in_parquet_are_text_or_refused(tmp_path: Path) -> None:
    columns = {
        "file": ["a", "b", "c"],
        "number": [float("inf"), float("nan"), 1.0],
        "bytes": [b"x", None, b"\xc3\xa4"],
        "list": [[1], None, []],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    rows = read_cells(tmp_path / "t.parquet", "file")[1]
    assert rows == [["a", "inf", "x", "[1]"], ["b", "", "", ""], ["c", "1", "ä", "[]"]]
    pq.write_table(pa.table({"file": [b"\xff"]}), tmp_path / "u.parquet")
    with pytest.raises(TableError, match="not valid Parquet"):
        read_cells(tmp_path / "u.parquet", "file")


def test_a_small_parquet_file_of_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "MOST_CELLS", 1000)
    pq.write_table(pa.table({"file": ["a"] * 2000}), tmp_path / "t.parquet")
    with pytest.raises(TableError, match="2000 rows of 1 columns are more than can be read"):
        read_cells(tmp_path / "t.parquet", "file")


def manifest(folder: Path, rows: str) -> Path:
    for name in ("n1.png", "t1.png"):
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(folder / name)
    path = folder / "manifest.csv"
    path.write_text(f"file,role,label,mask,scanner\nn1.png,normal,,,x\nt1.png,test,1,,x\n{rows}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a\0b.png,normal,,,x", "row 4, column 'file': holds a NUL"),
        ("n1.png,normal,,m\0.png,x", "row 4, column 'mask': holds a NUL"),
        (f"{'n' * 300}.png,normal,,,x", r"row 4, column 'file': is longer than a file name can be \(304 bytes\)"),
        (f"{'n/' * 3000}a.png,normal,,,x", "row 4, column 'file': is longer"),
        (f"n1.png,{'r' * 10_000},,,x", "row 4, column 'role'"),
        (f"n1.png,normal,,,{'x' * 10_000}", "row 4, column 'scanner': holds 10000 characters"),
        ("n1.png,nor\u202emal,,,x", r"'nor\\u202emal' is not allowed"),
    ],
    ids=["nul", "nul in mask", "long name", "long path", "long role", "long attribute", "bidi"],
)
def test_a_cell_that_cannot_be(tmp_path: Path, row: str, said: str) -> None:
    path = manifest(tmp_path, f"{row}\n")
    with pytest.raises(ManifestError, match=said) as caught:
        read_manifest(path)
    assert len(str(caught.value)) < 2000
    assert parse_manifest(path)[1]


@pytest.mark.parametrize("heading", ["Patient Name", "ＰａｔｉｅｎｔＮａｍｅ", "patient\u200b_id", "E-Mail"])  # noqa: RUF001
def test_a_heading_that_names_people_in_any_width(tmp_path: Path, heading: str) -> None:
    (tmp_path / "manifest.csv").write_text(f"file,role,{heading}\nn1.png,normal,x\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="may name a person"):
        read_manifest(tmp_path / "manifest.csv")
