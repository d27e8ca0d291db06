"""RD4AD: a student restores a frozen teacher's features from an embedding of them (Deng and Li, CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn.functional import cosine_similarity, interpolate

from medad.config import ConfigError
from medad.functional.smoothing import gaussian
from medad.methods._archive import training_studies
from medad.methods._frozen import FrozenBackbone
from medad.methods._rd4ad_settings import RD4ADSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.networks._reverse_distillation import Student
from medad.networks.base import draw_convolutions, initialize
from medad.registry import methods
from medad.training import Task, Track, adam, spawn, train
from medad.types import Scored, TrainingSet


@methods.register("rd4ad")
class RD4AD(Method):
    """The embedding of normal images cannot hold what is abnormal, so the restored features differ there."""

    settings_model = RD4ADSettings
    title = "RD4AD"
    settings: RD4ADSettings

    def __init__(self, settings: RD4ADSettings) -> None:
        super().__init__(settings)
        self.backbone = FrozenBackbone(settings.backbone)
        shapes = self.backbone.shapes(settings.size)
        sides = [height for _, height, _ in shapes]
        if len(shapes) != 3 or sides != [4 * sides[-1], 2 * sides[-1], sides[-1]]:
            raise ConfigError(
                f"backbone={settings.backbone}: RD4AD needs three feature maps, each half as large as the one before; "
                f"this one has maps of side {', '.join(map(str, sides))}"
            )
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights as they are built
            self.student = Student([channels for channels, _, _ in shapes], settings.blocks)
        # Channels-last weights are faster on a CPU.
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
        self.eval()

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "max"."""
        return {"max": "maximum of the map of restored features"}

    def rehearse(self, allow_download: bool = False) -> None:
        """Check that the file of the backbone's weights exists and fits. Raises BackboneError."""
        self.backbone.rehearse(self.settings.weights, allow_download)

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Train the student on the normal images, and on the unlabeled ones if ``use_archive``.

        Raises:
            TrainingError: there are too few images, or ``use_archive`` is set without unlabeled studies.
        """
        settings = self.settings
        origin = self.backbone.fill(settings.weights)
        images = load(training_studies(settings, data))
        self.to(torch.device(load.device))  # the images may stay on the CPU
        generator = spawn(rng)
        initialize(self.student, generator)
        draw_convolutions(self.student, spawn(generator))
        task = Task(
            "student",
            self.student,
            self._loss,
            images,
            adam(self.student, settings.learning_rate),
            settings.batch_size,
            settings.epochs,
            generator,
            keep_last=len(images) % settings.batch_size != 1,  # a single image may have no batch statistics
            also={"weights": origin, "backbone": settings.backbone, "blocks": str(settings.blocks)},
        )
        train([task], "train the student", track=track, keep=keep, amp=settings.amp)
        self.eval()

    def _loss(self, batch: Tensor) -> Tensor:
        """Return the sum over the scales of the mean 1 - cosine similarity of whole maps."""
        whole = [cosine_similarity(first.flatten(1), second.flatten(1)) for first, second in self._pairs(batch)]
        return torch.stack([1 - similarity.mean() for similarity in whole]).sum()

    def _pairs(self, images: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
        """Return the maps of teacher and student for each scale, each (B, C, h, w)."""
        with torch.no_grad():
            maps = self.backbone(images)
        return list(zip(maps, self.student(maps), strict=True))

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the score of ``images`` (B, C, S, S), the maximum of its smoothed map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        enlarged = partial(interpolate, size=images.shape[-2:], mode="bilinear", align_corners=True)
        parts = [enlarged(1 - cosine_similarity(*pair, dim=1)[:, None]) for pair in self._pairs(images)]
        maps = gaussian(torch.stack(parts).sum(dim=0), self.settings.sigma)
        score = maps.amax(dim=(1, 2, 3))
        return {"max": Scored(score, maps, score[:, None])}
