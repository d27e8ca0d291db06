"""Compare pairs of scores on the same cases, for ``medad compare``, the report and its headline.

AUC is tested by DeLong's method and AP by a paired bootstrap; both treat the studies of one patient as one cluster.
Several seeds of one method are averaged: the tests compare the mean AUC (or AP) of the available seeds, and their
uncertainty is that of the cases. A score of several networks that are evaluated separately ("single") is averaged over
its networks too, as in the tables of results.

Every comparison answers one of three questions: whether the scores of a method differ (by "score"), whether methods
differ, each represented by one score (by "method"), and whether folders differ (by "folder"). All pairs of one question
on one dataset, AUC and AP, form one family, and its p-values are Holm corrected (Holm, 1979). A pair therefore has the
same p-values wherever the question is asked. Pairs with a baseline of the user's choice form a separate family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medad.config import Evaluation
from medad.evaluation.comparisons import Comparison, Comparisons
from medad.evaluation.entries import ComparedScore, Pool, read_entries
from medad.evaluation.paired_tests import ApDraws, holm_corrected, paired_test
from medad.progress import progress
from medad.results.read import Results, read_results
from medad.types import MedadError

METRICS = ("auc", "ap")
QUESTIONS = ("score", "method", "folder")
Pair = tuple[ComparedScore, ComparedScore]


class ComparisonError(MedadError):
    """Raised for results that cannot be compared."""


def compare_results(
    folders: Sequence[Path],
    by: str,
    baseline: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    scores: Mapping[str, str] | None = None,
) -> Comparisons:
    """Compare the results in ``folders`` by "score", "method" or "folder"; the module docstring explains the tests.

    Args:
        folders: output folders of bench, demo, evaluate or run.
        by: the question: "score", "method" or "folder".
        baseline: a method, a score, or both as METHOD:SCORE; all other entries are paired with it.
        overrides: evaluation settings that replace those recorded with the results.
        scores: the score that represents each method, instead of the method's default score.

    Raises:
        ComparisonError: there is no pair, or no pair was tested on the same cases.
        ConfigError: ``scores`` names a method or a score that the results do not have.
    """
    results = [read_results(folder) for folder in folders]
    evaluation = evaluation_of(results[0]).model_copy(update=dict(overrides or {}))
    pool = read_entries(results, scores)
    if not pool.entries and pool.left_out:
        raise ComparisonError("; ".join(pool.left_out))
    comparisons = compare_entries(pool, by, evaluation, baseline)
    if not comparisons.answers:
        reasons = [sentence for sentence in comparisons.left_out if "not tested on the same cases" in sentence]
        other_questions = ", ".join(f"--by {question}" for question in QUESTIONS if question != by)
        raise ComparisonError(
            "; ".join(reasons)
            or f"nothing to compare by {by}; there are {_names(pool.entries)}: "
            f"choose {other_questions}, or a --baseline"
        )
    return comparisons


def evaluation_of(results: Results) -> Evaluation:
    """Return the confidence and resamples recorded with the first readable group, or the default settings."""
    for group in results.groups:
        recorded = group.first.evaluation
        try:
            return Evaluation(**{key: recorded[key] for key in ("confidence", "resamples") if key in recorded})
        except ValidationError:
            continue
    return Evaluation()


def compare_entries(pool: Pool, by: str, evaluation: Evaluation, baseline: str | None = None) -> Comparisons:
    """Run the paired tests of the question ``by`` on the entries of ``pool``.

    Raises:
        ComparisonError: no entry matches ``baseline``.
    """
    pairs = list(_with_baseline(pool.entries, by, baseline) if baseline else _pairs(pool.entries, by))
    left_out = list(pool.left_out)
    answers: list[Comparison] = []
    draws = ApDraws(evaluation)
    with progress("compare", len(pairs)) as advance:
        for first, second in pairs:
            if first.cases[["id", "label"]].equals(second.cases[["id", "label"]]):
                answers += [paired_test(metric, first, second, evaluation, draws) for metric in METRICS]
            else:
                left_out.append(_different_cases(first, second))
            advance(1)
    unpaired = list(_unpaired(pool.entries, pairs, by))
    return Comparisons(by, evaluation.confidence, holm_corrected(answers), left_out, unpaired)


def _pairs(entries: Sequence[ComparedScore], by: str) -> Iterator[Pair]:
    return ((first, second) for first, second in combinations(entries, 2) if _related(first, second, by))


def _related(first: ComparedScore, second: ComparedScore, by: str) -> bool:
    """Return whether the pair answers the question; methods are compared at equal anomaly rates of unlabeled data."""
    folder, system, score = (getattr(first, key) == getattr(second, key) for key in ("folder", "system", "score"))
    if first.dataset != second.dataset:
        return False
    if by == "score":
        return folder and system and not score
    if by == "folder":
        return not folder and system and score
    return first.chosen and second.chosen and not (folder and system) and first.rate == second.rate


def _with_baseline(entries: Sequence[ComparedScore], by: str, baseline: str) -> Iterator[Pair]:
    """Yield every other entry paired with the baseline.

    By method, a dataset's only baseline entry is paired with all entries; otherwise pairs must be related.
    """
    chosen = [entry for entry in entries if baseline in (entry.name, entry.system, entry.score, entry.folder)]
    if not chosen:
        raise ComparisonError(f"--baseline {baseline}: there is no such method or score; choose from {_names(entries)}")
    for entry in entries:
        if any(entry is baseline_entry for baseline_entry in chosen):
            continue
        candidates = [baseline_entry for baseline_entry in chosen if baseline_entry.dataset == entry.dataset]
        is_only_baseline = len(candidates) == 1 and by == "method"
        yield from (
            (entry, baseline_entry)
            for baseline_entry in candidates
            if is_only_baseline or _related(entry, baseline_entry, by)
        )


def _unpaired(entries: Sequence[ComparedScore], pairs: Sequence[Pair], by: str) -> Iterator[str]:
    """Yield a sentence for each method and dataset with scores that are in no pair."""
    paired = {id(entry) for pair in pairs for entry in pair}
    several = len({entry.folder for entry in entries}) > 1
    systems: dict[tuple[str, str, str], list[ComparedScore]] = {}
    for entry in entries:
        systems.setdefault((entry.folder, entry.dataset, entry.system), []).append(entry)
    for (folder, dataset, system), scores in systems.items():
        unpaired = [entry.score for entry in scores if id(entry) not in paired]
        chosen = [entry.score for entry in scores if entry.chosen and id(entry) in paired]
        where = f"{dataset}, {system}{f' in {folder}' if several else ''}"
        if unpaired and by == "method" and chosen:
            option = f"--scores {scores[0].method}=SCORE"
            yield f"{where}: {', '.join(unpaired)}; {chosen[0]} stands for it ({option} names another)"
        elif unpaired:
            yield f"{where}: {', '.join(unpaired)}; nothing to compare it with by {by}"


def _names(entries: Sequence[ComparedScore]) -> str:
    return ", ".join(dict.fromkeys(entry.name for entry in entries))


def _different_cases(first: ComparedScore, second: ComparedScore) -> str:
    shared = len(set(first.cases["id"]) & set(second.cases["id"]))
    return (
        f"{first.name} in {first.folder} and {second.name} in {second.folder} were not tested on the same cases: "
        f"{len(first.cases)} and {len(second.cases)}, {shared} of them shared"
    )
