"""What the tests of exports share: one small model, exported once."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.exporting import complete, small_ddad
from helpers.runs import mixed

from medad.export.run import export_model
from medad.scoring import ScoreSettings, score_folder


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model/, box/ (studies), onnx/, bundle/, and the table of 'medad score' in scores/."""
    folder = tmp_path_factory.mktemp("export")
    model = complete(small_ddad(), folder / "model")
    mixed(folder / "box", radiographs=4)
    export_model(model, ["onnx", "bundle"], folder)
    score_folder(model, folder / "box", folder / "scores", ScoreSettings(workers=1, heatmaps="all"))
    return folder
