"""Wrong arguments are answered at once, before anything heavy is imported or written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.making import write_med_ad

HEAVY = ("torch", "monai", "mlflow", "pandas", "matplotlib", "sklearn", "scipy")
CODE = f"""
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from medad.cli import main
for line in sys.stdin:
    sys.argv = ["medad", *line.split()]
    code, shown = 0, io.StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        except BaseException as error:
            code = repr(error)
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    print(json.dumps([code, heavy, shown.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(place: Path) -> dict[str, tuple[object, list[str], str]]:
    """For each line of WRONG and LISTS: exit code, heavy modules that have been imported, and what was printed."""
    lines = [*(words for words, _ in WRONG), *LISTS]
    words = [sys.executable, "-c", CODE]
    text = "\n".join(lines)
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True, cwd=place)
    return {line: tuple(json.loads(answer)) for line, answer in zip(lines, done.stdout.splitlines(), strict=True)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file, a model folder that is none, and a card without weights that can be read."""
    root = tmp_path_factory.mktemp("place")
    (root / "file").write_text("x")
    (root / "empty").mkdir()
    (root / "model").mkdir()
    card = {"map_scale": {"rec": 1.0}, "thresholds": {"rec": {"specificity 0.9": 0.5}}}
    (root / "model" / "model.json").write_text(json.dumps(card))
    (root / "model" / "weights.safetensors").write_bytes(b"")
    write_med_ad(root / "data")
    return root


WRONG = [
    ("score nowhere empty --out o", "no such folder; a model folder holds model.json"),
    ("score empty empty --out o", "no model folder"),
    ("score model nowhere --out o", "no such file or folder"),
    ("score model empty --out file", "file is a file; give a folder"),
    ("score model empty --out file/deeper", "file is a file; give a folder"),
    ("score model empty --out o --score intra", "this model has rec"),
    ("score model empty --out o --point x", "this model has specificity 0.9"),
    ("score model empty --out o --experiment e", "it belongs to --track"),
    ("evaluate nowhere --data data --out o", "no such folder"),
    ("evaluate model --data nowhere --out o", "no such file or folder"),
    ("evaluate model --dataset lga --out o", "did you mean 'lag'?"),
    ("evaluate model --dataset lag --set confidence=2 --out o", "confidence=2 is not allowed"),
    ("inspect nowhere", "no such file or folder"),
    ("inspect empty --model nowhere", "no such folder"),
    ("inspect empty --model model --gray", "leave out --voi and --gray"),
    ("inspect empty --png empty", "is a folder; give a file"),
    ("inspect empty --png nowhere/a.png", "no such folder"),
    ("bench --data-root nowhere --out o", "no such folder"),
    ("bench --data-root file --out o", "is a file; give a folder"),
    ("bench --out file", "is a file; give a folder"),
    ("bench --datasets braintumor --data-root data --set epohcs=3 --out o", "Did you mean 'epochs'?"),
    ("bench --datasets braintumor --data-root data --set epochs=0 --out o", "epochs=0 is not allowed"),
    ("bench --datasets braintumor --data-root data --set preset=mri --out o", "choose from published, cxr"),
    ("bench --datasets braintumor --data-root data --networks ae --set network=aeu --out o", "give one of them"),
    ("bench --datasets brain --data-root data --out o", "did you mean 'braintumor'?"),
    ("bench --methods dadd --datasets braintumor --out o", "did you mean 'ddad'?"),
    ("bench ddda --datasets braintumor --out o", "no pipeline 'ddda'"),
    ("bench --datasets rsna,lag --data-root data --out o", "nothing was run"),
    ("train --normal nowhere --out o", "no such file or folder"),
    ("train --normal empty --set epochs=x --out o", "epochs='x' is not allowed"),
    ("train --normal empty --network aee --out o", "choose from ae, aeu, memae"),
    ("train --normal empty --out file", "is a file; give a folder"),
    ("run clinical_experiment --set data=nowhere --out o", "no such file"),
    ("track nowhere", "no such folder"),
    ("report nowhere", "no such folder"),
    ("threshold nowhere file", "no such folder"),
    ("compare empty --table empty", "is a folder; give a file"),
    ("data prepare rsna nowhere o", "no such folder"),
    ("data init o --normal nowhere", "no such file or folder"),
    ("settings dadd", "did you mean 'ddad'?"),
]


LISTS = ["methods", "networks", "pipelines", "settings ddad", "settings cdo", "data info rsna", "bench --help"]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[words for words, _ in WRONG])
def test_a_wrong_argument_is_named_at_once(
    place: Path, answers: dict[str, tuple[object, list[str], str]], words: str, said: str
) -> None:
    code, heavy, shown = answers[words]
    assert (code, heavy) == (2, []), shown
    assert said in " ".join(shown.split())
    assert "Traceback" not in shown
    assert not (place / "o").exists()


@pytest.mark.parametrize("words", LISTS)
def test_lists_are_printed_at_once(answers: dict[str, tuple[object, list[str], str]], words: str) -> None:
    code, heavy, shown = answers[words]
    assert (code, heavy) == (0, []), shown
