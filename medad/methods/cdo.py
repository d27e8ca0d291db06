"""CDO: collaborative discrepancy optimization (Cao et al., IEEE Transactions on Industrial Informatics 19(11), 2023).

The authors' two releases differ; the settings tell them apart. Those of the paper (2023) are the defaults and
pipelines/cdo.yaml, those of 2025 are pipelines/cdo_2025.yaml.

The expert's weights are stored in the model folder beside the apprentice's, so that a model scores wherever it is
copied to, with no other file and no download, and its digest covers both networks; the folder is twice as large for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import interpolate
from torch.optim import Optimizer

from medad.backbones import NONE
from medad.backbones.base import Backbone
from medad.functional.collaboration import collaborative_loss
from medad.functional.foreground import foreground
from medad.functional.histograms import overlap
from medad.functional.pooling import top_mean
from medad.functional.smoothing import gaussian
from medad.functional.synthesis import white_noise
from medad.methods._cdo_expert import Pair, expert_weights, find_expert
from medad.methods._cdo_settings import MOST_RECTANGLES, CDOSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.registry import backbones, methods
from medad.training import Decay, Task, Track, adam, adamw, spawn, train
from medad.types import Scored, TrainingSet

log = logging.getLogger(__name__)
OPTIMIZERS: dict[str, Callable[[nn.Module, float, float], Optimizer]] = {"adamw": adamw, "adam": adam}
PROBES = 32  # training normals whose synthetic anomalies say how far the two distributions lie apart
DECISIVE = {"backbone", "fusion", "rectangles", "noise_grain", "foreground", "gamma"}  # of what is learned


@methods.register("cdo")
class CDO(Method):
    """An apprentice learns to agree with a frozen expert on normal features, and to disagree on synthetic anomalies.

    Where they disagree, the image is abnormal. Unlabeled studies are not used.
    """

    settings_model = CDOSettings
    title = "CDO"
    settings: CDOSettings

    def __init__(self, settings: CDOSettings) -> None:
        super().__init__(settings)
        self._backbone: Backbone = backbones.get(settings.backbone).with_fusion(settings.fusion)
        self.pair = Pair(self._backbone)

    @property
    def scores(self) -> dict[str, str]:
        """The paper's, then the re-release's."""
        expert = " (random expert, not trained: no CDO)" if self.settings.weights == NONE else ""
        return {
            "max": f"maximum of the discrepancy map{expert}",
            "top": f"mean of its highest {self.settings.top_share:.2%}{expert}",
        }

    def rehearse(self, allow_download: bool = False) -> None:
        """The expert's file must be there and fit."""
        if self.settings.weights != NONE:
            path = find_expert(self._backbone, self.settings.weights, allow_download)
            expert_weights(self._backbone, path, Generator())

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Train the apprentice on the normal images; say how far it moves synthetic anomalies from them."""
        settings = self.settings
        path = find_expert(self._backbone, settings.weights)
        expert, origin = expert_weights(self._backbone, path, spawn(rng))
        images = load(data.normal)
        self.to(torch.device(load.device))  # images may stay behind, on the CPU
        self.pair.restart(self._backbone, expert, spawn(rng))
        probe = self._with_noise(images[:PROBES].to(self.pair.mean.device), spawn(rng), MOST_RECTANGLES)
        before = self._separation(*probe)
        generator = spawn(rng)
        task = Task(
            "apprentice",
            self.pair.apprentice,
            partial(self._loss, generator),
            images,
            OPTIMIZERS[settings.optimizer](self.pair.apprentice, settings.learning_rate, settings.weight_decay),
            settings.batch_size,
            settings.epochs,
            generator,
            decay=Decay(settings.decay, settings.decay_every),
            keep_last=True,
            clip=settings.clip or None,
            also={"expert": origin, **settings.model_dump(include=DECISIVE)},
        )
        train([task], "train the apprentice", track=track, keep=keep, amp=settings.amp)
        self.eval()
        self._tell(track, before, self._separation(*probe))

    def _with_noise(self, images: Tensor, generator: Generator, most: int) -> tuple[Tensor, Tensor]:
        inside = foreground(images) if self.settings.foreground else None
        return white_noise(images, generator, most, self.settings.noise_grain, inside)

    def _loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """The sum over the scales, all on the grid of the first."""
        images, masks = self._with_noise(batch, generator, self.settings.rectangles)
        maps = self.pair(images)
        synthetic = _on_grid_of(maps[0], masks)
        return torch.stack(
            [collaborative_loss(discrepancy, synthetic, self.settings.gamma) for discrepancy in maps]
        ).sum()

    @torch.no_grad()
    def _separation(self, images: Tensor, masks: Tensor) -> tuple[float, float] | None:
        """Margin and overlap of the discrepancies at synthetic and at normal positions, summed over the scales."""
        self.eval()
        maps = self.pair(images)
        synthetic = _on_grid_of(maps[0], masks).bool()
        total = torch.stack(maps).sum(dim=0)
        far, near = (total[mask].double().cpu().numpy() for mask in (synthetic, ~synthetic))
        if not len(far):  # none of the few images got a rectangle
            return None
        return float(np.mean(far) - np.mean(near)), overlap(far, near)

    def _tell(self, track: Track, before: tuple[float, float] | None, after: tuple[float, float] | None) -> None:
        if before is None or after is None:
            return
        for place, name in enumerate(("margin", "overlap")):
            track(f"apprentice/{name}", before[place], 0)
            track(f"apprentice/{name}", after[place], self.settings.epochs)
        log.info(
            "synthetic anomalies beside normal positions, before and after training: margin %.3f and %.3f, overlap "
            "%.3f and %.3f",
            before[0], after[0], before[1], after[1],
        )  # fmt: skip

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Both scores of ``images`` (B, C, S, S) and their common map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        maps = gaussian(MAPS[self.settings.maps](self.pair, images), self.settings.sigma)
        highest, top = maps.amax(dim=(1, 2, 3)), top_mean(maps, self.settings.top_share)
        return {"max": Scored(highest, maps, highest[:, None]), "top": Scored(top, maps, top[:, None])}


def _on_grid_of(maps: Tensor, masks: Tensor) -> Tensor:
    """Masks (B, 1, H, W) -> 0/1 on the grid of ``maps`` (B, 1, h, w) by nearest neighbor.

    Position i is the pixel floor(i * H / h): synthetic where that pixel is not 0.
    """
    return (interpolate(masks, maps.shape[-2:], mode="nearest") != 0).to(maps.dtype)


def _from_features(pair: Pair, images: Tensor) -> Tensor:
    """2023: the sum over the scales of the discrepancies that training takes, (B, 1, S, S)."""
    total = torch.stack(pair(images)).sum(dim=0)
    return interpolate(total, images.shape[-2:], mode="bilinear", align_corners=False)


def _from_cosines(pair: Pair, images: Tensor) -> Tensor:
    """2025: the mean over the scales of 1 - cosine similarity, each upsampled from its own grid, (B, 1, S, S)."""
    size = images.shape[-2:]
    scales = [
        interpolate(discrepancy / 2, size, mode="bilinear", align_corners=True)
        for discrepancy in pair.on_own_grids(images)
    ]
    return torch.stack(scales).mean(dim=0)


MAPS: dict[str, Callable[[Pair, Tensor], Tensor]] = {"features": _from_features, "cosine": _from_cosines}
