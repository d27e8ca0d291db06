"""Evaluate an existing model without fitting anything, on studies that it has not been trained on."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from medad.config import Evaluation
from medad.data.loading import Loader
from medad.data.training_marks import seen
from medad.experiments.experiment import evaluate_model
from medad.experiments.normal_reference import check_choices
from medad.experiments.plan import Experiment
from medad.files import write_json
from medad.model import Model
from medad.parsing import read_json
from medad.results.finished import finished
from medad.results.row import AboutData, ResultRow
from medad.splits import Pools
from medad.tracking import Tracker
from medad.types import MedadError, Study

IDENTITY = "evaluated.json"


class EvaluationError(MedadError):
    """Raised if a model cannot be evaluated on the given studies."""


def evaluate_one(
    model: Model,
    folder: Path,
    dataset: str,
    pools: Pools,
    loader: Loader,
    out: Path,
    tracker: Tracker,
    evaluation: Evaluation,
    parent: Path | None = None,
    run_name: str = "evaluate",
) -> list[ResultRow]:
    """Evaluate the ``model`` of ``folder`` on the test studies of ``pools``; write all results to ``out``.

    ``run_name`` is the name of the run in MLflow. A finished evaluation with the same settings is reused. Results of
    another model or other data are not overwritten.

    Returns:
        The result rows, one for each score.

    Raises:
        EvaluationError: a class has too few patients, the model was trained on a test study or its patient, or ``out``
            contains other results.
        ConfigError: ``evaluation`` names a score or a map that the model does not have.
    """
    check_choices([model.method], evaluation)
    studies = _testable(folder, dataset, pools)
    identity = {"model": model.digest, "dataset": dataset, "data": pools.digest()}
    experiment = Experiment(dataset, model.card.method, model.method.settings, model.card.seed, evaluation)
    earlier_rows = _earlier_rows(out, identity, evaluation)
    with tracker.run(run_name, out, parent) as run:
        run.params({"dataset": dataset, "digest": pools.digest(), "test": len(studies), "model": model.digest})
        run.params({"method": model.card.method, "seed": model.card.seed, **model.card.settings})
        run.data(dataset, pools.digest(), "testing", {"studies": len(studies)})
        if folder.resolve() != (out / "model").resolve():
            shutil.copytree(folder, out / "model", dirs_exist_ok=True)
        run.model(out / "model", experiment.title)
        if earlier_rows is not None:
            return earlier_rows
        write_json(out / IDENTITY, identity)
        began = time.monotonic()
        learned = pools.normal if model.card.trained_on.get("digest") == pools.digest() else ()
        about, arguments = _about(model, pools), (experiment, model.method, model.card, studies, loader, out, run)
        return evaluate_model(*arguments, about=about, began=began, learned_normal=learned)


def _about(model: Model, pools: Pools) -> AboutData:
    """Return the columns on the data: of unlabeled studies of a training elsewhere, no labels are known."""
    used = model.card.trained_on.get("unlabeled") if model.method.learned_archive else 0
    return AboutData(split=pools.kind, n_unlabeled=used, n_unlabeled_abnormal=None, anomaly_rate=None)


def _testable(folder: Path, dataset: str, pools: Pools) -> tuple[Study, ...]:
    if why := pools.untestable():
        raise EvaluationError(f"{dataset}: {why}")
    studies = (*pools.test_normal, *pools.test_abnormal)
    learned = seen(folder, studies, dataset)
    if learned:
        raise EvaluationError(
            f"{dataset}: the model in {folder} has learned from {len(learned)} of the {len(studies)} test studies, or "
            "from other studies of their patients: take them out of the test set"
        )
    return studies


def _earlier_rows(out: Path, identity: dict[str, str], evaluation: Evaluation) -> list[ResultRow] | None:
    """Return the rows of the same evaluation in ``out``, or None if it is not finished.

    Raises:
        EvaluationError: ``out`` contains results of another model, other data or another command.
    """
    if not (out / IDENTITY).is_file():
        if finished(out):
            raise EvaluationError(f"{out} holds other results: choose a new --out")
        return None
    if read_json(out / IDENTITY) != identity:
        raise EvaluationError(f"{out} holds the evaluation of another model, or by other data: choose a new --out")
    return finished(out, evaluation)
