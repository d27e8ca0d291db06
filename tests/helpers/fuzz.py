"""Damaged copies of real files, seeded: what the readers must read or refuse, and nothing else.

    PYTHONPATH=.:tests python tests/helpers/fuzz.py [--count 5000] [--first 0] [--seed 0] [--keep FOLDER]

Each file is damaged by one to three of: flipped bits, bytes overwritten with values that programs trip over, a cut, a
piece doubled, removed, or taken from another file, and a length or number in the header set to an extreme. It is read
in a worker that may die; a worker that is silent for ``LIMIT`` seconds is killed. Half of the damage to what is packed
or has checksums is done below them. Prints a line for each finding at once, now and then how far it is, and in the end
a line for each format; ends with 1 if there is any finding.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gzip
import multiprocessing
import os
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from helpers.fuzz_originals import GZIP, PNG, format_of, originals, with_checksums

LIMIT = 20.0  # seconds; a good file takes some milliseconds
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
HEAD = 2_000  # bytes in which half of the damage lies
PARTS = 3  # volumes or pages of a file that are read one by one
TELL = 500  # files between two lines that say how far the run is
OUTCOMES = ("read", "refused")

Rng = np.random.Generator
Damage = Callable[[bytearray, Rng, Sequence[bytes]], bytearray]


def damaged(content: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    """Return a copy with one to three kinds of damage; below the packing or the checksums as often as above."""
    if content[:2] == GZIP and rng.random() < 0.5:
        return gzip.compress(damaged(gzip.decompress(content), rng, others), mtime=0)
    copy = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        if len(copy) > 8:
            copy = _KINDS[int(rng.integers(len(_KINDS)))](copy, rng, others)
    return with_checksums(bytes(copy)) if content[:8] == PNG and rng.random() < 0.5 else bytes(copy)


def _place(copy: bytearray, rng: Rng) -> int:
    reach = min(HEAD, len(copy)) if rng.random() < 0.5 else len(copy)
    return int(rng.integers(reach))


def _flip(copy: bytearray, rng: Rng, others: Sequence[bytes]) -> bytearray:
    for _ in range(int(rng.integers(1, 9))):
        copy[_place(copy, rng)] ^= 1 << int(rng.integers(8))
    return copy


def _overwrite(copy: bytearray, rng: Rng, others: Sequence[bytes]) -> bytearray:
    value, size = EXTREMES[int(rng.integers(len(EXTREMES)))], int(rng.choice([1, 2, 4]))
    at = _place(copy, rng)
    copy[at : at + size] = struct.pack("<I" if rng.random() < 0.8 else ">I", value)[:size]
    return copy


def _number(copy: bytearray, rng: Rng, others: Sequence[bytes]) -> bytearray:
    """The value of a DICOM element of group 0028 (the image's description), or a field of a NIfTI header."""
    at = copy.find(b"\x28\x00", int(rng.integers(min(HEAD, len(copy)))))
    if copy[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0") or at < 0:
        at = int(rng.integers(min(352, len(copy)))) // 2 * 2
    else:
        at += 8
    value = EXTREMES[int(rng.integers(len(EXTREMES)))]
    copy[at : at + 2] = struct.pack("<I", value)[:2]
    return copy


def _cut(copy: bytearray, rng: Rng, others: Sequence[bytes]) -> bytearray:
    return copy[: int(rng.integers(4, len(copy)))]


def _double(copy: bytearray, rng: Rng, others: Sequence[bytes]) -> bytearray:
    start, size = _place(copy, rng), int(rng.integers(1, 300))
    return copy[: start + size] + copy[start:]


def _remove(copy: bytearray, rng: Rng, others: Sequence[bytes]) -> bytearray:
    start, size = _place(copy, rng), int(rng.integers(1, 100))
    return copy[:start] + copy[start + size :]


def _graft(copy: bytearray, rng: Rng, others: Sequence[bytes]) -> bytearray:
    other = others[int(rng.integers(len(others)))]
    start, size = int(rng.integers(len(other))), int(rng.integers(4, 500))
    piece = other[start : start + size]
    at = _place(copy, rng)
    copy[at : at + len(piece)] = piece
    return copy


_KINDS: tuple[Damage, ...] = (_flip, _flip, _overwrite, _overwrite, _number, _number, _cut, _double, _remove, _graft)


def attempt(path: Path) -> str:
    """Read one file in every way that scoring does: "read", "refused", or what went wrong."""
    from medad.io import ReadSettings, UnreadableImage, discover, read_picture
    from medad.io.inspection import inspected
    from medad.types import Study

    try:
        list(discover(path))
        split = ReadSettings(time="split")
        for entry in list(discover(path, split))[:PARTS]:
            if isinstance(entry, Study):
                with contextlib.suppress(UnreadableImage):
                    read_picture(entry.files, split)
        list(inspected(path, ReadSettings(voi="window")))
        for settings in (ReadSettings(), ReadSettings(voi="published", color="gray")):
            picture = read_picture(path, settings)
            if not np.isfinite(picture.array).all() or not np.isfinite(picture.affine).all():
                return "not finite"
    except UnreadableImage as error:
        return "refused" if error.reason and error.kind != "unreadable" else "refused without a reason"
    except BaseException as error:  # broad on purpose: this is what is searched for
        return f"{type(error).__name__}: {error}"
    return "read"


@dataclass(frozen=True)
class Finding:
    """A file that did what none may: it can be made again from ``seed`` and ``index``."""

    index: int
    name: str
    what: str


def run(
    folder: Path,
    count: int,
    seed: int,
    keep: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
    first: int = 0,
) -> tuple[Counter[tuple[str, str]], list[Finding]]:
    """Damage and read the files ``first`` to ``first + count - 1``; ``tell`` a line for each finding and some between.

    Returns:
        How many files of each (format, outcome) there were, and the findings.
    """
    known = originals()
    names, contents = list(known), list(known.values())
    outcomes: Counter[tuple[str, str]] = Counter()
    findings: list[Finding] = []
    worker = _Worker()
    try:
        for index in range(first, first + count):
            rng = np.random.default_rng([seed, index])
            name = names[index % len(names)]
            path = folder / name
            content = damaged(known[name], rng, contents)
            path.write_bytes(content)
            result = worker(path)
            path.unlink()
            outcomes[format_of(name), result if result in OUTCOMES else "finding"] += 1
            if result not in OUTCOMES:
                findings.append(Finding(index, name, result))
                tell(f"{index} {name}: {result}")
                if keep is not None:
                    (keep / f"{index:06d}_{name}").write_bytes(content)
            if (index + 1) % TELL == 0:
                tell(f"{index + 1 - first} of {count} files, {len(findings)} findings")
    finally:
        worker.close()
    return outcomes, findings


class _Worker:
    """A forked process that reads; a new one when it has died or is silent."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        import medad.io.read  # noqa: F401 - before the fork, so that no worker imports it again

        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.pipe), daemon=False)
        self.process.start()
        theirs.close()

    def __call__(self, path: Path) -> str:
        self.pipe.send(path)
        try:
            if self.pipe.poll(LIMIT):
                answer: str = self.pipe.recv()
                return answer
            said = f"silent for {LIMIT:g} s"
        except (EOFError, ConnectionResetError):
            self.process.join(5)
            said = f"the process died (exit code {self.process.exitcode})"
        self.close()
        self._start()
        return said

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, parents: Connection) -> None:
    parents.close()
    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what codecs print
    for path in _received(pipe):
        pipe.send(attempt(path))


def _received(pipe: Connection) -> Iterator[Path]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=5000)
    options.add_argument(
        "--first", type=int, default=0, help="index of the first file: that of a finding makes it again"
    )
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", type=Path, help="folder for the files of findings")
    asked = options.parse_args()
    began = time.monotonic()
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)

    def tell(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.0f} s  {line}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder:
        outcomes, findings = run(Path(folder), asked.count, asked.seed, asked.keep, tell, asked.first)
    for form in sorted({form for form, _ in outcomes}):
        counts = ", ".join(f"{outcomes[form, name]} {name}" for name in (*OUTCOMES, "finding"))
        tell(f"{form}: {counts}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss >> 10
    tell(f"{outcomes.total()} files, {len(findings)} findings, {cpu:.0f} s of CPU, at most {peak} MiB in a worker")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
