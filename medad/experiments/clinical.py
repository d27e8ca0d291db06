"""Run a hospital's experiment as a fixed sequence of stages, with the same functions as the single commands.

Finished stages are recorded in OUT/clinical.json, so that the same command continues at the first unfinished stage.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medad.config import ConfigError
from medad.data.loading import Loader
from medad.evaluation.findings import MARK, finding_lines, finding_tags, primary_findings
from medad.experiments.evaluate import evaluate_one
from medad.experiments.experiment import counts
from medad.experiments.plan import Experiment
from medad.experiments.train import train_one
from medad.files import write_json, write_records
from medad.manifest.manifest import Manifest
from medad.manifest.rows import ROLES
from medad.model import load
from medad.outputs.report import write_report
from medad.parsing import read_json
from medad.results.finished import finished
from medad.splits import SplitError
from medad.tracking import Tracker
from medad.types import Study

log = logging.getLogger(__name__)
STATE, CHECKED = "clinical.json", "check.csv"
READ_AT_ONCE = 64


@dataclass(frozen=True)
class Clinical:
    """An experiment of several stages.

    ``register`` is the model's name in the registry. ``registration`` ("always", "never" or "if_separates") decides
    whether the model is registered. ``said`` collects a sentence for each stage.
    """

    experiment: Experiment
    manifest: Manifest
    loader: Loader
    out: Path
    tracker: Tracker
    register: str
    registration: str = "always"
    said: list[str] = field(default_factory=list)

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
            "experiment": self.experiment.describe(),
            "evaluation": self.experiment.evaluation.model_dump(mode="json"),
            "data": self.manifest.digest(),
            "model": self.register,
        }


def run_clinical(clinical: Clinical, stages: tuple[str, ...], title: str) -> list[str]:
    """Run the unfinished ``stages`` and return a sentence for each stage.

    Raises:
        ConfigError: the folder contains an experiment with other data or settings.
    """
    out = clinical.out
    out.mkdir(parents=True, exist_ok=True)
    done = _finished_stages(clinical)
    with clinical.tracker.run("clinical", out, name=title) as parent:
        parent.params({**clinical.experiment.describe(), "data": clinical.manifest.digest(), "stages": stages})
        for stage in stages:
            if stage in done:
                clinical.said.append(f"{stage}: finished before")
                continue
            log.info("stage %s", stage)
            clinical.said.append(f"{stage}: {STAGES[stage](clinical, parent.journal)}")
            if stage == "register" and clinical.unregistered():
                continue  # stays unfinished, so that the same command can register the model with another setting
            done.append(stage)
            _write_state(clinical, done)
        parent.artifact(out / STATE)
        parent.tags(finding_tags(finished(out) or []))
    clinical.tracker.catch_up(out)
    return clinical.said


def _finished_stages(clinical: Clinical) -> list[str]:
    path = clinical.out / STATE
    if not path.is_file():
        return []
    state = read_json(path)
    if not isinstance(state, dict) or state.get("identity") != clinical.identity():
        raise ConfigError(f"{clinical.out} holds an experiment with other data or settings: choose a new --out")
    return [stage for stage in state.get("done", ()) if stage in STAGES]


def _write_state(clinical: Clinical, done: list[str]) -> None:
    write_json(clinical.out / STATE, {"identity": clinical.identity(), "done": done}, durable=True)


def _check(clinical: Clinical, parent: Path) -> str:
    """Read every study once, so that unreadable studies are reported before the training."""
    studies = {role: clinical.manifest.studies(role) for role in ROLES}
    pools = clinical.manifest.pools()
    if pools.test_normal and pools.test_abnormal and (why := pools.untestable()):
        raise SplitError(f"{clinical.manifest.name}: {why}, or leave its test rows out")
    with clinical.tracker.run("check", clinical.out, parent) as run:
        studies_of_all_roles = [study for group in studies.values() for study in group]
        for start in range(0, len(studies_of_all_roles), READ_AT_ONCE):
            clinical.loader.each(studies_of_all_roles[start : start + READ_AT_ONCE])
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
    folder = train_one(clinical.experiment, data, source, clinical.loader, clinical.out, clinical.tracker, parent)
    return f"model in {folder}"


def _evaluate(clinical: Clinical, parent: Path) -> str:
    pools = clinical.manifest.pools()
    if not pools.test_normal or not pools.test_abnormal:
        return "left out: the manifest has no test rows of both classes"
    folder = clinical.out / "model"
    model = load(folder, clinical.loader.device)
    name, evaluation = clinical.manifest.name, clinical.experiment.evaluation
    rows = evaluate_one(model, folder, name, pools, clinical.loader, clinical.out, clinical.tracker, evaluation, parent)
    aucs = ", ".join(f"{row['score']} {row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" for row in rows)
    return "\n".join([f"AUC {aucs}", *_warnings(rows)])


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
        run.model(clinical.out / "model", clinical.experiment.title, register=clinical.register)
    return "\n".join([f"models:/{clinical.register}@candidate", *warnings])


STAGES: dict[str, Callable[[Clinical, Path], str]] = {
    "check": _check,
    "train": _train,
    "evaluate": _evaluate,
    "report": _report,
    "register": _register,
}
