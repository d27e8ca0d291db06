"""Detect faults of a result: too little training, a score that does not separate, maps without information.

All findings are derived from the row of a result, so that the printed table, results.csv, the report, MLflow and the
registration of a model agree. The limits were set on the demo data: there, DDAD's losses fell by 4 % to 27 % from one
tenth of the epochs to the next after 5 to 8 epochs, and by at most 3 % after 60 epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medad.results.row import number_of

LOSS_FALL = 0.05  # relative fall of the mean loss, from the next-to-last tenth of the epochs to the last tenth
NORMAL_SPREAD = 0.001  # relative to the size of the scores; below it, the scores of normals are nearly equal
MAP_CONTRAST = 0.05  # relative to the level of a map; below it, the map is nearly constant
CHANCE = 0.5
MARK = "(!)"
MOST_NAMED = 12  # scores in a sentence; results.csv has the findings of all scores

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One fault of a score; ``kind`` is its name in results.csv, ``detail`` states the numbers it is derived from.

    ``separates`` is False if the finding means that the score does not separate abnormal from normal studies.
    """

    kind: str
    detail: str
    separates: bool = True

    @property
    def meaning(self) -> str:
        """The explanation of this kind of finding."""
        return MEANINGS[self.kind]


MEANINGS = {
    "no_separation": "not shown to separate normal from abnormal studies: the interval of the AUC holds 0.5",
    "inverted": "ranks the wrong way round: normal studies score higher than abnormal ones",
    "acquisition": "not shown to find more than how scans were acquired: the interval of the adjusted AUC holds 0.5",
    "equal_scores": "the scores of normal studies are all but equal",
    "loss_falling": "trained too little: the loss was still falling at the end",
    "flat_maps": "the maps are all but constant: they mark nothing",
    "maps_at_chance": "the maps are not shown to mark abnormal pixels: the interval of their AUROC holds 0.5",
    "maps_inverted": "the maps mark normal pixels rather than abnormal ones",
}


def findings(row: Row) -> list[Finding]:
    """Return the findings of a result row, or of a summary over seeds; rules whose values are missing find nothing."""
    rules: Iterable[Callable[[Row], Finding | None]] = (
        _separation,
        _acquisition,
        _equal_scores,
        _loss,
        _flat_maps,
        _maps,
    )
    return [finding for rule in rules if (finding := rule(row)) is not None]


def _separation(row: Row) -> Finding | None:
    low, high = number_of(row, "auc_low"), number_of(row, "auc_high")
    if low is None or high is None or low > CHANCE:
        return None
    return Finding("inverted" if high < CHANCE else "no_separation", _interval("AUC", row, "auc"), separates=False)


def _acquisition(row: Row) -> Finding | None:
    plain, low, high = (number_of(row, key) for key in ("auc_low", "auc_adjusted_low", "auc_adjusted_high"))
    if plain is None or low is None or high is None or plain <= CHANCE or low > CHANCE:
        return None
    return Finding("acquisition", _interval("adjusted AUC", row, "auc_adjusted"))


def _equal_scores(row: Row) -> Finding | None:
    spread = number_of(row, "normal_spread")
    if spread is None or spread >= NORMAL_SPREAD:
        return None
    return Finding("equal_scores", f"they spread over {spread:.2%} of their size")


def _loss(row: Row) -> Finding | None:
    fall = number_of(row, "loss_fall")
    if fall is None or fall <= LOSS_FALL:
        return None
    return Finding("loss_falling", f"by {fall:.0%} over the last tenth of the epochs")


def _flat_maps(row: Row) -> Finding | None:
    contrast = number_of(row, "map_contrast")
    if contrast is None or contrast >= MAP_CONTRAST:
        return None
    return Finding("flat_maps", f"the values of a map spread over {contrast:.1%} of their level")


def _maps(row: Row) -> Finding | None:
    low, high = (number_of(row, f"pixel_auc_each_{end}") for end in ("low", "high"))
    if low is None or high is None or low > CHANCE:
        return None
    detail = _interval("AUROC within a study", row, "pixel_auc_each")
    return Finding("maps_inverted" if high < CHANCE else "maps_at_chance", detail)


def _interval(name: str, row: Row, key: str) -> str:
    value, low, high = (number_of(row, f"{key}{end}") or 0.0 for end in ("", "_low", "_high"))
    return f"{name} {value:.3f} [{low:.3f}, {high:.3f}]"


def finding_kinds(row: Row) -> str:
    """Return the kinds of a row's findings in the format of results.csv: "no_separation; loss_falling", "" for none."""
    return "; ".join(finding.kind for finding in findings(row))


def finding_tags(rows: Sequence[Row]) -> dict[str, str]:
    """Return the findings of all rows as an MLflow tag: "none", or for example "rec: no_separation; loss_falling"."""
    named = [f"{row['score']}: {kinds}" for row in rows if (kinds := finding_kinds(row))]
    return {"medad.findings": " | ".join(named) or "none"}


def system_of(row: Row) -> str:
    """Return method, variant and network of a row, as "ddad/ae"."""
    parts = (row.get(key, "-") for key in ("method", "variant", "network"))
    return "/".join(str(part) for part in parts if part not in ("-", None))


def finding_lines(summaries: Sequence[Row]) -> list[str]:
    """Return a sentence for each kind of finding, with the affected scores and their numbers."""
    several = len({row["dataset"] for row in summaries}) > 1
    about: dict[str, list[str]] = {}
    for row in summaries:
        rate = row.get("anomaly_rate")
        swept = len({summary.get("anomaly_rate") for summary in summaries}) > 1 and rate is not None
        words = [row["dataset"] if several else "", system_of(row), row["score"], f"at {rate:g}" if swept else ""]
        name = " ".join(word for word in words if word)
        for finding in findings(row):
            about.setdefault(finding.kind, []).append(f"{name} ({finding.detail})")
    return [f"{MEANINGS[kind]}: {_listed(about[kind])}" for kind in MEANINGS if kind in about]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return "; ".join([*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def primary_findings(rows: Sequence[Row]) -> list[Finding]:
    """Return the findings of the primary score, or of the last row if no row is marked as primary."""
    marked = [row for row in rows if row.get("primary")] or rows[-1:]
    return [finding for row in marked for finding in findings(row)]
