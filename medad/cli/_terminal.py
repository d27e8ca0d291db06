"""Print tables with literal cell texts, and short-lived notes on waiting, to the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from medad.text import visible

WIDTH = 180  # characters; width of a table that is not printed to a terminal
NAME = 24  # characters; a first column up to this width is not wrapped


def show_table(headings: Sequence[str], lines: Sequence[Sequence[str]], width: int = WIDTH) -> None:
    """Print a table to standard output, ``width`` characters wide unless it is a terminal.

    Cells are printed literally, without markup or emoji codes, since file names may contain brackets. Cells are
    wrapped rather than cut, and columns without any text are omitted.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    filled = [place for place in range(len(headings)) if not lines or any(line[place] for line in lines)]
    table = Table()
    for place in filled:
        longest = max((len(line[place]) for line in lines), default=0)
        table.add_column(headings[place], overflow="fold", no_wrap=place == 0 and longest <= NAME)
    for line in lines:
        table.add_row(*(Text(visible(line[place])) for place in filled))
    Console(width=None if sys.stdout.isatty() else width).print(table)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show ``what`` on a terminal during the block, and erase it afterwards."""
    if not sys.stderr.isatty():
        yield
        return
    text = f"{what} ..."[: shutil.get_terminal_size().columns - 1]
    typer.echo(f"{text}\r", err=True, nl=False)
    try:
        yield
    finally:
        typer.echo(f"{' ' * len(text)}\r", err=True, nl=False)
