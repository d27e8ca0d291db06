"""Paired comparisons of scores, methods or whole experiments that were tested on the same cases.

Several seeds of one method are taken together: what is compared is the mean AUC (or AP) of the seeds at hand, and the
uncertainty is that of the cases. A score of several networks that are judged one by one ("single") is compared by the
mean of their scores, as cases.csv holds it, so its AUC here is not the mean of their AUCs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medad.config import Evaluation
from medad.evaluation.ranking import SEED
from medad.functional.bootstrap import compare_aps
from medad.functional.delong import compare_aucs
from medad.functional.intervals import Floats, Ints, UndefinedMetric, clusters_of
from medad.outputs.report.read import Group, read_results
from medad.progress import progress
from medad.types import MedadError

METRICS = ("auc", "ap")


class ComparisonError(MedadError):
    """Results that cannot be compared."""


@dataclass(frozen=True)
class Entry:
    """One score of one method: ``cases`` (id, label, patient), in the order of IDs, and ``values`` (N, seeds)."""

    folder: str
    dataset: str
    system: str
    score: str
    cases: pd.DataFrame
    values: Floats

    @property
    def name(self) -> str:
        """As it is printed, and as a baseline may be given."""
        return f"{self.system}:{self.score}"


Pair = tuple[Entry, Entry]


def compare_results(
    folders: Sequence[Path], by: str, baseline: str | None, evaluation: Evaluation
) -> list[dict[str, Any]]:
    """A row for each pair and metric (auc, ap), with p-values that are Holm corrected over all rows.

    ``by`` "score" pairs the scores of a method, "method" the same score of two methods or networks, "folder" the same
    score of two folders; ``baseline`` (a method, a score, or both as METHOD:SCORE) pairs all others with that.

    Raises:
        ComparisonError: there is nothing to pair, or the pairs were not tested on the same cases.
    """
    pool = [entry for folder in folders for entry in _entries(folder)]
    pairs = list(_with_baseline(pool, by, baseline) if baseline else _pairs(pool, by))
    if not pairs:
        raise ComparisonError(
            f"nothing to compare by {by}; there are {_names(pool)}: choose another --by or --baseline"
        )
    rows = []
    with progress("compare", len(pairs)) as advance:
        for first, second in pairs:
            rows += _compared(first, second, evaluation)
            advance(1)
    _correct(rows)
    return rows


def _entries(folder: Path) -> Iterator[Entry]:
    for group in read_results(folder).groups:
        first = group.first
        if first.cases is None:
            raise ComparisonError(f"{first.folder}: there is no readable cases.csv to compare by")
        cases = first.cases.sort_values("id", ignore_index=True)
        columns = [cell.cases.sort_values("id", ignore_index=True) for cell in group.cells if cell.cases is not None]
        if not all(one[["id", "label"]].equals(cases[["id", "label"]]) for one in columns):
            raise ComparisonError(f"{group.title}: the seeds in {folder} were tested on different cases")
        for name in first.scores:
            values = np.stack([one[name].to_numpy(np.float64) for one in columns], axis=1)
            yield Entry(str(folder), str(first.rows[0]["dataset"]), _system(group), name, cases, values)


def _system(group: Group) -> str:
    """ "ddad/ae", and the settings that tell it from others of that name."""
    return group.title.partition(" · ")[2].replace(" · ", "/")


def _related(first: Entry, second: Entry, by: str) -> bool:
    same = [first.folder == second.folder, first.system == second.system, first.score == second.score]
    wanted = {"score": [True, True, False], "method": [True, False, True], "folder": [False, True, True]}
    return first.dataset == second.dataset and same == wanted[by]


def _pairs(pool: Sequence[Entry], by: str) -> Iterator[Pair]:
    return ((first, second) for first, second in combinations(pool, 2) if _related(first, second, by))


def _with_baseline(pool: Sequence[Entry], by: str, baseline: str) -> Iterator[Pair]:
    """Every other entry with the baseline: by method, with the one that it names; else with the one related to it."""
    chosen = [entry for entry in pool if baseline in (entry.name, entry.system, entry.score, entry.folder)]
    if not chosen:
        raise ComparisonError(f"--baseline {baseline}: there is no such method or score; choose from {_names(pool)}")
    for entry in pool:
        if any(entry is one for one in chosen):
            continue
        others = [one for one in chosen if one.dataset == entry.dataset]
        alone = len(others) == 1 and by == "method"
        yield from ((entry, one) for one in others if alone or _related(entry, one, by))


def _names(pool: Sequence[Entry]) -> str:
    return ", ".join(dict.fromkeys(entry.name for entry in pool))


def _compared(first: Entry, second: Entry, evaluation: Evaluation) -> list[dict[str, Any]]:
    if not first.cases[["id", "label"]].equals(second.cases[["id", "label"]]):
        shared = len(set(first.cases["id"]) & set(second.cases["id"]))
        raise ComparisonError(
            f"{first.name} in {first.folder} and {second.name} in {second.folder} were not tested on the same cases: "
            f"{len(first.cases)} and {len(second.cases)}, {shared} of them shared"
        )
    labels = first.cases["label"].to_numpy(np.int64)
    patients = first.cases["patient"] if "patient" in first.cases else [""] * len(labels)
    clusters = clusters_of([str(patient) or None for patient in patients])
    about = {
        "dataset": first.dataset,
        **({"folder_first": first.folder, "folder_second": second.folder} if first.folder != second.folder else {}),
        "first": first.name,
        "second": second.name,
        "n_normal": int((labels == 0).sum()),
        "n_abnormal": int(labels.sum()),
        "clusters": "studies" if clusters is None else "patients",
        "seeds_first": first.values.shape[1],
        "seeds_second": second.values.shape[1],
    }
    return [
        {**about, "metric": metric, **_tested(metric, labels, first, second, clusters, evaluation)}
        for metric in METRICS
    ]


def _tested(
    metric: str, labels: Ints, first: Entry, second: Entry, clusters: Ints | None, evaluation: Evaluation
) -> dict[str, Any]:
    """The values, their difference and its p-value, or a note that says why there is none."""
    confidence, resamples = evaluation.confidence, evaluation.resamples
    try:
        if metric == "auc":
            found = compare_aucs(labels, first.values, second.values, clusters, confidence)
        else:
            found = compare_aps(
                labels,
                first.values,
                second.values,
                clusters,
                rng=np.random.default_rng(SEED),
                resamples=resamples,
                confidence=confidence,
            )
    except UndefinedMetric as error:
        return {"p": None, "note": str(error)}
    values = {"value_first": found.first, "value_second": found.second, "difference": found.difference}
    return {**values, "low": found.low, "high": found.high, "p": found.p}


def _correct(rows: list[dict[str, Any]]) -> None:
    """Add ``p_holm`` (Holm, 1979) over all rows that have a p-value."""
    from statsmodels.stats.multitest import multipletests

    tested = [row for row in rows if row["p"] is not None]
    if tested:
        corrected = multipletests([row["p"] for row in tested], method="holm")[1]
        for row, p in zip(tested, corrected, strict=True):
            row["p_holm"] = float(p)
