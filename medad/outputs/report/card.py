"""Build the model card: settings, training data and limits of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medad.outputs.report.results import calibration_count
from medad.outputs.report.table import Block, Column, Table, text
from medad.results.cell import Cell
from medad.results.read import Group

FEW = 100  # cases of a class; with fewer, the intervals are wide
DATA = {
    "dataset": "dataset",
    "split": "split",
    "digest": "digest of the data's list",
    "normal": "known normal studies",
    "unlabeled": "unlabeled studies",
}
RESEARCH = "For research only: no medical device, not for diagnosis and not for decisions about a patient."


@dataclass(frozen=True)
class ModelCard:
    """The model card as shown in the report; ``limits`` are sentences."""

    settings: Table
    data: Table
    limits: Sequence[str]


def model_card(title: str, card: Mapping[str, Any], limits: Sequence[str]) -> ModelCard:
    """Return the model card for the content ``card`` of a model.json."""
    settings, source = card.get("settings"), card.get("trained_on")
    settings = settings if isinstance(settings, dict) else {}
    source = source if isinstance(source, dict) else {}
    if settings.get("unlabeled", 0) is None:
        used = source.get("unlabeled")
        settings = {**settings, "unlabeled": "all" if used is None else f"all: {used}"}
    about: dict[str, Any] = {"method": card.get("method"), "seed": card.get("seed"), "medad": card.get("medad")}
    about |= _ranking_and_map(card)
    data = {DATA.get(str(key), str(key)): value for key, value in source.items()}
    return ModelCard(
        pairs_table("settings", "Settings", title, {**about, **settings}),
        pairs_table("data", "Trained on", title, {**data, **_profile(card)}),
        limits,
    )


def _ranking_and_map(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the ranking score, the drawn map and the map's selection values; empty for cards without them."""
    marks = card.get("map_check")
    areas = [f"{name} {value}" for name, value in marks.items()] if isinstance(marks, dict) else []
    named = {
        "ranked by": card.get("score"),
        "map drawn": card.get("map"),
        "maps on synthetic lesions in normals (pixel AUROC)": ", ".join(areas),
    }
    return {key: str(value) for key, value in named.items() if value}


def _profile(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the single-valued entries of the training images' profile."""
    profile = card.get("profile")
    if not isinstance(profile, dict):
        return {}
    return {f"images: {key}": str(value) for key, value in profile.items() if isinstance(value, (str, int, float))}


def pairs_table(name: str, caption: str, title: str, values: Mapping[str, Any]) -> Table:
    """Return a table of keys and values; ``title`` identifies their model in the CSV file."""
    columns = [
        Column("key", text("key"), number=False),
        Column("value", text("value"), number=False),
    ]
    rows = [{"key": key.replace("_", " "), "value": _plain(value)} for key, value in values.items()]
    return Table(name, caption, columns, [Block("", rows)], {"group": title})


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return "none" if value is None else str(value)


def cell_limits(group: Group) -> list[str]:
    """Return sentences that limit the conclusions from the results of ``group``."""
    return [RESEARCH, *_limits(group, group.first)]


def _limits(group: Group, cell: Cell) -> Iterator[str]:
    row = cell.rows[0]
    normal, abnormal = row.get("n_normal"), row.get("n_abnormal")
    if normal and abnormal:
        yield (
            f"Tested on {normal} normal and {abnormal} abnormal studies: AP and PPV hold at this share of abnormal "
            f"ones ({abnormal / (normal + abnormal):.0%}), which is seldom that of a clinic."
        )
        if min(normal, abnormal) < FEW:
            yield f"Fewer than {FEW} cases of a class: the intervals are wide, and subgroups say little."
    if row.get("split") not in (None, "official"):
        yield f"The split is not the published one ({row['split']}): do not compare with published figures."
    if len(group.cells) < 2:
        yield "One seed: how much another training run would differ is not known."
    if not calibration_count(cell):
        yield "No normals were held out for calibration: no false-alarm rate is promised for any threshold."
    if all(score_row.get("pixel_auc") is None and score_row.get("pointing") is None for score_row in cell.rows):
        yield "Localization was not measured: the maps are illustrations."
    if row.get("auc_low") is None:
        yield "This result has no intervals: it was made by a medad that did not compute them."
    for sentence in cell.acquisition:
        yield f"{sentence[:1].upper()}{sentence[1:]}."
    yield "A score is no probability of disease; it compares studies read by this model only."
