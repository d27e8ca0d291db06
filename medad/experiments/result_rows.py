"""Build the result rows of an experiment from the scores of its test set."""

from __future__ import annotations

from typing import cast

from medad.evaluation.adjusting import judge_adjusted
from medad.evaluation.findings import finding_kinds
from medad.evaluation.ranking import judge
from medad.experiments.plan import Experiment
from medad.experiments.spread import score_spread
from medad.experiments.test_scores import TestScores
from medad.functional.intervals import Floats
from medad.methods.base import Method
from medad.model import Card
from medad.results.row import AboutData, Adjusted, ResultRow


def result_rows(
    experiment: Experiment,
    method: Method,
    card: Card,
    test: TestScores,
    about: AboutData,
    seconds: float,
    covariate: Floats | None = None,
) -> list[ResultRow]:
    """Return a result row for each score of ``test``.

    ``seconds`` is the duration of the experiment, ``covariate`` (S,) the acquisition score of each study.
    """
    rows = []
    for name, members in test.members.items():
        patients = [study.patient for study in test.studies]
        adjusted = judge_adjusted(test.labels, members, patients, covariate, experiment.evaluation)
        columns = _columns(experiment, method, card, test, name, about, adjusted)
        row = cast("ResultRow", {**columns, "seconds": round(seconds, 1)})
        row["findings"] = finding_kinds(row)
        rows.append(row)
    return rows


def _columns(
    experiment: Experiment,
    method: Method,
    card: Card,
    test: TestScores,
    name: str,
    about: AboutData,
    adjusted: Adjusted,
) -> dict[str, object]:
    settings, evaluation = experiment.settings, experiment.evaluation
    patients = [study.patient for study in test.studies]
    return {
        "dataset": experiment.dataset,
        "method": experiment.method,
        "variant": experiment.variant,
        "network": experiment.network,
        "score": name,
        "seed": experiment.seed,
        **judge(test.labels, test.members[name], patients, card.thresholds.get(name, {}), evaluation),
        **test.localization.row(name, evaluation.confidence),
        **adjusted,
        "anomaly_rate": about["anomaly_rate"],
        "split": about["split"],
        "n_unlabeled": about["n_unlabeled"],
        "n_unlabeled_abnormal": about["n_unlabeled_abnormal"],
        "epochs": getattr(settings, "epochs", 0),
        "title": method.scores[name],
        "primary": name == card.ranking_score(method.primary),
        "trivial": method.trivial,
        "normal_spread": score_spread(test.scores[name][test.labels == 0]),
        "map_contrast": test.map_contrast[name],
        "loss_fall": _loss_fall(card, name),
    }


def _loss_fall(card: Card, score: str) -> float | None:
    """Return the largest loss fall of the networks; a network named like a score (a refiner) counts for that score."""
    falls = [fall for network, fall in card.loss_fall.items() if network == score or network not in card.map_scale]
    return max(falls, default=None)
