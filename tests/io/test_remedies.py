"""Every remedy that a message names exists where the user stands."""

from __future__ import annotations

import ast
import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import medad
from medad.cli import app
from medad.io import ReadSettings, UnreadableImage, read_picture

FILES = sorted(Path(medad.__file__).parent.rglob("*.py"))
OPTION = re.compile(r"(?<!var\()(?<![\w-])--[a-z][a-z-]+")
SETTINGS = set(ReadSettings.model_fields)


def texts(node: ast.AST) -> Iterator[str]:
    """The words of a node that are written in it."""
    yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def refusals() -> Iterator[tuple[str, ast.Call]]:
    """Each place where an UnreadableImage is made."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UnreadableImage":
                yield f"{path.name}:{node.lineno}", node


def options() -> dict[str, set[str]]:
    """The options of each command."""
    found: dict[str, set[str]] = {}

    def add(group: object, words: tuple[str, ...]) -> None:
        for name, one in group.commands.items():  # type: ignore[attr-defined]
            if hasattr(one, "commands"):
                add(one, (*words, name))
            else:
                names = {name for each in one.params for name in (*each.opts, *each.secondary_opts)}
                found[" ".join((*words, name))] = names | {"--help"}

    add(typer.main.get_command(app), ())
    return found


def test_no_remedy_for_a_file_names_what_only_a_program_can_set() -> None:
    """The first four arguments are printed by every command; the fifth is a note for programs."""
    assert len(list(refusals())) > 40
    for place, call in refusals():
        for argument in call.args[:4]:
            for text in texts(argument):
                words = set(re.findall(r"[a-z_]+", text))
                assert not words & (SETTINGS - {"time", "color", "padding", "window"}), (place, text)
                assert not re.search(r"\w=|ReadSettings|medad\.|discover|\(\)", text), (place, text)


def test_every_option_that_the_package_names_is_one_of_a_command() -> None:
    of_git = {"--error-unmatch", "--porcelain", "--untracked-files"}
    others = {"--backend-store-uri", "--head", *of_git}  # of 'mlflow server' and 'ray start'
    known = set().union(*options().values()) | others
    for path in FILES:
        if "cli" in path.parts:
            continue
        for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            if "-m monai.bundle" not in text:  # commands of MONAI, in the documentation of a bundle
                assert set(OPTION.findall(text)) <= known, (path, text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_option_is_named_with_a_command_that_has_it(path: Path) -> None:
    """ "'medad train' --x", "--split of 'medad inspect' and 'medad score'", "'medad bench --data'"."""
    offered = options()
    for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
        for command, option in re.findall(r"'medad ([a-z]+)'? (--[a-z-]+)", text):
            assert option in offered[command], text


def test_what_a_program_can_do_is_a_note_in_its_traceback(tmp_path: Path) -> None:
    import nibabel as nib
    import numpy as np

    nib.save(nib.Nifti1Image(np.full((4, 5, 3), np.nan, np.float32), np.eye(4)), tmp_path / "nan.nii.gz")
    with pytest.raises(UnreadableImage) as raised:
        read_picture(tmp_path / "nan.nii.gz", ReadSettings())
    assert "non_finite" not in str(raised.value)
    assert "ReadSettings(non_finite='fill')" in "".join(traceback.format_exception(raised.value))
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.__notes__) == (str(raised.value), raised.value.__notes__)
