"""`medad inspect --model`: files as a model reads them, and what its gate says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.making import gray_image, write_dicom
from helpers.runs import untrained
from PIL import Image
from typer.testing import CliRunner

from medad.cli import app
from medad.data.facts import facts_of
from medad.data.preprocessing import Preprocessing
from medad.data.profile import profile_of
from medad.model import CARD, load
from medad.types import Study


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows MR slices, and an inbox with one, a strip and a screenshot."""
    root = tmp_path_factory.mktemp("gate")
    rng = np.random.default_rng(0)
    model = untrained(root / "model")
    prepare = Preprocessing(load(model).method.settings)
    known = [write_dicom(root / "known" / str(index), gray_image(rng)) for index in range(12)]
    facts = [facts_of(prepare.read(Study(path.name, (path,)))) for path in known]
    card = json.loads((model / CARD).read_text())
    (model / CARD).write_text(json.dumps({**card, "profile": profile_of(facts)}))
    write_dicom(root / "inbox" / "good.dcm", gray_image(rng))
    write_dicom(root / "inbox" / "other.dcm", gray_image(rng), Modality="CR")
    Image.fromarray(gray_image(rng)[:3]).save(root / "inbox" / "strip.png")
    return root


def inspect(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_gates_verdict_is_shown_for_each_file(place: Path) -> None:
    rows = {row["file"]: row for row in json.loads(inspect(place / "inbox", "--model", place / "model", "--json"))}
    assert rows["good.dcm"]["gate"] == ""
    assert "the model knows MR" in rows["other.dcm"]["gate"]
    assert "a strip of" in rows["strip.png"]["gate"] or "pixels; the model knows" in rows["strip.png"]["gate"]
    table = inspect(place / "inbox", "--model", place / "model")
    assert "3 read, 0 refused, 0 skipped, 2 read but not scored by the model" in table
    assert load(place / "model").digest in table
    assert "preset published" in table
    assert "its gate knows 12 training images" in table


def test_without_a_model_it_says_that_there_is_none(place: Path) -> None:
    text = " ".join(inspect(place / "inbox").split())
    assert "no model: read with --voi off" in text
    assert "gate" not in json.loads(inspect(place / "inbox", "--json"))[0]["gate"]


def test_the_montage_is_what_the_model_sees(place: Path, tmp_path: Path) -> None:
    inspect(place / "inbox", "--model", place / "model", "--png", tmp_path / "seen.png")
    colors = {color for _, color in Image.open(tmp_path / "seen.png").getcolors(1 << 20) or ()}
    orange = [(red, green, blue) for red, green, blue in colors if red > 200 and green < 180 and blue < 40]
    assert orange  # the caption of what it would not score
