"""The stages of a hospital's experiment: check, train, evaluate, report, register."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medad.config import Settings
from medad.data.loading import Loader
from medad.evaluation.comparing import compare_entries
from medad.evaluation.entries import read_entries
from medad.evaluation.findings import MARK, finding_lines, finding_tags, primary_findings
from medad.evaluation.headline import headline
from medad.experiments.evaluate import evaluate_one
from medad.experiments.experiment import counts
from medad.experiments.plan import Experiment
from medad.experiments.train import train_one
from medad.files import write_records
from medad.manifest.manifest import Manifest
from medad.manifest.rows import ROLES
from medad.model import load
from medad.outputs.report import write_report
from medad.results.finished import finished
from medad.results.read import read_results
from medad.splits import SplitError
from medad.tracking import Tracker
from medad.types import Study

log = logging.getLogger(__name__)
CHECKED = "check.csv"
COMPARED = "compared"  # folder of the experiments beside the candidate's, in a folder for each
READ_AT_ONCE = 64


@dataclass(frozen=True)
class Clinical:
    """An experiment of several stages.

    The model of ``candidate`` may be registered; the experiments ``compared`` are trained and tested beside it.
    ``loaders`` gives the loader for the settings of a method. ``register`` is the model's name in the registry.
    ``registration`` ("always", "never" or "if_separates") decides whether the model is registered. ``said`` collects a
    sentence for each stage.
    """

    candidate: Experiment
    compared: tuple[Experiment, ...]
    manifest: Manifest
    loaders: Callable[[Settings], Loader]
    out: Path
    tracker: Tracker
    register: str
    registration: str = "always"
    said: list[str] = field(default_factory=list)

    @property
    def folders(self) -> list[tuple[Experiment, Path, str]]:
        """Return each experiment with its folder, and a suffix for the names of its runs; the candidate comes first."""
        compared = [(one, self.out / COMPARED / one.title, f" {one.title}") for one in self.compared]
        return [(self.candidate, self.out, ""), *compared]

    def unregistered(self) -> str:
        """Return the reason why the model is not registered, or "" if it is registered."""
        if self.registration == "never":
            return "the pipeline says registration=never"
        if self.registration == "always":
            return ""
        rows = finished(self.out)
        if rows is None:
            return "registration=if_separates needs test rows of both classes, and there are none"
        objections = [finding for finding in primary_findings(rows) if not finding.separates]
        reasons = "; ".join(f"{finding.meaning} ({finding.detail})" for finding in objections)
        return f"registration=if_separates, and the score is {reasons}" if objections else ""

    def identity(self) -> dict[str, Any]:
        """Return experiment, evaluation, data and model name, which a folder of results belongs to."""
        return {
            "experiments": [experiment.describe() for experiment, _, _ in self.folders],
            "evaluation": self.candidate.evaluation.model_dump(mode="json"),
            "data": self.manifest.digest(),
            "model": self.register,
        }


def _check(clinical: Clinical, parent: Path) -> str:
    """Read every study once, so that unreadable studies are reported before the training."""
    loader = clinical.loaders(clinical.candidate.settings)
    studies = {role: clinical.manifest.studies(role) for role in ROLES}
    pools = clinical.manifest.pools()
    if pools.test_normal and pools.test_abnormal and (why := pools.untestable()):
        raise SplitError(f"{clinical.manifest.name}: {why}, or leave its test rows out")
    with clinical.tracker.run("check", clinical.out, parent) as run:
        studies_of_all_roles = [study for group in studies.values() for study in group]
        for start in range(0, len(studies_of_all_roles), READ_AT_ONCE):
            loader.each(studies_of_all_roles[start : start + READ_AT_ONCE])
        write_records(clinical.out / CHECKED, [_counts(role, group) for role, group in studies.items()])
        run.table(clinical.out / CHECKED)
    return ", ".join(f"{len(group)} {role}" for role, group in studies.items()) + ", all readable"


def _counts(role: str, studies: tuple[Study, ...]) -> dict[str, Any]:
    patients = {study.patient for study in studies} - {None}
    return {
        "role": role,
        "studies": len(studies),
        "normal": sum(study.label == 0 for study in studies),
        "abnormal": sum(study.label == 1 for study in studies),
        "patients": len(patients),
        "files": sum(len(study.files) for study in studies),
    }


def _train(clinical: Clinical, parent: Path) -> str:
    data = clinical.manifest.training()
    pools = clinical.manifest.pools()
    source = {"dataset": clinical.manifest.name, "split": pools.kind, "digest": pools.digest(), **counts(data)}
    folders = [
        train_one(
            experiment,
            data,
            source,
            clinical.loaders(experiment.settings),
            out,
            clinical.tracker,
            parent,
            f"train{suffix}",
        )
        for experiment, out, suffix in clinical.folders
    ]
    return "\n".join(f"model in {folder}" for folder in folders)


def _evaluate(clinical: Clinical, parent: Path) -> str:
    pools = clinical.manifest.pools()
    if not pools.test_normal or not pools.test_abnormal:
        return "left out: the manifest has no test rows of both classes"
    sentences = []
    for experiment, out, suffix in clinical.folders:
        loader = clinical.loaders(experiment.settings)
        rows = evaluate_one(
            load(out / "model", loader.device),
            out / "model",
            clinical.manifest.name,
            pools,
            loader,
            out,
            clinical.tracker,
            experiment.evaluation,
            parent,
            f"evaluate{suffix}",
        )
        aucs = ", ".join(
            f"{row['score']} {row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" for row in rows
        )
        sentences += [f"{experiment.title}: AUC {aucs}", *_warnings(rows)]
    results = read_results(clinical.out)
    compared = compare_entries(read_entries([results]), "method", clinical.candidate.evaluation)
    return "\n".join([*sentences, *headline(results, compared)])


def _auc(row: Mapping[str, Any]) -> str:
    return f"{row['score']} {row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]"


def _warnings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return an indented line for each kind of finding."""
    return [f"    {MARK} {line}" for line in finding_lines(rows)]


def _report(clinical: Clinical, parent: Path) -> str:
    with clinical.tracker.run("report", clinical.out, parent) as run:
        page = write_report(clinical.out)
        run.artifact(page)
    return str(page)


def _register(clinical: Clinical, parent: Path) -> str:
    rows = finished(clinical.out) or []
    warnings = _warnings([row for row in rows if row.get("primary")])
    if reason := clinical.unregistered():
        return f"not registered: {reason}"
    for line in warnings:
        log.warning("the model is registered although: %s", line.strip())
    with clinical.tracker.run("register", clinical.out, parent) as run:
        run.tags(finding_tags(rows))
        run.model(clinical.out / "model", clinical.candidate.title, register=clinical.register)
    return "\n".join([f"models:/{clinical.register}@candidate", *warnings])


STAGES: dict[str, Callable[[Clinical, Path], str]] = {
    "check": _check,
    "train": _train,
    "evaluate": _evaluate,
    "report": _report,
    "register": _register,
}
