"""A package of the user's own adds a method and a dataset by entry points: no file of medad names them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.making import gray_image
from PIL import Image
from typer.testing import CliRunner

import medad
from medad.cli import app
from medad.model_files import ModelError
from medad.plugins import PluginError
from medad.registry import UnknownName, datasets, methods

METHOD = '''
"""Distance of the mean picture."""
import torch
from medad.config import Settings
from medad.methods.base import Method
from medad.types import Scored


class Settings_(Settings):
    power: int = 2


class Halves(Method):
    settings_model = Settings_
    title = "halves"

    def __init__(self, settings):
        super().__init__(settings)
        self.register_buffer("mean", torch.zeros(settings.channels, settings.size, settings.size))

    @property
    def scores(self):
        return {"distance": "distance from the mean"}

    def fit(self, data, load, *, track, rng, keep=None):
        self.mean.copy_(load(data.normal).mean(dim=0))

    def score(self, images):
        maps = (images - self.mean).abs().pow(self.settings.power).mean(dim=1, keepdim=True)
        score = maps.mean(dim=(1, 2, 3))
        return {"distance": Scored(score, maps, score[:, None])}
'''
DATASET = """
from medad.datasets.base import About, Dataset
from medad.splits import Pools
from medad.types import Study


class Squares(Dataset):
    about = About("Squares", "nobody", "free", "made here", "-", "squares/*.png", "photo", "published")

    def pools(self, data_root, out):
        paths = sorted((data_root / "squares").glob("*.png"))
        groups = {
            key: tuple(Study(p.name, (p,), label=int("abnormal" in key)) for p in paths if p.name.startswith(key))
            for key in ("train", "test_normal", "test_abnormal")
        }
        return Pools(groups["train"], (), (), groups["test_normal"], groups["test_abnormal"])


squares = Squares()
"""
ENTRIES = """[medad.methods]
halves = medad_halves.halves:Halves
broken = medad_halves.broken:Broken
pca = medad_halves.halves:Halves

[medad.datasets]
squares = medad_halves.squares:squares
"""
METADATA = "Metadata-Version: 2.1\nName: medad-halves\nVersion: 1.2\nSummary: Halves for medad\n"
LOADED = """
import json, sys, medad
detector = medad.load(sys.argv[1])
print("RESULT", json.dumps([detector.score(path).score for path in sys.argv[2:]]))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the package and its dist-info, as pip would lay them out."""
    place = tmp_path_factory.mktemp("site")
    (place / "medad_halves").mkdir()
    files = {"__init__.py": "", "halves.py": METHOD, "squares.py": DATASET, "broken.py": "import no_such_package\n"}
    for name, text in files.items():
        (place / "medad_halves" / name).write_text(text)
    (place / "medad_halves-1.2.dist-info").mkdir()
    (place / "medad_halves-1.2.dist-info" / "METADATA").write_text(METADATA)
    (place / "medad_halves-1.2.dist-info" / "entry_points.txt").write_text(ENTRIES)
    return place


@pytest.fixture
def installed(package: Path) -> Iterator[Path]:
    """The package is on the path; afterwards no registry and no module remembers it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        yield package
    for registry in (methods, datasets):
        for name in ("halves", "squares"):
            registry._things.pop(name, None)
        registry._ignored.clear()
    for name in [name for name in sys.modules if name.startswith("medad_halves")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    (root / "squares").mkdir()
    rng = np.random.default_rng(0)
    for group, count in (("train", 12), ("test_normal", 3), ("test_abnormal", 3)):
        for place in range(count):
            image = Image.fromarray(gray_image(rng, "abnormal" in group))
            image.save(root / "squares" / f"{group}{place:02}.png")
    return root


def test_it_is_listed_and_imported_only_when_asked_for(installed: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert {"halves", "broken", "pca"} <= set(methods.names())
    assert "squares" in datasets.names()
    assert "medad_halves" not in sys.modules
    assert methods.describe("halves") == "Halves for medad (medad-halves 1.2)"
    assert (methods.provider("halves"), methods.provider("ddad")) == ("medad-halves 1.2", "")
    assert "'pca' of medad-halves 1.2 is ignored" in caplog.text
    assert methods.get("pca").title == "PCA"
    listing = CliRunner().invoke(app, ["methods", "--json"])
    rows = {row["name"]: row["what"] for row in json.loads(listing.stdout)}
    assert "broken' of the package medad-halves 1.2 cannot be imported" in rows["broken"]
    assert "squares" in CliRunner().invoke(app, ["data", "list"]).stdout
    assert "power" in CliRunner().invoke(app, ["settings", "halves"]).stdout


def test_what_cannot_be_imported_names_its_package(installed: Path) -> None:
    with pytest.raises(PluginError, match=r"medad-halves 1\.2 cannot be imported .*no_such_package.*uninstall"):
        methods.get("broken")


def test_it_is_trained_saved_and_loaded_in_a_new_process_and_missed_where_it_is_not(
    installed: Path, data: Path, tmp_path: Path
) -> None:
    split = medad.dataset("squares", data, anomaly_rate=0)
    detector = medad.method("halves", size=32, power=1).fit(split.training)
    labels = [study.label for study in split.test]
    scores = [result.score for result in detector.score(list(split.test))]
    assert medad.evaluate(labels, scores, resamples=100)["auc"] > 0.5
    model = detector.save(tmp_path / "model")
    assert json.loads((model / "model.json").read_text())["plugins"] == {"method halves": "medad-halves 1.2"}
    paths = [str(study.files[0]) for study in split.test]
    command = [sys.executable, "-P", "-c", LOADED, str(model), *paths]
    places = os.pathsep.join([str(installed), str(Path(medad.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": places}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.removeprefix("RESULT ")) == scores
    sys.path.remove(str(installed))
    methods._things.pop("halves")
    with pytest.raises(ModelError, match=r"'halves' is in the package medad-halves 1\.2.*pip install medad-halves\)"):
        medad.load(model)
    with pytest.raises(UnknownName, match="unknown method 'halves'"):
        medad.method("halves")
