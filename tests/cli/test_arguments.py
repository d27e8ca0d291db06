"""Wrong arguments are answered at once, before anything heavy is imported or written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from making import write_med_ad

HEAVY = ("torch", "monai", "mlflow", "pandas", "matplotlib", "sklearn", "scipy")
CODE = f"""
import sys
from medad.cli import main
try:
    main()
except SystemExit as stop:
    code = stop.code
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules], "CODE", code)
"""


def run(place: Path, *arguments: str | Path) -> tuple[str, str]:
    """All that was printed, and the line on what was imported, of a process of its own."""
    words = [sys.executable, "-c", CODE, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=place)
    *lines, last = done.stdout.splitlines()
    return " ".join([*lines, done.stderr]), last


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


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[words for words, _ in WRONG])
def test_a_wrong_argument_is_named_at_once(place: Path, words: str, said: str) -> None:
    output, imported = run(place, *words.split())
    assert imported == "HEAVY [] CODE 2", output
    assert said in " ".join(output.split())
    assert "Traceback" not in output
    assert not (place / "o").exists()


@pytest.mark.parametrize(
    "words", ["methods", "networks", "pipelines", "settings ddad", "settings cdo", "data info rsna"]
)
def test_lists_are_printed_at_once(place: Path, words: str) -> None:
    output, imported = run(place, *words.split())
    assert imported == "HEAVY [] CODE 0", output
