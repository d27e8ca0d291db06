"""Summarize a folder of results in sentences: which score is ahead, and whether it beats chance and trivial baselines.

The sentences use the score that represents each method, which was chosen without test labels. They also name the best
of all scores, and state that it was selected by its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medad.evaluation.comparisons import Comparison, Comparisons
from medad.evaluation.summary import Row, seed_summary
from medad.results.read import Group, Results

LEVEL = 0.05
MOST_METHODS = 8  # in the headline of one dataset; the tables have all methods
MOST_DATASETS = 3  # with all their sentences; with more datasets, only the first sentence of each is used
MOST_SENTENCES = 12


@dataclass(frozen=True)
class Standing:
    """One score of a group, averaged over its seeds; ``chosen`` marks the score that represents its method."""

    group: Group
    summary: Row
    chosen: bool

    @property
    def name(self) -> str:
        """The name used by comparisons, as "ddad/ae:r_dual"."""
        return f"{self.group.system}:{self.summary['score']}"

    @property
    def auc(self) -> float:
        """The mean AUC over the seeds."""
        return float(self.summary["auc"])

    @property
    def text(self) -> str:
        """Name, AUC and interval, as "ddad/ae:r_dual, AUC 0.812 [0.790, 0.832]"."""
        low, high = self.summary.get("auc_low"), self.summary.get("auc_high")
        interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
        return f"{self.name}, AUC {self.auc:.3f}{interval}"

    @property
    def against_chance(self) -> str:
        """The comparison of the AUC's interval with 0.5, in words."""
        low, high = self.summary.get("auc_low"), self.summary.get("auc_high")
        if low is None or high is None:
            return "without an interval"
        if low > 0.5:
            return "better than chance"
        return "worse than chance" if high < 0.5 else "not shown to be better than chance"


def standings(results: Results) -> list[Standing]:
    """Return every score of every group, averaged over its seeds, in descending order of AUC."""
    ranked = []
    for group in results.groups:
        for name in dict.fromkeys(row["score"] for row in group.first.rows):
            rows = [row for cell in group.cells for row in cell.rows if row["score"] == name and row["auc"] is not None]
            if rows:
                ranked.append(Standing(group, seed_summary(rows), name == group.first.primary))
    return sorted(ranked, key=lambda standing: -standing.auc)


def headline(results: Results, by_method: Comparisons) -> list[str]:
    """Return the sentences of all datasets; ``by_method`` are the paired tests of the methods' chosen scores."""
    ranked = standings(results)
    datasets = list(dict.fromkeys(standing.group.dataset for standing in ranked))
    sentences_by_dataset = [
        list(_dataset_sentences(name, [standing for standing in ranked if standing.group.dataset == name], by_method))
        for name in sorted(datasets)
    ]
    if len(datasets) <= MOST_DATASETS:
        return [sentence for sentences in sentences_by_dataset for sentence in sentences]
    first = [sentences[0] for sentences in sentences_by_dataset]
    more = len(first) - MOST_SENTENCES
    return [*first[:MOST_SENTENCES], *([f"{more} more datasets are in the tables."] if more > 0 else [])]


def _dataset_sentences(dataset: str, ranked: Sequence[Standing], by_method: Comparisons) -> Iterator[str]:
    chosen = [standing for standing in ranked if standing.chosen]
    trained = [standing for standing in chosen if not standing.group.first.trivial]
    trivial = [standing for standing in chosen if standing.group.first.trivial]
    if trained and trivial:
        yield _verdict(dataset, trained, trivial, by_method)
    if ranked:
        among = f" of {len(ranked)} scores" if len(ranked) > 1 else ""
        picked = " It was picked by its result, so it looks better than it is." if len(ranked) > 1 else ""
        yield f"{dataset}: the highest AUC{among} is {ranked[0].text}: {ranked[0].against_chance}.{picked}"
    for standing in trained[:MOST_METHODS]:
        against = [_against_baseline(standing, baseline, by_method) for baseline in trivial]
        yield "; ".join([f"{dataset}: {standing.text}: {standing.against_chance}", *against]) + "."
    if len(trained) > MOST_METHODS:
        yield f"{dataset}: {len(trained) - MOST_METHODS} more methods are in the tables."


def _verdict(dataset: str, trained: Sequence[Standing], trivial: Sequence[Standing], by_method: Comparisons) -> str:
    """Return a sentence that says whether any method is significantly better than every trivial baseline."""
    better = [
        standing
        for standing in trained
        if all(_is_better(standing, baseline, by_method) for baseline in trivial) and standing.auc > trivial[0].auc
    ]
    if better:
        names = ", ".join(standing.name for standing in better)
        return f"{dataset}: better than every trivial baseline: {names}."
    names = ", ".join(baseline.name for baseline in trivial)
    if trained[0].auc > trivial[0].auc:
        return f"{dataset}: {trained[0].name} is ahead of the trivial baselines ({names}), but not shown to be better."
    return (
        f"{dataset}: no method is better than the trivial baseline {trivial[0].text}. What the methods find can be "
        "found without them."
    )


def _is_better(first: Standing, second: Standing, by_method: Comparisons) -> bool:
    answer = _answer(first, second, by_method)
    return answer is not None and answer.p_holm is not None and answer.p_holm < LEVEL and first.auc > second.auc


def _against_baseline(standing: Standing, baseline: Standing, by_method: Comparisons) -> str:
    """Return the paired test in words, as "behind max_intensity:max by 0.180 [0.050, 0.310], p = 0.012 (Holm)"."""
    answer = _answer(standing, baseline, by_method)
    if answer is None or answer.result is None:
        return f"{baseline.name} has AUC {baseline.auc:.3f}, and no paired test"
    difference = answer.result  # its sign depends on the order of the entries in the folder
    low, high = (-difference.high, -difference.low) if difference.difference < 0 else (difference.low, difference.high)
    p = "p < 0.001" if answer.p_holm is not None and answer.p_holm < 0.001 else f"p = {answer.p_holm or 0.0:.3f}"
    word = "ahead of" if standing.auc >= baseline.auc else "behind"
    return f"{word} {baseline.name} by {abs(difference.difference):.3f} [{low:.3f}, {high:.3f}], {p} (Holm)"


def _answer(first: Standing, second: Standing, by_method: Comparisons) -> Comparison | None:
    """Return the paired test of the AUCs of two standings, in either order, or None."""
    names = {first.name, second.name}
    for answer in by_method.answers:
        is_pair = {answer.first.name, answer.second.name} == names and answer.first.dataset == first.group.dataset
        if is_pair and answer.metric == "auc":
            return answer
    return None
