"""Define the command line; each command is one module that imports heavy packages only when it runs."""

from __future__ import annotations

import functools
from collections.abc import Callable

import typer

from medad import __version__
from medad.cli import _common as common
from medad.cli import data, listing
from medad.cli._stopping import INTERRUPTED, TERMINATED, Terminated, terminable
from medad.cli.archive import archive
from medad.cli.bench import bench
from medad.cli.compare import compare
from medad.cli.demo import demo
from medad.cli.evaluate import evaluate
from medad.cli.export import export
from medad.cli.inspect import inspect
from medad.cli.report import report
from medad.cli.run import run
from medad.cli.score import score
from medad.cli.threshold import threshold
from medad.cli.track import track
from medad.cli.train import train
from medad.shortage import shortage_of
from medad.types import MedadError

app = typer.Typer(
    name="medad",
    help="Medical image anomaly detection: compare methods, train on your own scans, score folders.",
    no_args_is_help=True,
    rich_markup_mode=None,  # it would swallow [brackets], and break sentences where the source breaks lines
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"medad {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None: ...


def _with_exit_codes(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command so that medad's errors, lack of memory, Ctrl-C and SIGTERM give one line and an exit code."""

    @functools.wraps(command)
    def run(*arguments: object, **options: object) -> None:
        try:
            with terminable():
                command(*arguments, **options)
        except MedadError as error:
            common.say(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        except Terminated:
            typer.echo("terminated by SIGTERM; the same command goes on from here", err=True)
            raise typer.Exit(TERMINATED) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            common.say(f"error: {error.filename or 'a file'}: {error.strerror or error}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("interrupted; the same command goes on from here", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:  # libraries report exhausted memory by errors of many types; all others are raised
            shortage = shortage_of(error)
            if shortage is None:
                raise
            common.say(f"error: {shortage}", err=True)
            raise typer.Exit(2) from None

    return run


WORK = (demo, bench, train, evaluate, run, score, archive, report, inspect, track, compare, threshold, export)
LISTS = (listing.methods, listing.networks, listing.pipelines, listing.settings)
for command in (*WORK, *LISTS):
    app.command()(_with_exit_codes(command))

data_app = typer.Typer(
    help="Data sets: list, get, prepare and check them, and make a manifest of your own scans.", rich_markup_mode=None
)
for name, of_data in data.COMMANDS.items():
    data_app.command(name)(_with_exit_codes(of_data))
app.add_typer(data_app, name="data", no_args_is_help=True)


def main() -> None:
    """Run the command line.

    Exit codes: 0 all done, 1 partly done, 2 wrong input or settings or too little memory, 130 interrupted, 143
    terminated by SIGTERM.
    """
    app()
