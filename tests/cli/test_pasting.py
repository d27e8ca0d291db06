"""Every command that is printed can be pasted, whatever is in the names of the user's folders."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.making import gray_image
from PIL import Image
from typer.testing import CliRunner, Result

from medad.cli import _tracking as tracking
from medad.cli import app
from medad.tracking import Tracker

NAMES = ["a b", "it's #1; $HOME", 'say "so" & [x]']


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def printed(done: Result, word: str) -> list[str]:
    """The words of the command after ``word`` in what was printed."""
    (line,) = [line for line in done.output.splitlines() if line.strip().startswith(word)]
    return shlex.split(line.strip().removeprefix(word))


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of that name with ten normal images, and a pipeline that trains nothing."""
    folder = tmp_path / request.param
    rng = np.random.default_rng(0)
    for index in range(10):
        path = folder / "normal" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gray_image(rng)).save(path)
    pipeline = {"methods": ["max_intensity"], "settings": {"size": 32}}
    (folder / "quick.yaml").write_text(yaml.safe_dump(pipeline))
    return folder


def test_init_check_and_train_print_commands_that_can_be_pasted(place: Path) -> None:
    done = run("data", "init", place / "set", "--normal", place / "normal", "--workers", "1")
    assert done.exit_code == 0, done.output
    assert printed(done, "next:") == ["medad", "data", "check", str(place / "set")]
    done = run("data", "check", place / "set", "--workers", "1")
    assert done.exit_code == 0, done.output
    assert printed(done, "next:") == ["medad", "train", "--data", str(place / "set"), "--out", "my-model"]
    tests = place / "tests"
    tests.mkdir()
    rows = (place / "set" / "manifest.csv").read_text().replace(",normal,,", ",test,0,")
    (tests / "manifest.csv").write_text(rows)
    done = run("data", "check", tests, "--workers", "1")
    following = ["medad", "evaluate", "MODEL", "--data", str(tests), "--out", "my-evaluation"]
    assert printed(done, "next:") == following, "there is nothing to train on"
    done = run("train", place / "quick.yaml", "--data", place / "set", "--out", place / "out", "--no-tracking")
    assert done.exit_code == 0, done.output
    assert printed(done, "next:") == ["medad", "score", str(place / "out" / "model"), "FOLDER", "--out", "scores"]


@pytest.mark.parametrize("name", NAMES)
def test_the_way_to_the_runs_can_be_pasted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, uri = Path("/data") / name, f"sqlite:////data/{name}/mlflow.db"
    tracking.Tracked(Tracker(), uri, name).close(out)
    shown = capsys.readouterr().out.removeprefix("runs:").strip()
    assert shlex.split(shown) == ["mlflow", "ui", "--backend-store-uri", uri]
    with pytest.raises(Exception, match="1"):
        tracking.Tracked(Tracker(trouble="away"), uri, name).close(out)
    again = capsys.readouterr().err.splitlines()[-1]
    assert shlex.split(again) == ["medad", "track", str(out), "--tracking-uri", uri, "--experiment", name]


def test_a_clinical_run_prints_a_command_that_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / NAMES[1]
    rng = np.random.default_rng(0)
    for index in range(4):
        path = folder / "normal" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gray_image(rng)).save(path)
    assert run("data", "init", folder / "set", "--normal", folder / "normal", "--workers", "1").exit_code == 0
    pipeline = {"methods": ["max_intensity"], "settings": {"size": 32}, "stages": ["train"]}
    (folder / "quick.yaml").write_text(yaml.safe_dump(pipeline))
    done = run(
        "run", folder / "quick.yaml", "--set", f"data={yaml.safe_dump(str(folder / 'set'))}", "--out", folder / "o"
    )
    assert done.exit_code == 0, done.output
    uri = f"sqlite:///{folder / 'o' / 'mlflow.db'}"
    words = printed(done, "next:")
    assert words[:2] == ["medad", "score"]
    assert words[3:] == ["FOLDER", "--tracking-uri", uri, "--out", "scores"]
    assert (folder / "o" / "mlflow.db").is_file()
