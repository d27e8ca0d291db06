"""Files are written whole or not at all, whoever else writes the same one."""

from __future__ import annotations

import ast
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

import medad
from medad import files
from medad.csv_tables import read_cells
from medad.files import PART, WriteError, write_bytes, write_csv, write_json, write_records, write_text, writing
from medad.types import MedadError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_takes_its_place_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "map.nii.gz"
    with writing(path, durable=True) as part:
        part.write_bytes(b"content")
        assert part.parent == path.parent
        assert part.name.endswith("map.nii.gz")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert names(path.parent) == ["map.nii.gz"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, kind: type[BaseException]) -> None:
    path = tmp_path / "table.csv"
    write_text(path, "before")
    with pytest.raises(kind):
        write_half(path, kind())
    assert path.read_text() == "before"
    assert names(tmp_path) == ["table.csv"]


def test_the_system_s_refusal_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    with pytest.raises(WriteError, match=r"folder cannot be written: Is a directory; .*folder of that name") as caught:
        write_text(tmp_path / "a folder", "text")
    assert isinstance(caught.value, MedadError)
    assert names(tmp_path) == ["a folder"]
    with pytest.raises(WriteError, match="cannot be written: No space left on device; free some space"):
        write_half(tmp_path / "x", OSError(28, "No space left on device"))
    assert names(tmp_path) == ["a folder"]


def write_half(path: Path, error: BaseException) -> None:
    with writing(path) as part:
        part.write_bytes(b"half")
        raise error


def test_a_file_has_the_permissions_that_the_user_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_long_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ö" * 123 + ".json")
    write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}


def _writer(path: Path, letter: str) -> None:
    for _ in range(60):
        write_bytes(path, letter.encode() * 100_000)


def test_two_processes_that_write_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "shared.bin"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_writer, args=(path, letter)) for letter in "ab"]
    for one in writers:
        one.start()
    contents = set()
    while any(one.is_alive() for one in writers):
        if path.exists():
            contents.add(path.read_bytes())
    for one in writers:
        one.join()
        assert one.exitcode == 0
    assert contents <= {b"a" * 100_000, b"b" * 100_000}
    assert names(tmp_path) == ["shared.bin"]


def test_parts_of_killed_processes_are_removed_a_day_later(tmp_path: Path) -> None:
    old, fresh, other = (tmp_path / name for name in (f"{PART}0123abcd-a", f"{PART}0123abce-a", f"{PART}notes"))
    for path in (old, fresh, other):
        path.write_text("half")
    long_ago = time.time() - 2 * files.STALE_SECONDS
    for path in (old, other):
        os.utime(path, (long_ago, long_ago))
    write_text(tmp_path / "b", "text")
    assert names(tmp_path) == [fresh.name, other.name, "b"]


def test_a_locked_folder_has_one_part_for_each_name(tmp_path: Path) -> None:
    (tmp_path / f"{PART}a.csv").write_text("left by a killed process")
    with writing(tmp_path / "a.csv", exclusive=True) as part:
        assert part.name == f"{PART}a.csv"
        part.write_text("whole")
    assert names(tmp_path) == ["a.csv"]


def test_a_table_s_text_is_guarded_and_its_numbers_are_numbers(tmp_path: Path) -> None:
    rows = [{"id": "=cmd()|x", "score": -1.5}, {"id": "a\u202eb\n", "score": None, "=more": True}]
    write_records(tmp_path / "a.csv", rows)
    lines = ["id,score,'=more", "'=cmd()|x,-1.5,", "a\\u202eb\\x0a,,true"]
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines() == lines


def test_a_table_that_is_read_again_gives_every_text(tmp_path: Path) -> None:
    cells = ["=1", "a\nb", "a\u202eb", "'=x", "-", "-5", "\uff1d1", "\0", "a\u2028b", "sp ace"]
    write_csv(tmp_path / "a.csv", ["file", "=odd"], [["x", cell] for cell in cells], exact=True)
    headings, rows = read_cells(tmp_path / "a.csv", "file")
    assert headings == ["file", "=odd"]
    assert [row[1] for row in rows] == cells


def test_json_holds_no_number_that_json_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert names(tmp_path) == []


APPENDED = {
    "locks.py",
    "tracking/journal.py",
    "data/prepare/recorded.py",
    "io/isolation.py",
}  # locks, journals, a pipe
PARTS = {"files.py", "scoring/results.py", "outputs/triage/__init__.py"}  # they open what writing() gave


def test_nothing_else_in_medad_opens_a_file_to_write() -> None:
    package = Path(medad.__file__).parent
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            where = f"{name}:{node.lineno}"
            assert node.func.attr not in {"to_csv", "to_parquet"} or "tracking" in name, where
            if node.func.attr in {"write_text", "write_bytes"}:
                assert name in {"files.py"}, where
            modes = [str(one.value) for one in node.args if isinstance(one, ast.Constant)]
            if node.func.attr == "open" and any(set(mode) & set("wax+") and len(mode) < 4 for mode in modes):
                assert name in APPENDED | PARTS, where
