"""What is written to a terminal: tables whose cells are taken as they are, and what is being waited for."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from medad.text import visible

WIDTH = 180  # of a table that is not printed to a terminal
NAME = 24  # characters of the first column that stay together


def show_table(headings: Sequence[str], lines: Sequence[Sequence[str]], width: int = WIDTH) -> None:
    """Print a table to standard output, ``width`` wide where that is no terminal.

    No cell is taken for markup or an emoji, since names of files hold brackets; none is cut, and a column without any
    text is left out.
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
    """Say on a terminal what is waited for, and take it back when it is there."""
    if not sys.stderr.isatty():
        yield
        return
    text = f"{what} ..."[: shutil.get_terminal_size().columns - 1]
    typer.echo(f"{text}\r", err=True, nl=False)
    try:
        yield
    finally:
        typer.echo(f"{' ' * len(text)}\r", err=True, nl=False)
