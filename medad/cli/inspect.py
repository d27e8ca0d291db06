"""`medad inspect`: what a file or folder holds, and how it would be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common

if TYPE_CHECKING:
    from medad.io.inspection import Row

HEADINGS = ("file", "what", "shape", "modality", "transfer syntax", "photometric", "values", "decisions")
WIDTH = 220  # of a table that is not printed to a terminal


def inspect(
    path: Annotated[Path, typer.Argument(help="A file, or a folder with everything below it.")],
    png: Annotated[Path | None, typer.Option(help="Write a montage of what the model would see.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    voi: Annotated[str, typer.Option(help="off: physical values; window; published: the chest protocol.")] = "off",
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
    import json
    import os

    from pydantic import ValidationError

    from medad.files import writing
    from medad.io.inspecting import inspected_by_workers
    from medad.io.inspection import montage
    from medad.io.settings import ReadSettings

    try:
        chosen = {"voi": voi, "color": "gray" if gray else "keep", "time": "split" if split else "refuse"}
        settings = ReadSettings.model_validate(chosen)
    except ValidationError as error:
        raise typer.BadParameter(f"--voi {voi}: {error.errors()[0]['msg']}") from None
    workers = len(os.sched_getaffinity(0))
    rows = list(inspected_by_workers(path, settings, timeout=timeout, workers=workers, follow_links=follow_links))
    if json_:
        typer.echo(json.dumps([row.record() for row in rows], indent=2))
    else:
        _show(rows)
    if png is not None:
        with writing(png) as part:
            montage(rows).save(part, format="PNG")
    if any(row.status == "refused" for row in rows):
        raise typer.Exit(code=1)


def _show(rows: list[Row]) -> None:
    common.show_table(HEADINGS, [_line(row) for row in rows], WIDTH)
    counts = {status: sum(row.status == status for row in rows) for status in ("read", "refused", "skipped")}
    typer.echo(", ".join(f"{count} {status}" for status, count in counts.items()))


def _line(row: Row) -> list[str]:
    name = row.file if row.files == 1 else f"{row.file} (+{row.files - 1})"
    what = row.what if row.status == "read" else f"{row.status}: {row.what}"
    shape = " x ".join(str(size) for size in row.shape)
    values = "" if row.values is None else f"{row.values[0]:g} to {row.values[1]:g}"
    known = [str(row.reading.get(key) or "") for key in ("modality", "transfer_syntax", "photometric")]
    return [name, what, shape, *known, values, "; ".join(row.decisions)]
