"""SIGTERM, little memory, and names from files on the terminal and in the log."""

from __future__ import annotations

import logging
import os
import signal
import threading
from io import StringIO

import pytest
import typer
from typer.testing import CliRunner

from medad.cli import _common as common
from medad.cli import _with_exit_codes
from medad.cli._stopping import TERMINATED, Terminated, terminable
from medad.types import MedadError

EVIL = "a\u202efdp.exe\u2028\n[red]b[/blue]\x1b[2J"


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_is_raised_once_and_the_handler_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def work() -> None:
        with terminable():
            try:
                terminate()
            finally:
                terminate()  # as an impatient system does
                cleaned.append(True)

    with pytest.raises(Terminated):
        work()
    assert cleaned == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_forked_child_ends_by_the_signal_and_runs_none_of_the_parents_clean_up() -> None:
    with terminable():
        child = os.fork()
        if child == 0:
            try:
                terminate()
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM


def test_a_thread_sets_no_handler() -> None:
    seen = []

    def work() -> None:
        before = signal.getsignal(signal.SIGTERM)
        with terminable():
            seen.append(signal.getsignal(signal.SIGTERM) == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]


def ends(error: BaseException | None) -> tuple[int, str]:
    app = typer.Typer()

    def work() -> None:
        if error is None:
            terminate()
        else:
            raise error

    app.command()(_with_exit_codes(work))
    done = CliRunner().invoke(app, [])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, TERMINATED, "terminated by SIGTERM; the same command goes on from here\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on from here\n"),
        (MemoryError(), 2, "error: there is not enough memory for this (MemoryError): close other programs"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: x\nmore"), 2, "error: there is not enough memory"),
        (MedadError(EVIL), 2, "error: a\\u202efdp.exe\\u2028\n[red]b[/blue]\\x1b[2J\n"),
    ],
    ids=["sigterm", "sigint", "memory", "torch", "name"],
)
def test_how_a_command_ends(error: BaseException | None, code: int, said: str) -> None:
    assert TERMINATED == 143
    found, output = ends(error)
    assert found == code
    assert output.startswith(said)


def test_a_defect_is_still_a_traceback() -> None:
    app = typer.Typer()

    def work() -> None:
        raise ValueError("a defect")

    app.command()(_with_exit_codes(work))
    assert isinstance(CliRunner().invoke(app, []).exception, ValueError)


def test_a_log_line_stays_one_line_and_hides_nothing() -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(common.VisibleFormatter("%(levelname)s %(message)s"))
    log = logging.Logger("medad.test")
    log.addHandler(handler)
    log.warning("%s is gone", EVIL)
    try:
        raise ValueError(EVIL)
    except ValueError:
        log.exception("failed")
    first, second, *trace = stream.getvalue().splitlines()
    assert first == "WARNING a\\u202efdp.exe\\u2028\\x0a[red]b[/blue]\\x1b[2J is gone"
    assert second == "ERROR failed"
    assert "\u202e" not in "".join(trace)
    assert "\x1b" not in "".join(trace)
    assert trace[0].startswith("Traceback")


def test_a_table_shows_cells_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    common.show_table(("file", "what"), [(EVIL, "[/]")])
    printed = capsys.readouterr().out
    assert "a\\u202efdp.exe\\u2028\\x0a[red]b[/blue]\\x1b[2J" in printed
    assert "[/]" in printed
