"""What the speed scripts share: turns, a busy neighbor, the machine in one line."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch


@contextmanager
def neighbor(wanted: bool) -> Iterator[None]:
    """Another process that keeps one core busy for as long as this lasts, if ``wanted``."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if wanted else None
    try:
        yield
    finally:
        if process is not None:
            process.kill()
            process.wait()


def rate(work: Callable[[], int], seconds: float) -> float:
    """Items per second of ``work``, which says how many it did, repeated for ``seconds``."""
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds or not done:
        done += work()
    return done / spent


def in_turns(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each turn gives, one after another in each of ``rounds``, after a round that is not counted."""
    given: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds + 1):
        for name, turn in turns.items():
            given[name].append(turn())
    return {name: values[1:] for name, values in given.items()}


def ratio(ours: list[float], plain: list[float]) -> float:
    """Median over the rounds of one beside the other."""
    return statistics.median(a / b for a, b in zip(ours, plain, strict=True))


def machine(threads: int, busy: bool) -> str:
    """One line for the head of a table."""
    load = os.getloadavg()[0]
    return (
        f"torch {torch.__version__}, {os.cpu_count()} cores, {threads} torch threads, "
        f"{'beside a busy process' if busy else 'no neighbor started'}, load average {load:.1f}"
    )


def parser(doc: str, seconds: float, rounds: int) -> argparse.ArgumentParser:
    """The options that the speed scripts share."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--threads", type=int, help="torch threads of both; torch's default without it")
    made.add_argument("--busy", action="store_true", help="beside another process that keeps a core busy")
    made.add_argument("--seconds", type=float, default=seconds, help="of each turn, about")
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--networks", default="ae,aeu,memae")
    return made
