"""Settings and pipeline files."""

from __future__ import annotations

from pathlib import Path

import pytest

from medad.config import ConfigError, Pipeline, parse_overrides
from medad.experiments.plan import plan
from medad.methods.ddad import DDADSettings
from medad.pipeline_files import home, read_pipeline
from medad.registry import methods


def test_the_published_pipeline_is_the_default() -> None:
    """METHODS.md section 1, written out a second time."""
    published = read_pipeline("ddad")
    assert published.methods == ("ddad",)
    defaults = DDADSettings().model_dump(mode="json")
    assert DDADSettings(**published.settings) == DDADSettings()
    assert {key: defaults[key] for key in ("size", "members", "epochs", "batch_size", "learning_rate")} == {
        "size": 64,
        "members": 3,
        "epochs": 250,
        "batch_size": 64,
        "learning_rate": 5e-4,
    }
    refine = ("refine_epochs", "refine_batch_size", "refine_learning_rate", "refine_weight_decay", "anomaly_rate")
    assert [defaults[key] for key in refine] == [100, 8, 1e-4, 1e-4, 0.6]


FILES = [path for folder in ("pipelines", "benchmarks") for path in sorted(home(folder).glob("*.yaml"))]


def test_a_name_stands_for_one_file() -> None:
    assert len({path.stem for path in FILES}) == len(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_pipeline_can_be_planned(path: Path) -> None:
    pipeline = read_pipeline(path.stem)
    assert plan(pipeline.model_copy(update={"datasets": pipeline.datasets or ("demo",)}), {})


def test_every_setting_says_what_it_is() -> None:
    for name in methods.names():
        for key, field in methods.get(name).settings_model.model_fields.items():
            assert field.description, f"{name}: {key}"


def test_values_are_yaml() -> None:
    read = parse_overrides(["epochs=2", "scores=[rec, intra]", "unlabeled=null", "preset=mr"])
    assert read == {"epochs": 2, "scores": ["rec", "intra"], "unlabeled": None, "preset": "mr"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("methods: [ddad", "not valid YAML"),
        ("- ddad", "expected keys and values"),
        ("method: ddad", "Did you mean 'methods'"),
        ("seeds: [one]", r"seeds\.0='one' is not allowed"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"mine.yaml.*{said}"):
        read_pipeline(str(tmp_path / "mine.yaml"))


def test_an_unknown_pipeline_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"one of .*ddad, demo, .*ocssl"):
        read_pipeline("none")


def test_each_method_takes_the_settings_it_knows() -> None:
    grid = Pipeline(datasets=("demo",), methods=("pca", "ddad"), networks=("ae", "aeu"), seeds=(0, 1))
    planned = plan(grid, {"epochs": 3, "components": 5})
    assert [(one.method, one.network, one.seed) for one in planned] == [
        ("pca", "-", 0),
        ("pca", "-", 1),
        ("ddad", "ae", 0),
        ("ddad", "ae", 1),
        ("ddad", "aeu", 0),
        ("ddad", "aeu", 1),
    ]
    assert planned[0].settings.model_dump()["components"] == 5
    assert planned[2].settings.model_dump()["epochs"] == 3
    names = {one.name("data") for one in planned}
    assert len(names) == len(planned)
    assert planned[0].name("data") != planned[0].name("other data")
