"""Score a test set once: scores of its studies, localization metrics, and pictures of some studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medad.data.loading import Loader
from medad.experiments.localization import Localization
from medad.experiments.score_studies import ScoredStudy, score_studies, score_study
from medad.experiments.spread import MapSpread
from medad.files import write_csv
from medad.methods.base import Method
from medad.results.cases import member_columns
from medad.types import Case, Study

PANEL_QUANTILES = (1.0, 0.9, 0.75, 0.5, 0.0)


@dataclass(frozen=True)
class TestScores:
    """The results of scoring S studies: ``members`` (S, M) by score, with a column for each separate network.

    ``found`` has the pixel AUROC of each study's maps, or None without a mask. ``map_contrast`` is the spread of the
    map values relative to their level, by score.
    """

    studies: tuple[Study, ...]
    members: dict[str, NDArray[np.float64]]
    map_contrast: dict[str, float]
    found: tuple[float | None, ...]
    localization: Localization

    @property
    def labels(self) -> NDArray[np.int64]:
        """0 or 1 for each study, (S,)."""
        return np.array([study.label for study in self.studies], dtype=np.int64)

    @property
    def scores(self) -> dict[str, NDArray[np.float64]]:
        """The score of each study, (S,), by name: the mean over the networks that are evaluated separately."""
        return {name: values.mean(axis=1) for name, values in self.members.items()}


def score_test(method: Method, studies: Sequence[Study], loader: Loader, thresholds: Mapping[str, float]) -> TestScores:
    """Score labeled ``studies`` one after another; ``thresholds`` are the map thresholds of the model's card."""
    localization = Localization(studies, thresholds)
    readable, mask_areas = [], []
    members: dict[str, list[NDArray[np.float64]]] = {}
    spreads: dict[str, MapSpread] = {}
    for scored in score_studies(method, studies, loader):
        readable.append(scored.study)
        mask_areas.append(localization.add(scored, _mask(scored.study, loader)))
        for name in scored.scores:
            members.setdefault(name, []).append(scored.members(name))
            spreads.setdefault(name, MapSpread()).add(scored.maps(name))
    stacked = {name: np.stack(values) for name, values in members.items()}
    contrast = {name: spread.contrast() for name, spread in spreads.items()}
    return TestScores(tuple(readable), stacked, contrast, tuple(mask_areas), localization)


def _mask(study: Study, loader: Loader) -> NDArray[np.bool_] | None:
    mask = loader.mask(study) if study.label else None
    return None if mask is None else (mask[:, 0] > 0.5).numpy()


def write_cases(path: Path, test: TestScores, covariate: NDArray[np.float64] | None = None) -> None:
    """Write the scores of every test case to a CSV file, for comparisons, reports and further analysis.

    Columns: id, label, patient (a pseudonym within this table, empty if unknown), attr:NAME for each attribute of the
    studies, ``covariate`` (the acquisition score by which AUCs are adjusted, if there is one), then one column for each
    score. The column of a score of several separately evaluated networks is their
    mean, and the columns NAME.0, NAME.1, ... hold the scores of the networks.
    """
    known_patients = dict.fromkeys(study.patient for study in test.studies if study.patient is not None)
    numbers = {patient: f"p{place:04d}" for place, patient in enumerate(known_patients, 1)}
    attributes = dict.fromkeys(name for study in test.studies for name, _ in study.attributes)
    columns: dict[str, Sequence[Any]] = {
        "id": [study.id for study in test.studies],
        "label": test.labels.tolist(),
        "patient": ["" if study.patient is None else numbers[study.patient] for study in test.studies],
        **{f"attr:{name}": [dict(study.attributes).get(name, "") for study in test.studies] for name in attributes},
        **({} if covariate is None else {"covariate": covariate.tolist()}),
        **{name: values.tolist() for name, values in test.scores.items()},
        **{
            column: members[:, place].tolist()
            for name, members in test.members.items()
            if members.shape[1] > 1
            for place, column in enumerate(member_columns(name, members.shape[1]))
        },
    }
    write_csv(path, list(columns), zip(*columns.values(), strict=True))


def picture(scored_study: ScoredStudy, by: str, loader: Loader, title: str = "") -> Case:
    """Return the slice of a study where the score ``by`` is highest, with its maps, and its mask if it has one."""
    place, mask = scored_study.worst_slice(by), _mask(scored_study.study, loader)
    return Case(
        title,
        scored_study.slices[place],
        {name: scored.anomaly_map[place] for name, scored in scored_study.scores.items()},
        None if mask is None else torch.from_numpy(mask[place]),
    )


def panel_cases(method: Method, test: TestScores, loader: Loader, score: str) -> Iterator[Case]:
    """Yield abnormal cases at fixed quantiles, and the median normal case.

    Abnormal cases are ranked by the pixel AUROC of their maps if all have masks, else by ``score``.
    """
    values = test.scores[score]
    for label, word, quantiles in ((1, "abnormal", PANEL_QUANTILES), (0, "normal", (0.5,))):
        group = [index for index, study in enumerate(test.studies) if study.label == label]
        by_mask = all(test.found[index] is not None for index in group)
        ranked = sorted(group, key=lambda index: (test.found[index] or 0.0) if by_mask else values[index])
        for quantile in quantiles:
            study = test.studies[ranked[round(quantile * (len(ranked) - 1))]]
            yield picture(score_study(method, study, loader), score, loader, f"{word}, {quantile:.0%}")
