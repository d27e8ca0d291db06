"""Options come from the fields of a settings model: name, default, bounds and help."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from medad.cli._settings_options import with_settings
from medad.config import ConfigError, Strict


class Toy(Strict):
    """Settings with a field of each kind."""

    share: float = Field(default=0.25, gt=0, le=1, description="Share of it.")
    most_tries: int = Field(default=3, ge=0, description="Tries at most.")
    engine: Literal["near", "far"] = Field(default="near", description="Where.")
    name: str | None = Field(default=None, description="Its name.")
    force: bool = Field(default=False, description="In any case.")


received: list[tuple[str, Toy, bool]] = []
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
@with_settings(Toy, name={"metavar": "WORD"})
def toy(
    target: str,
    settings: Toy,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing.")] = False,
) -> None:
    """Take settings."""
    received.append((target, settings, quiet))


def test_help_has_name_default_bounds_and_description_of_every_field() -> None:
    text = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    for field in Toy.model_fields.values():
        assert str(field.description) in text
    for part in ("--most-tries", "default: 3", "x>=0", "default: 0.25", "near|far", "--name WORD", "--quiet"):
        assert part in text
    assert "--no-force" not in text
    assert "--settings" not in text


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ([], Toy()),
        (["--share", "0.5", "--most-tries", "0", "--engine", "far"], Toy(share=0.5, most_tries=0, engine="far")),
        (["--name", "x", "--force"], Toy(name="x", force=True)),
    ],
)
def test_the_command_gets_the_validated_settings(arguments: list[str], settings: Toy) -> None:
    received.clear()
    assert CliRunner().invoke(app, ["there", *arguments, "--quiet"]).exit_code == 0
    assert received == [("there", settings, True)]


def test_what_typer_cannot_check_the_model_refuses_and_says_what_it_means() -> None:
    done = CliRunner().invoke(app, ["there", "--share", "0"])
    assert isinstance(done.exception, ConfigError)
    assert "options: share=0.0 is not allowed" in str(done.exception)
    assert "Share of it." in str(done.exception)
    assert CliRunner().invoke(app, ["there", "--engine", "else"]).exit_code == 2
