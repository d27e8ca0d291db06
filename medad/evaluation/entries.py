"""Collect the entries of a comparison: one score of one method over its seeds, with the cases it was tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medad.config import ConfigError
from medad.functional.intervals import Floats, Ints
from medad.results.cases import patients, scores_of
from medad.results.cell import Cell
from medad.results.read import Group, Results


@dataclass(frozen=True, eq=False)
class ComparedScore:
    """One score of one method and its settings (``system``) on one dataset.

    ``cases`` is a table of N cases (id, label, patient), sorted by ID. ``values`` (N, M) has a column for each seed and
    for each network that is evaluated separately. ``chosen`` marks the score that represents its method, ``trivial`` a
    trivial baseline.
    """

    folder: str
    dataset: str
    method: str
    system: str
    score: str
    rate: float | None
    chosen: bool
    trivial: bool
    seeds: tuple[int, ...]
    cases: pd.DataFrame
    values: Floats

    @property
    def name(self) -> str:
        """The name in printed tables and in the option --baseline, as "ddad/ae:r_dual"."""
        return f"{self.system}:{self.score}"

    @property
    def labels(self) -> Ints:
        """0 or 1 for each case, (N,)."""
        return self.cases["label"].to_numpy(np.int64)

    @property
    def clusters(self) -> Ints | None:
        """The patient number of each case, (N,), or None if no two cases share a patient."""
        return patients(self.cases)


@dataclass(frozen=True)
class Pool:
    """The entries of some folders, and a sentence for each result that cannot be compared."""

    entries: Sequence[ComparedScore]
    left_out: Sequence[str]


def read_entries(folders: Sequence[Results], scores: Mapping[str, str] | None = None) -> Pool:
    """Return an entry for each score in ``folders``.

    ``scores`` maps a method or a system to the score that represents it, as {"ddad": "rec"}.

    Raises:
        ConfigError: ``scores`` names a method or a score that the results do not have.
    """
    groups = [(str(results.folder), group) for results in folders for group in results.groups]
    scores_by_name = dict(scores or {})
    _check_names(scores_by_name, [group for _, group in groups])
    entries: list[ComparedScore] = []
    left_out: list[str] = []
    for folder, group in groups:
        chosen = (
            scores_by_name.get(group.system) or scores_by_name.get(group.first.rows[0]["method"]) or group.first.primary
        )
        comparable, problems = _same_cases(group)
        left_out += problems
        entries += _entries(folder, group, comparable, chosen)
    return Pool(entries, left_out)


def _check_names(scores_by_name: Mapping[str, str], groups: Sequence[Group]) -> None:
    for name, score in scores_by_name.items():
        matching = [group for group in groups if name in (group.system, group.first.rows[0]["method"])]
        if not matching:
            there = dict.fromkeys(group.system for group in groups)
            raise ConfigError(f"--scores {name}={score}: there is no method {name!r}; choose from {', '.join(there)}")
        for group in matching:
            if score not in group.first.scores:
                names = ", ".join(group.first.scores) or "none with a readable cases.csv"
                raise ConfigError(
                    f"--scores {name}={score}: {group.system} has no score {score!r}; choose from {names}"
                )


def _same_cases(group: Group) -> tuple[list[tuple[Cell, pd.DataFrame]], list[str]]:
    """Return the seeds that were tested on the same cases as the lowest seed, and a sentence for each other seed."""
    comparable: list[tuple[Cell, pd.DataFrame]] = []
    left_out = []
    for cell in group.cells:
        cases = _labeled_cases(cell.cases)
        if cases is None:
            left_out.append(f"{group.title}, seed {cell.seed}: it has no readable cases.csv to compare by")
        elif comparable and not cases[["id", "label"]].equals(comparable[0][1][["id", "label"]]):
            left_out.append(
                f"{group.title}, seed {cell.seed}: it was tested on other cases than seed {comparable[0][0].seed}"
            )
        else:
            comparable.append((cell, cases))
    return comparable, left_out


def _labeled_cases(cases: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the labeled cases sorted by ID, or None if there are none."""
    if cases is None:
        return None
    labeled = cases[cases["label"].isin([0, 1])].sort_values("id", kind="stable", ignore_index=True)
    return labeled if len(labeled) else None


def _entries(
    folder: str, group: Group, seeds: Sequence[tuple[Cell, pd.DataFrame]], chosen: str
) -> Iterator[ComparedScore]:
    for name in dict.fromkeys(name for cell, _ in seeds for name in cell.scores):
        scored_seeds = [(cell, cases) for cell, cases in seeds if name in cell.scores]
        cell, cases = scored_seeds[0]
        yield ComparedScore(
            folder=folder,
            dataset=group.dataset,
            method=cell.rows[0]["method"],
            system=group.system,
            score=name,
            rate=cell.rows[0].get("anomaly_rate"),
            chosen=name == chosen,
            trivial=cell.trivial,
            seeds=tuple(seed_cell.seed for seed_cell, _ in scored_seeds),
            cases=cases.reindex(columns=["id", "label", "patient"], fill_value=""),
            values=np.concatenate([scores_of(table, name) for _, table in scored_seeds], axis=1),
        )
