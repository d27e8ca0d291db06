"""Marks of what a model has learned from."""

from __future__ import annotations

from pathlib import Path

from medad.data.training_marks import FILE, seen, write_marks
from medad.types import Study


def study(root: Path, name: str, patient: str | None = None, content: str | None = None) -> Study:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or name)
    return Study(name, (path,), patient)


def test_the_same_content_is_known_under_any_name_and_other_content_is_not(tmp_path: Path) -> None:
    write_marks(tmp_path / "model", [study(tmp_path, "a.png"), study(tmp_path, "b.png")], "one")
    copied, other = study(tmp_path, "other/x.png", content="b.png"), study(tmp_path, "other/a.png", content="c.png")
    assert seen(tmp_path / "model", [copied, other], "two") == [copied]


def test_a_patient_is_known_within_the_data_set_that_numbers_it(tmp_path: Path) -> None:
    write_marks(tmp_path / "model", [study(tmp_path, "a.png", "p1")], "one")
    same, other = study(tmp_path, "c.png", "p1"), study(tmp_path, "d.png", "p2")
    assert seen(tmp_path / "model", [same, other], "one") == [same]
    assert seen(tmp_path / "model", [same], "another hospital") == []


def test_the_marks_tell_no_name_and_a_model_without_them_refuses_nothing(tmp_path: Path) -> None:
    one = study(tmp_path, "doe-john.png", "doe")
    write_marks(tmp_path / "model", [one, one], "one")
    assert len((tmp_path / "model" / FILE).read_text().split()) == 2
    assert "doe" not in (tmp_path / "model" / FILE).read_text()
    assert seen(tmp_path / "elsewhere", [one], "one") == []
