"""Counts, names and commands in messages."""

from __future__ import annotations

import shlex

import pytest

from medad.wording import command, counted, shortened


def test_a_count_agrees_with_its_noun() -> None:
    assert [counted(count, "file") for count in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [counted(count, "study", "studies") for count in (1, 5)] == ["1 study", "5 studies"]


@pytest.mark.parametrize(
    "path", ["plain", "a b/set", "it's", 'say "so"', "a#b", "a;b", "$HOME", "*", "[1]", "é\n", "~"]
)
def test_a_command_is_read_by_a_shell_as_the_words_it_was_made_of(path: str) -> None:
    assert shlex.split(command("medad", "data", "check", path)) == ["medad", "data", "check", path]


def test_a_path_that_starts_with_a_dash_is_no_option() -> None:
    assert command("medad", "train", "--data", "-x") == "medad train --data ./-x"


def test_a_long_name_keeps_both_ends() -> None:
    assert shortened("short.dcm", 20) == "short.dcm"
    first, second = (shortened(f"hospital/patient{letter}/series/image0001.dcm", 24) for letter in "AB")
    assert len(first) == 24
    assert first.startswith("hospital")
    assert second.endswith("0001.dcm")
