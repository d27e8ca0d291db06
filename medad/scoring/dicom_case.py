"""Score a case again for its map, on the rows and columns of its DICOM files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medad import __version__
from medad.data.preprocessing import on_source_grid
from medad.io.image import Image
from medad.model import Model
from medad.outputs.dicom import KINDS
from medad.outputs.dicom.result import CaseResult, ModelFacts, Verdict
from medad.outputs.dicom.source import NoDicomResult, Source
from medad.outputs.dicom.uids import Uids, result_text
from medad.scoring.columns import Digests
from medad.scoring.core.entries import CaseRow
from medad.scoring.core.flagging import FLAGGED_BY, Verdicts
from medad.scoring.core.pooled import pooled
from medad.scoring.core.preparation import Preparation
from medad.scoring.core.scorer import Scorer
from medad.types import Study

SAME = 1e-3  # relative: scores of one case on two kinds of devices differ by less


class CaseScorer:
    """Scores single cases with ``model``; ``verdicts`` name the score and the map."""

    def __init__(self, model: Model, verdicts: Verdicts, *, split: bool) -> None:
        self.model, self.verdicts = model, verdicts
        self._prepare = Preparation(model.card, model.method.settings, force=True, split=split)
        self._scorer = Scorer(model.method, torch.get_num_threads())

    def __call__(self, study: Study, source: Source, scores: Mapping[str, float]) -> CaseResult:
        """Return the result of a case that has these ``scores`` in the ledger.

        Raises:
            NoDicomResult: the case has other scores now.
            UnreadableImage: a file cannot be read.
            ScoringError: the device is out of memory.
        """
        image = self._prepare.read(study)
        (scored,) = self._scorer([self._prepare.again(image).slices.numpy()])
        again = pooled(scored)
        if any(not np.isclose(again[name], value, rtol=SAME) for name, value in scores.items()):
            raise NoDicomResult("it gets other scores than its row: give the same command again with --restart")
        maps = scored[self.verdicts.map].anomaly_map
        heat = np.ascontiguousarray(_slices(on_source_grid(maps, image)), np.float32)
        worst = _worst_in_file(heat, int(np.asarray(scored[self.verdicts.score].score).argmax()), maps, image)
        gray = image.pixels.float().mean(dim=0).numpy()
        stored = _slices(_on_file_axes(gray, image)) if image.volume else gray.T[None]
        return CaseResult(
            source=source,
            heat=heat,
            gray=np.ascontiguousarray(stored[worst]),
            worst=worst,
            scale=self.model.card.color_scale(self.verdicts.map),
            verdict=verdict_of(self.verdicts, scores),
            model=ModelFacts(self.model.card.method, self.model.card.medad, self.model.digest),
        )

    def close(self) -> None:
        """Stop the threads."""
        self._scorer.close()


def verdict_of(verdicts: Verdicts, scores: Mapping[str, float]) -> Verdict:
    """Return what the rules say about a case with these scores."""
    value = scores[verdicts.score]
    compared = verdicts.among_normals(verdicts.score, np.array([value]))
    p, percentile = (None, None) if compared is None else (float(compared[0][0]), float(compared[1][0]))
    point, threshold = verdicts.limit or (None, None)
    columns = verdicts.of([scores])
    return Verdict(
        name=verdicts.score,
        score=value,
        percentile=percentile,
        p=p,
        normals=verdicts.normals,
        alpha=verdicts.alpha,
        point=point,
        threshold=threshold,
        flagged=None if verdicts.cannot_flag else bool(verdicts.flagged([scores])[0]),
        flagged_by=str(columns[FLAGGED_BY][0]) if FLAGGED_BY in columns else "",
    )


def result_uids(row: CaseRow, digests: Digests, drawn_map: str) -> dict[str, Uids]:
    """Return the UIDs of the object of each kind, from what the row of a case holds, with pseudonyms of its UIDs."""
    identifiers = row.identifiers
    facts = {"model": digests.model, "settings": digests.settings, "map": drawn_map, "medad": __version__}
    facts |= {"level": row.level, "files": str(row.count)}
    text = result_text([identifiers.study, identifiers.series, identifiers.instance], facts, row.entry.scores)
    return {kind: Uids(kind, text) for kind in KINDS}


def _worst_in_file(heat: NDArray[np.float32], scored: int, maps: Tensor, image: Image) -> int:
    """Return the slice of the file (N, rows, columns) to show for the ``scored`` slice of ``maps`` (M, 1, S, S).

    Slices are scored in axial planes. If those of the file are others, it is the one in which the scored slice has the
    largest sum of its map.
    """
    chosen = torch.zeros_like(maps)
    chosen[scored] = 1
    inside = _slices(on_source_grid(chosen, image)) > 0.5
    sums = np.where(inside.any(axis=(1, 2)), np.where(inside, heat, 0).sum(axis=(1, 2)), -np.inf)
    return int(sums.argmax())


def _slices(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a map (H, W), or a volume (columns, rows, slices), as slices (N, rows, columns)."""
    return grid[None] if grid.ndim == 2 else grid.transpose(2, 1, 0)


def _on_file_axes(volume: NDArray[np.float32], image: Image) -> NDArray[np.float32]:
    """Turn a volume (X, Y, Z) in RAS to the axes of the file."""
    from nibabel.orientations import apply_orientation, io_orientation, ornt_transform

    turn = ornt_transform(io_orientation(image.affine), io_orientation(image.original_affine))
    return apply_orientation(volume, turn)  # type: ignore[no-any-return]
