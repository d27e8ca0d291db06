"""What help and lists say: whole sentences, and everything that can be named."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from medad.cli import app
from medad.config import Evaluation
from medad.pipeline_files import pipeline_files
from medad.registry import backbones, methods, networks


def commands(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Each command with its words."""
    group = group or typer.main.get_command(app)
    for name, one in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(one, "commands"):
            yield from commands(one, (*path, name))
        else:
            yield (*path, name), one


EVERY = dict(commands())


def out(*arguments: str, columns: int = 100) -> str:
    done = CliRunner(env={"COLUMNS": str(columns)}).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_help_shows_every_sentence_as_it_was_written(words: tuple[str, ...], columns: int) -> None:
    """No [bracket] is swallowed as markup, and no sentence is broken where the source breaks a line."""
    command = EVERY[words]
    text = " ".join(out(*words, "--help", columns=columns).split())
    for parameter in command.params:  # type: ignore[attr-defined]
        if getattr(parameter, "help", None):
            assert " ".join(parameter.help.split()) in text, parameter.name
    for paragraph in inspect.cleandoc(command.callback.__doc__).split("\n\n"):  # type: ignore[attr-defined]
        assert " ".join(paragraph.split()) in text
        assert f"  {paragraph.split()[0]}" in out(*words, "--help", columns=columns)


def test_an_extra_is_named_with_its_brackets() -> None:
    for name in ("score", "bench"):
        assert "pip install 'medad[ray]'" in " ".join(out(name, "--help").split())


def test_bench_and_train_say_what_can_be_named() -> None:
    for name in ("bench", "train"):
        text = " ".join(out(name, "--help").split())
        assert ", ".join(networks.names()) in text
        for listed in (
            "medad methods",
            "medad networks",
            "medad pipelines",
            "medad settings METHOD",
            "medad data list",
        ):
            assert listed in text, (name, listed)
    assert ", ".join(methods.names()) in " ".join(out("bench", "--help").split())


@pytest.mark.parametrize(("command", "names"), [("methods", methods), ("networks", networks), ("networks", backbones)])
def test_each_thing_is_listed_with_what_it_is(command: str, names: object) -> None:
    rows = {row["name"]: row for row in json.loads(out(command, "--json"))}
    for name in names.names():  # type: ignore[attr-defined]
        assert len(rows[name]["what"]) > 5
        assert name in out(command)


def test_methods_say_which_learn_from_unlabeled_studies() -> None:
    rows = {row["name"]: row for row in json.loads(out("methods", "--json"))}
    learning = {name: row["learns_from_unlabeled"] for name, row in rows.items()}
    expected = {"cdo": "no", "ddad": "yes", "acquisition": "yes", "max_intensity": "no", "pca": "no", "ratio": "yes"}
    expected["padim"] = "if use_archive=true"  # a setting whose default is the published one, normals alone
    assert {name: learning[name] for name in expected} == expected
    assert set(learning.values()) == {"yes", "no", "if use_archive=true"}
    assert rows["cdo"]["built_on"] == "a backbone"


def test_pipelines_are_listed_with_the_command_that_runs_them() -> None:
    rows = {row["name"]: row for row in json.loads(out("pipelines", "--json"))}
    assert set(rows) == set(pipeline_files())
    assert (rows["clinical_experiment"]["for"], rows["ocssl"]["for"]) == ("run", "bench")
    assert rows["clinical_experiment"]["what"].endswith("model registry:")


@pytest.mark.parametrize("method", [*methods.names(), "evaluation"])
def test_every_key_of_set_is_listed_with_type_default_range_and_meaning(method: str) -> None:
    model = Evaluation if method == "evaluation" else methods.get(method).settings_model
    rows = {row["key"]: row for row in json.loads(out("settings", method, "--json"))}
    assert list(rows) == list(model.model_fields)
    defaults = model().model_dump(mode="json")
    for key, row in rows.items():
        assert json.loads(row["default"]) == defaults[key]
        assert row["description"]
        assert row["type"] not in ("", "Any")
        assert "typing" not in row["type"]
    table = out("settings", method)
    assert all(key in table for key in rows)


def test_ranges_are_those_that_are_checked() -> None:
    rows = {row["key"]: row for row in json.loads(out("settings", "ddad", "--json"))}
    assert rows["size"]["range"] == ">= 16; <= 2048"
    assert rows["preset"]["range"] == "published, cxr, mr, ct, fundus"
    assert rows["unlabeled"]["type"] == "integer, or null"
    judging = {row["key"]: row for row in json.loads(out("settings", "evaluation", "--json"))}
    assert judging["specificities"]["range"] == "at most 100 of them; > 0; < 1"
    assert judging["specificities"]["type"] == "list of numbers"


def test_an_unknown_method_is_answered_with_the_choices() -> None:
    done = CliRunner().invoke(app, ["settings", "dadd"])
    assert done.exit_code == 2
    assert "did you mean 'ddad'?" in done.output


def test_settings_found_without_the_method_are_the_methods_own() -> None:
    for name in methods.names():
        assert methods.settings(name) is methods.get(name).settings_model
