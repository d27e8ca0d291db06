"""medad report: write a folder of results as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medad.cli._paths import folder_to_read


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            help="What 'medad bench', 'demo', 'train', 'evaluate' or 'run' wrote to.", callback=folder_to_read
        ),
    ],
) -> None:
    """Write FOLDER/report.html: one file that loads nothing from anywhere; its tables are CSV files in FOLDER/report.

    A cell that has not finished is named on the page. Run again, it is written anew from what is there then.
    """
    from medad.outputs.report import write_report

    typer.echo(f"report: {write_report(folder)}")
