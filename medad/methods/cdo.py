"""CDO: collaborative discrepancy optimization (Cao et al., IEEE Transactions on Industrial Informatics 19(11), 2023).

The authors' two releases differ in their settings. The settings of the paper (2023) are the defaults and are in
pipelines/cdo.yaml; those of 2025 are in pipelines/cdo_2025.yaml.

The expert's weights are stored in the model folder beside the apprentice's. The folder is twice as large, but a copied
model scores without another file or download, and its digest covers both networks.
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
PROBES = 32  # training normals on which the separation of synthetic anomalies is measured
DECISIVE = {"backbone", "fusion", "rectangles", "noise_grain", "foreground", "gamma"}  # settings that affect training


@methods.register("cdo")
class CDO(Method):
    """An apprentice learns to agree with a frozen expert on normal features, and to disagree on synthetic anomalies.

    Their disagreement is the anomaly map. Unlabeled studies are not used.
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
        """Return the score of the paper ("max"), then that of the re-release ("top")."""
        expert = " (random expert, not trained: no CDO)" if self.settings.weights == NONE else ""
        return {
            "max": f"maximum of the discrepancy map{expert}",
            "top": f"mean of its highest {self.settings.top_share:.2%}{expert}",
        }

    def rehearse(self, allow_download: bool = False) -> None:
        """Check that the file of the expert's weights exists and fits. Raises BackboneError."""
        if self.settings.weights != NONE:
            path = find_expert(self._backbone, self.settings.weights, allow_download)
            expert_weights(self._backbone, path, Generator())

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Train the apprentice on the normal images, and report how well it separates synthetic anomalies from them."""
        settings = self.settings
        path = find_expert(self._backbone, settings.weights)
        expert, origin = expert_weights(self._backbone, path, spawn(rng))
        images = load(data.normal)
        self.to(torch.device(load.device))  # the images may stay on the CPU
        self.pair.restart(self._backbone, expert, spawn(rng))
        probe = self._with_noise(images[:PROBES].to(next(self.pair.parameters()).device), spawn(rng), MOST_RECTANGLES)
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
        self._report_separation(track, before, self._separation(*probe))

    def _with_noise(self, images: Tensor, generator: Generator, most: int) -> tuple[Tensor, Tensor]:
        inside = foreground(images) if self.settings.foreground else None
        return white_noise(images, generator, most, self.settings.noise_grain, inside)

    def _loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the sum of the losses of all scales, which are on the grid of the first."""
        images, masks = self._with_noise(batch, generator, self.settings.rectangles)
        maps = self.pair(images)
        synthetic = _on_grid_of(maps[0], masks)
        return torch.stack(
            [collaborative_loss(discrepancy, synthetic, self.settings.gamma) for discrepancy in maps]
        ).sum()

    @torch.no_grad()
    def _separation(self, images: Tensor, masks: Tensor) -> tuple[float, float] | None:
        """Return margin and overlap of the discrepancies at synthetic and at normal positions, summed over the scales.

        Return None if no synthetic anomaly was drawn.
        """
        self.eval()
        maps = self.pair(images)
        synthetic = _on_grid_of(maps[0], masks).bool()
        total = torch.stack(maps).sum(dim=0)
        far, near = (total[mask].double().cpu().numpy() for mask in (synthetic, ~synthetic))
        if not len(far):  # none of the few images got a rectangle
            return None
        return float(np.mean(far) - np.mean(near)), overlap(far, near)

    def _report_separation(
        self, track: Track, before: tuple[float, float] | None, after: tuple[float, float] | None
    ) -> None:
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
        """Return both scores of ``images`` (B, C, S, S), with their common map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        maps = gaussian(MAPS[self.settings.maps](self.pair, images), self.settings.sigma)
        highest, top = maps.amax(dim=(1, 2, 3)), top_mean(maps, self.settings.top_share)
        return {"max": Scored(highest, maps, highest[:, None]), "top": Scored(top, maps, top[:, None])}


def _on_grid_of(maps: Tensor, masks: Tensor) -> Tensor:
    """Resize masks (B, 1, H, W) to 0/1 on the grid of ``maps`` (B, 1, h, w) by nearest neighbor.

    Position i takes the pixel ``floor(i * H / h)`` and is synthetic if that pixel is not 0.
    """
    return (interpolate(masks, maps.shape[-2:], mode="nearest") != 0).to(maps.dtype)


def _from_features(pair: Pair, images: Tensor) -> Tensor:
    """Return the map of 2023, (B, 1, S, S): the sum over the scales of the discrepancies that training minimizes."""
    total = torch.stack(pair(images)).sum(dim=0)
    return interpolate(total, images.shape[-2:], mode="bilinear", align_corners=False)


def _from_cosines(pair: Pair, images: Tensor) -> Tensor:
    """Return the map of 2025, (B, 1, S, S): the mean of 1 - cosine similarity of each scale, upsampled."""
    size = images.shape[-2:]
    scales = [
        interpolate(discrepancy / 2, size, mode="bilinear", align_corners=True)
        for discrepancy in pair.on_own_grids(images)
    ]
    return torch.stack(scales).mean(dim=0)


MAPS: dict[str, Callable[[Pair, Tensor], Tensor]] = {"features": _from_features, "cosine": _from_cosines}
