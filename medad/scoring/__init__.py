"""Batch scoring of a folder: every file ends as a row that is scored, skipped or failed, and nothing stops the rest."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from monai.data import MetaTensor

from medad.data.loading import Prepare
from medad.data.transforms import as_slices
from medad.io import UnreadableImage, discover
from medad.ledger import Entry, Ledger, stamp
from medad.model import Model
from medad.progress import progress
from medad.scoring.maps import save_map
from medad.scoring.results import write_results
from medad.scoring.settings import HEATMAPS, LEDGER, TABLE, ScoreSettings, ScoringError
from medad.testset import score_images
from medad.types import Scored, Skipped, Study

log = logging.getLogger(__name__)
__all__ = ["HEATMAPS", "LEDGER", "TABLE", "ScoreSettings", "ScoringError", "Summary", "score_folder"]


@dataclass(frozen=True)
class Ready:
    """A study in memory: ``source`` (C, *spatial) as in the file, ``image`` (C, S, S[, D]) as the network sees it."""

    study: Study
    source: MetaTensor
    image: MetaTensor
    seconds: float


@dataclass(frozen=True)
class Summary:
    """How many rows there are of each status, and how many were there before this call."""

    counts: Counter[str]
    kept: int
    reasons: list[str]


def score_folder(
    model: Model, folder: Path, out: Path, *, map_score: str | None = None, heatmaps: bool = True
) -> Summary:
    """Score everything below ``folder``; write ``out``/scores.csv and a heatmap for each scored study.

    Rows are kept in ``out``/ledger.sqlite as they are made: the same call goes on after an interruption, scores again
    only files that changed, and drops rows of files that are gone. ``map_score`` names the score whose map is drawn.

    Raises:
        ScoringError: there is no such folder, or no such score.
        LedgerError: ``out`` holds the results of another model or folder.
    """
    chosen = map_score or list(model.method.scores)[-1]
    if chosen not in model.method.scores:
        raise ScoringError(f"no score {chosen!r} in this model: choose from {', '.join(model.method.scores)}")
    if not folder.exists():
        raise ScoringError(f"{folder}: there is no such file or folder")
    identity = {"model": model.digest, "folder": str(folder.resolve()), "map": chosen if heatmaps else "none"}
    ledger = Ledger(out / LEDGER, identity)
    try:
        present, kept = _score_all(model, folder, out, ledger, chosen if heatmaps else None)
        ledger.forget(present)
    finally:
        table = write_results(ledger, out, model.card, ScoreSettings(chosen if heatmaps else None))
        ledger.close()
    failed = table[table["status"] == "failed"] if len(table) else table
    reasons = [f"{row.file}: {row.reason}" for row in failed.itertuples()]
    return Summary(Counter(table["status"] if len(table) else ()), kept, reasons)


def _score_all(model: Model, folder: Path, out: Path, ledger: Ledger, drawn: str | None) -> tuple[set[str], int]:
    found = [item for item in discover(folder) if out.resolve() not in _path(item).resolve().parents]
    base = folder if folder.is_dir() else folder.parent
    present: set[str] = set()
    kept = 0
    todo: list[Study] = []
    for item in found:
        study_id = item.id if isinstance(item, Study) else _relative(_path(item), base)
        present.add(study_id)
        mark = stamp(item.files if isinstance(item, Study) else (_path(item),))
        if ledger.done(study_id, mark):
            kept += 1
        elif isinstance(item, Study):
            todo.append(item)
        elif isinstance(item, Skipped):
            ledger.write([(study_id, mark, Entry(study_id, "skipped", item.reason))])
        else:
            ledger.write([(study_id, mark, Entry(study_id, "failed", item.reason))])
    with progress("score", len(todo)) as advance:
        for batch in _batches(_read_ahead(todo, Prepare(model.method.settings)), model.method.settings.batch_size):
            ledger.write(_entries(model, batch, base, out, drawn))
            advance(len(batch))
    return present, kept


def _path(item: Study | Skipped | UnreadableImage) -> Path:
    return item.files[0] if isinstance(item, Study) else item.path


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name


def _read_ahead(studies: list[Study], prepare: Prepare) -> Iterator[Ready | tuple[Study, str]]:
    """Studies in order, read by threads a bounded way ahead; one that cannot be read comes as its reason."""
    threads = max(1, torch.get_num_threads())
    waiting: deque[Future[Ready | tuple[Study, str]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for study in studies:
            waiting.append(pool.submit(_read, study, prepare))
            if len(waiting) > 4 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read(study: Study, prepare: Prepare) -> Ready | tuple[Study, str]:
    began = time.monotonic()
    try:
        source = prepare.read(study)
        return Ready(study, source, prepare.transform(source), time.monotonic() - began)
    except UnreadableImage as error:
        return study, f"{error.reason} ({error.kind}); {error.remedy}"
    except Exception as error:  # a defect of ours on one study must not lose the night's work
        log.exception("internal error on one study")
        return study, f"internal error ({type(error).__name__}); please report it"


def _batches(items: Iterator[Ready | tuple[Study, str]], size: int) -> Iterator[list[Ready | tuple[Study, str]]]:
    """Groups of studies that have about ``size`` slices together."""
    batch: list[Ready | tuple[Study, str]] = []
    slices = 0
    for item in items:
        batch.append(item)
        slices += len(as_slices(item.image)) if isinstance(item, Ready) else 0
        if slices >= size or len(batch) >= size:
            yield batch
            batch, slices = [], 0
    if batch:
        yield batch


def _entries(
    model: Model, batch: list[Ready | tuple[Study, str]], base: Path, out: Path, drawn: str | None
) -> list[tuple[str, str, Entry]]:
    ready = [item for item in batch if isinstance(item, Ready)]
    rows = []
    for item in batch:
        if not isinstance(item, Ready):
            study, reason = item
            entry = Entry(_relative(study.files[0], base), "failed", reason, len(study.files))
            rows.append((study.id, stamp(study.files), entry))
    if not ready:
        return rows
    began = time.monotonic()
    slices = [as_slices(item.image) for item in ready]
    device = next(iter(model.method.state_dict().values()), torch.zeros(())).device
    scored = score_images(model.method, torch.cat(slices).to(device))
    share = (time.monotonic() - began) / len(ready)
    start = 0
    for item, part in zip(ready, slices, strict=True):
        own = {name: _slice_of(one, start, len(part)) for name, one in scored.items()}
        start += len(part)
        heatmap = _draw(model, item, own[drawn], drawn, out) if drawn else ""
        scores = {name: float(one.score.max()) for name, one in own.items()}
        entry = Entry(
            _relative(item.study.files[0], base),
            "scored",
            files=len(item.study.files),
            slices=len(part),
            scores=scores,
            heatmap=heatmap,
            seconds=round(item.seconds + share, 3),
        )
        rows.append((item.study.id, stamp(item.study.files), entry))
    return rows


def _slice_of(scored: Scored, start: int, count: int) -> Scored:
    part = slice(start, start + count)
    return Scored(scored.score[part], scored.anomaly_map[part], scored.members[part])


def _draw(model: Model, item: Ready, scored: Scored, drawn: str, out: Path) -> str:
    worst = int(scored.score.argmax())
    return save_map(out, item.study.id, item.source, item.image, scored.anomaly_map, worst, model.card.map_scale[drawn])
