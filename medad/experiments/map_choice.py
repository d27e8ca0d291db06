"""Choose the map to draw: the one that best marks synthetic lesions in normal studies, without any label."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from medad.experiments.score_studies import ScoredStudy, score_images
from medad.functional.lesions import soft_lesions
from medad.methods.base import Method

log = logging.getLogger(__name__)
PROBES = 64  # number of images that get a lesion
SEED = 0  # fixed, so that all models get the same lesions on the same images
MARGIN = 0.02  # of AUROC; maps that differ by less count as equally good
USELESS = 0.6  # AUROC below which a map hardly marks any lesion


class Probes:
    """Collects about ``PROBES`` images, evenly spaced over a sequence of ``studies`` studies."""

    def __init__(self, studies: int) -> None:
        self._every = -(-studies // PROBES)
        self._each = max(1, PROBES // studies)
        self._count = 0
        self.images: list[Tensor] = []

    def add(self, scored: ScoredStudy) -> None:
        """Add evenly spaced slices (C, S, S) of a study, or none if the study is skipped."""
        if self._count % self._every == 0:
            self.images += scored.slices[:: -(-len(scored.slices) // self._each)]
        self._count += 1


def check_maps(method: Method, images: Sequence[Tensor]) -> dict[str, float]:
    """Return the pixel AUROC of each score's map for synthetic lesions in normal ``images`` (C, S, S).

    The result is empty if no lesion can be created because every image is constant.
    """
    device = next(iter(method.state_dict().values()), torch.zeros(())).device
    altered, masks = soft_lesions(torch.stack(list(images)), torch.Generator().manual_seed(SEED))
    marked = masks[:, 0].bool().numpy().ravel()
    if not marked.any() or marked.all():
        return {}
    return dict(_areas(method, altered.to(device), marked))


def _areas(
    method: Method, altered: Tensor, marked: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Iterator[tuple[str, float]]:
    for name, scored in score_images(method, altered).items():
        values = scored.anomaly_map[:, 0].float().numpy().ravel()
        if np.isfinite(values).all():
            yield name, round(float(roc_auc_score(marked, values)), 4)


def best_map(check: Mapping[str, float], score: str) -> str:
    """Return the map to draw if ``score`` ranks: one whose AUROC in ``check`` is within ``MARGIN`` of the highest.

    The map of ``score`` itself is preferred, then the last one that the method declares. A warning is logged if no map
    marks the lesions.
    """
    if not check:
        return score
    highest = max(check.values())
    if highest < USELESS:
        log.warning(
            "no anomaly map of this model marks synthetic lesions in normal studies (pixel AUROC up to %.2f, where "
            "chance is 0.5): do not trust its heatmaps; train longer, or on more studies",
            highest,
        )
    close = [name for name, area in check.items() if area >= highest - MARGIN]
    return score if score in close else close[-1]
