"""The command: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.exporting import complete, small_ddad
from torch import Tensor
from typer.testing import CliRunner

from medad.cli import app
from medad.export import onnx_file
from medad.export.names import ExportError
from medad.export.run import export_model
from medad.methods.max_intensity import MaxIntensity
from medad.model import Model
from medad.types import Scored


def exported(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return done.exit_code, done.output


def test_the_command_writes_what_was_asked_for(place: Path, tmp_path: Path) -> None:
    code, output = exported(place / "model", "--to", "bundle", "--out", tmp_path)
    assert code == 0, output
    assert f"bundle: {tmp_path / 'bundle'}" in output
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("to", "message"),
    [("onix", "no target 'onix': choose from onnx, bundle"), (",", "no target: choose"), ("onnx", "exists: remove it")],
)
def test_wrong_targets(place: Path, to: str, message: str) -> None:
    code, output = exported(place / "model", "--to", to, "--out", place)
    assert code == 2
    assert message in output


def test_a_missing_package_is_named(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ("onnx", "a_package_that_is_not_there"))
    code, output = exported(place / "model", "--to", "onnx", "--out", tmp_path)
    assert code == 2
    assert "needs a_package_that_is_not_there: pip install 'medad[export]'" in output
    assert not list(tmp_path.iterdir())


def maximum(**settings: object) -> MaxIntensity:
    return MaxIntensity(MaxIntensity.settings_model(size=32, **settings))


class Branching(MaxIntensity):
    """Decides by a value of the batch, which no graph can hold."""

    def score(self, images: Tensor) -> dict[str, Scored]:
        return super().score(images if float(images.sum()) > 1e9 else -images)


class Noisy(MaxIntensity):
    """Scores differently each time."""

    def score(self, images: Tensor) -> dict[str, Scored]:
        return super().score(images + torch.rand_like(images))


@pytest.mark.parametrize(("kind", "reason"), [(Branching, "Its score\\(\\) must consist"), (Noisy, "would differ by")])
def test_a_method_that_cannot_be_exported(kind: type[MaxIntensity], reason: str, tmp_path: Path) -> None:
    model = complete(maximum(), tmp_path / "model", "max_intensity")
    method = kind(model.method.settings)
    with pytest.raises(ExportError, match=f"'max_intensity' cannot be exported to ONNX.*{reason}"):
        export_model(Model(method, model.card, model.digest), ["onnx"], tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_exporting_changes_nothing_in_the_model(tmp_path: Path) -> None:
    model = complete(small_ddad(), tmp_path / "model")
    state = {name: value.clone() for name, value in model.method.state_dict().items()}
    layouts = [
        value.is_contiguous(memory_format=torch.channels_last) for value in model.method.parameters() if value.ndim == 4
    ]
    export_model(model, ["bundle"], tmp_path)
    from medad.export.graph import Graph

    Graph(model.method)
    assert all(torch.equal(value, state[name]) for name, value in model.method.state_dict().items())
    after = [
        value.is_contiguous(memory_format=torch.channels_last) for value in model.method.parameters() if value.ndim == 4
    ]
    assert layouts == after
