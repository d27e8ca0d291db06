"""Write the ranking of an archive: a table, the estimate, and a page with pictures of the studies to look at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medad.archive.judged import ArchiveError
from medad.archive.ranking import Ranking
from medad.data.preprocessing import Preprocessing
from medad.experiments.score_studies import score_images
from medad.files import write_csv, write_json
from medad.functional.intervals import clusters_of
from medad.io import UnreadableImage
from medad.model import Model
from medad.outputs.pictures import Scale
from medad.outputs.triage import About, Item, Worst, write_triage
from medad.progress import progress
from medad.scoring.core.identifiers import pseudonym
from medad.scoring.core.map_files import heatmaps_of, thumbnail_of
from medad.scoring.core.maps import preview, save_map, save_thumbnail
from medad.types import Study

TABLE, ESTIMATE = "archive.csv", "archive.json"


@dataclass(frozen=True)
class _Pictures:
    """The pictures of one study, as paths relative to the output folder, or the ``reason`` why there are none."""

    thumbnail: str = ""
    heatmap: str = ""
    reason: str = ""


def write_archive(model: Model, ranking: Ranking, out: Path, top: int, drawn: str = "") -> Path:
    """Write archive.csv, archive.json and triage.html to ``out``, and pictures of the ``top`` studies that rank first.

    Pictures that exist are not drawn again. ``drawn`` names the score whose map is drawn; "" is the card's choice for
    the ranking score. Return the path of the page.

    Raises:
        ArchiveError: the model has no map ``drawn``.
    """
    judged = ranking.judged
    name = drawn or model.card.drawn_map(judged.score)
    if name not in model.method.scores:
        raise ArchiveError(f"no map {name!r} in this model: choose from {', '.join(model.method.scores)}")
    scale = model.card.color_scale(name)
    write_json(out / ESTIMATE, ranking.content())
    _write_table(out / TABLE, ranking, {})  # complete but for pictures, in case the drawing is interrupted
    pictures = dict(_draw(model, ranking, out, top, scale))
    _write_table(out / TABLE, ranking, pictures)
    return _write_page(model, ranking, out, pictures, scale)


def _write_table(path: Path, ranking: Ranking, pictures: Mapping[int, _Pictures]) -> None:
    judged = ranking.judged
    patients = clusters_of([study.patient for study in judged.archive])
    headings = ("rank", "file", "study", "patient", judged.score, "p", "expected_normal_share", "heatmap")
    rows = (
        (
            number,
            judged.archive[place].id,
            pseudonym(judged.archive[place].id),
            None if patients is None or judged.archive[place].patient is None else int(patients[place]),
            float(judged.archive_scores[place]),
            None if ranking.p is None else float(ranking.p[place]),
            None if ranking.normal_share is None else float(ranking.normal_share[place]),
            pictures[place].heatmap if place in pictures else "",
        )
        for number, place in enumerate(ranking.order.tolist(), 1)
    )
    write_csv(path, headings, rows)


def _draw(model: Model, ranking: Ranking, out: Path, top: int, scale: Scale) -> Iterator[tuple[int, _Pictures]]:
    """Draw the studies that rank first, and yield the place of each with its pictures."""
    preprocessing = Preprocessing(model.method.settings)
    first = ranking.order[:top].tolist()
    with progress("draw heatmaps", len(first)) as advance:
        for place in first:
            study = ranking.judged.archive[place]
            thumbnail, heatmap = thumbnail_of(study.id), heatmaps_of(study.id)[0]
            if (out / thumbnail).is_file() and (out / heatmap).is_file():
                yield place, _Pictures(thumbnail, heatmap)
            else:
                try:
                    yield place, _draw_study(model, preprocessing, study, out, scale)
                except UnreadableImage as error:
                    yield place, _Pictures(reason=str(error))
            advance(1)


def _draw_study(model: Model, preprocessing: Preprocessing, study: Study, out: Path, scale: Scale) -> _Pictures:
    source = preprocessing.read(study)
    slices = preprocessing.slices(source)
    device = next(iter(model.method.state_dict().values())).device
    scored = score_images(model.method, slices.to(device))[scale.name]
    worst = int(scored.score.argmax())
    heatmap = save_map(out, study.id, source, scored.anomaly_map, worst, scale)
    thumbnail = save_thumbnail(out, study.id, preview(source, slices)[worst], scored.anomaly_map[worst], scale)
    return _Pictures(thumbnail, heatmap)


def _write_page(model: Model, ranking: Ranking, out: Path, pictures: Mapping[int, _Pictures], scale: Scale) -> Path:
    judged = ranking.judged
    worst = Worst()
    for number, place in enumerate(ranking.order.tolist(), 1):
        drawn = pictures.get(place, _Pictures())
        study = judged.archive[place]
        worst.add(
            Item(
                study.id,
                pseudonym(study.id),
                "scored",
                reason=drawn.reason or _expected(ranking, place, number),
                slices=1,
                score=float(judged.archive_scores[place]),
                p=None if ranking.p is None else float(ranking.p[place]),
                thumbnail=drawn.thumbnail,
                heatmap=drawn.heatmap,
            )
        )
    maps = (
        f"The maps are those of the model itself, which has learned all studies; the first {len(pictures)} are drawn."
        if judged.cross_fitted
        else f"The first {len(pictures)} are drawn."
    )
    about = About(
        model=model.digest,
        settings="of the model",
        score=judged.score,
        title="The archive, most abnormal first",
        rules=[maps],
        scale=scale,
        normals=len(judged.normal_scores),
        kind="archive",
        table=TABLE,
        lead=ranking.sentences(),
    )
    return write_triage(out, worst, about)


def _expected(ranking: Ranking, place: int, number: int) -> str:
    """Return how many normal studies are expected down to the study at ``place``, or ""."""
    if ranking.normal_share is None:
        return ""
    share = ranking.normal_share[place]
    return f"rank {number}; of the studies down to here, about {share:.0%} are expected to be normal"
