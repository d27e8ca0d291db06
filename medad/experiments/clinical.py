"""Run a hospital's experiment as a fixed sequence of stages, with the same functions as the single commands.

Finished stages are recorded in OUT/clinical.json, so that the same command continues at the first unfinished stage.
"""

from __future__ import annotations

import logging

from medad.config import ConfigError
from medad.evaluation.findings import finding_tags
from medad.experiments.clinical_stages import STAGES, Clinical
from medad.files import write_json
from medad.parsing import read_json
from medad.results.finished import finished

log = logging.getLogger(__name__)
STATE = "clinical.json"


def run_clinical(clinical: Clinical, stages: tuple[str, ...], title: str) -> list[str]:
    """Run the unfinished ``stages`` and return a sentence for each stage.

    Raises:
        ConfigError: the folder contains an experiment with other data or settings.
    """
    out = clinical.out
    out.mkdir(parents=True, exist_ok=True)
    done = _finished_stages(clinical)
    with clinical.tracker.run("clinical", out, name=title) as parent:
        parent.params({**clinical.candidate.describe(), "data": clinical.manifest.digest(), "stages": stages})
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
