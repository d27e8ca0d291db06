"""medad inspect: show the contents of a file or folder, and how they would be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common
from medad.cli._paths import check_model, file_to_write, there
from medad.cli._terminal import show_table
from medad.wording import counted

if TYPE_CHECKING:
    from medad.io.core.settings import ReadSettings
    from medad.io.inspection import InspectedFile, Judge


class Voi(StrEnum):
    """The way a file's VOI window is applied."""

    OFF = "off"
    WINDOW = "window"
    PUBLISHED = "published"


HEADINGS = ("file", "what", "shape", "modality", "transfer syntax", "photometric", "values", "decisions")
WIDTH = 220  # characters; width of a table that is not printed to a terminal


def inspect(
    path: Annotated[Path, typer.Argument(help="A file, or a folder with everything below it.", callback=there)],
    png: Annotated[
        Path | None, typer.Option(help="Write a montage of what the model would see.", callback=file_to_write)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    model: Annotated[
        Path | None, typer.Option(help="Model folder: read as it does, and say what its gate would not score.")
    ] = None,
    voi: Annotated[
        Voi | None, typer.Option(help="off: physical values; window; published: the chest protocol. Default: off.")
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="Read color as luminance.")] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Read a 4-D file volume by volume, a TIFF page by page.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that reading one file may take.")] = 60.0,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Follow links to files outside the folder.")
    ] = False,
) -> None:
    """Show what would be read, and how. Exit code 1 if anything could not be read."""
    import os

    from medad.files import writing
    from medad.io.inspection import montage
    from medad.io.inspection_workers import inspected_by_workers

    settings, judge, about = (
        _without_model(voi, gray) if model is None else _as_model(model, options_given=voi is not None or gray)
    )
    settings = settings.model_copy(update={"time": "split" if split else "refuse"})
    workers = len(os.sched_getaffinity(0))
    rows = list(
        inspected_by_workers(path, settings, judge, timeout=timeout, workers=workers, follow_links=follow_links)
    )
    if json_:
        typer.echo(json.dumps([row.record() for row in rows], indent=2))
    else:
        _show(rows, judge is not None)
        typer.echo(about)
    if png is not None:
        with writing(png) as part:
            montage(rows).save(part, format="PNG")
    if any(row.status == "refused" for row in rows):
        raise typer.Exit(code=1)


def _without_model(voi: Voi | None, gray: bool) -> tuple[ReadSettings, None, str]:
    """Return the settings of the options --voi and --gray, no gate, and a sentence that describes them."""
    from medad.io.core.settings import ReadSettings

    settings = ReadSettings.model_validate({"voi": voi or Voi.OFF, "color": "gray" if gray else "keep"})
    about = f"no model: read with --voi {settings.voi}. --model DIR reads as a model does, and shows what it refuses"
    return settings, None, about


def _as_model(folder: Path, options_given: bool) -> tuple[ReadSettings, Judge, str]:
    """Return how a model reads files, its gate, and a sentence that describes both.

    Raises:
        ConfigError: --voi or --gray is set too (``options_given``).
    """
    from medad.config import ConfigError

    if options_given:
        raise ConfigError("--model decides how files are read: leave out --voi and --gray")
    check_model(folder)
    common.start(1, "cpu")
    from medad.data.presets import read_settings
    from medad.model import load
    from medad.scoring.core.gate import Judging

    loaded = load(folder)
    network = loaded.method.settings
    judging = Judging(loaded.card.profile, network.channels)
    images = loaded.card.profile.get("images")
    gate = f"its gate knows {counted(images, 'training image')}" if images else "it has no gate: everything passes"
    about = f"model: {folder} ({loaded.method.title}, {loaded.digest}), preset {network.preset}; {gate}"
    return read_settings(network), judging, about


def _show(rows: Sequence[InspectedFile], gated: bool) -> None:
    show_table((*HEADINGS, *(["gate"] if gated else [])), [_cells(row, gated) for row in rows], WIDTH)
    counts = {status: sum(row.status == status for row in rows) for status in ("read", "refused", "skipped")}
    words = [f"{count} {status}" for status, count in counts.items()]
    if gated:
        words.append(f"{sum(bool(row.gate) for row in rows)} read but not scored by the model")
    typer.echo(", ".join(words))


def _cells(row: InspectedFile, gated: bool) -> list[str]:
    name = row.file if row.files == 1 else f"{row.file} (+{row.files - 1})"
    what = row.what if row.status == "read" else f"{row.status}: {row.what}"
    shape = " x ".join(str(size) for size in row.shape)
    values = "" if row.values is None else f"{row.values[0]:g} to {row.values[1]:g}"
    facts = [str(row.reading.get(key) or "") for key in ("modality", "transfer_syntax", "photometric")]
    verdict = [row.gate or ("passes" if row.status == "read" else "")] if gated else []
    return [name, what, shape, *facts, values, "; ".join(row.decisions), *verdict]
