"""DDAD: dual-distribution discrepancy for anomaly detection (Cai et al., Medical Image Analysis 86:102794, 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from medad.config import ConfigError
from medad.functional.losses import focal_loss, reconstruction_loss
from medad.functional.synthesis import blend_patches
from medad.methods._ddad_settings import DDADSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.networks._ensemble import Ensemble
from medad.networks._refinement import ASRNet
from medad.networks.base import initialize
from medad.registry import methods, networks, scores
from medad.training import Task, Track, TrainingError, adam, copied, spawn, train, visible
from medad.types import Evidence, Scored, TrainingSet


@methods.register("ddad")
class DDAD(Method):
    """Two ensembles of reconstruction networks: NDM learns normal images, UDM normal and unlabeled ones.

    The discrepancy within NDM and between the two is the anomaly map; an ASR-Net refines the map of a refined score.
    """

    settings_model = DDADSettings
    title = "DDAD"
    settings: DDADSettings

    def __init__(self, settings: DDADSettings) -> None:
        super().__init__(settings)
        self._read = {name: scores.get(name) for name in settings.scores}
        build = partial(networks.get(settings.network), settings.channels, settings.size)
        needs_udm = any(read.needs_udm for read in self._read.values())
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights as they are built
            self.ndm = Ensemble(build, settings.members)
            self.udm = Ensemble(build, settings.members) if needs_udm else None
            self.refiners = nn.ModuleDict(
                {name: ASRNet(len(read.refines)) for name, read in self._read.items() if read.refines}
            ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
        self.eval()
        if torch.get_default_device().type != "meta":  # there, PyTorch's decompositions cost seconds of import
            self._try_scores()

    def _try_scores(self) -> None:
        """Raise ConfigError for a score that cannot be computed now, and not after training."""
        settings = self.settings
        try:
            self.score(torch.zeros(1, settings.channels, settings.size, settings.size))
        except ValueError as error:
            raise ConfigError(f"scores={list(settings.scores)}, members={settings.members}: {error}") from None

    @property
    def scores(self) -> dict[str, str]:
        """Return the names and titles of the scores in the settings."""
        return {name: read.title for name, read in self._read.items()}

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Train both modules in parallel, then the refiners on the frozen modules.

        Raises:
            TrainingError: there are too few images for a batch, or no unlabeled studies for the second module.
        """
        if self.udm is not None and not data.unlabeled:
            ready = [name for name, read in self._read.items() if not read.needs_udm]
            raise TrainingError(
                "DDAD's second module learns from unlabeled studies and there are none: give some, or ask only for "
                f"scores that do without (--set scores=[{','.join(ready) or 'rec,intra,r_intra'}])"
            )
        normal = load(data.normal)
        device = torch.device(load.device)  # images may stay behind, on the CPU
        learn = partial(train, track=track, keep=keep, amp=self.settings.amp, devices=visible(device))
        self.to(device)
        tasks = list(self._module_tasks("ndm", self.ndm, normal, rng))
        if self.udm is not None:
            tasks += self._module_tasks("udm", self.udm, _joined(normal, load(data.unlabeled)), rng)
        self._check_refiners(len(normal))
        learn(tasks, "train the networks", later=list(self._refiner_tasks(normal, copied(rng))))
        self.eval()
        if self.refiners:
            learn(list(self._refiner_tasks(normal, rng)), "train ASR-Net")
        self.eval()

    def _check_refiners(self, images: int) -> None:
        """Raise TrainingError before the modules are trained if the refiners have too few images for a batch."""
        if self.refiners and images < self.settings.refine_batch_size:
            raise TrainingError(
                f"{images} normal images do not fill one batch of {self.settings.refine_batch_size} for ASR-Net; lower "
                f"it (--set refine_batch_size={max(2, images // 2)}) or give more studies"
            )

    def _module_tasks(self, module: str, ensemble: Ensemble, images: Tensor, rng: Generator) -> Iterator[Task]:
        settings = self.settings
        for index, network in enumerate(ensemble.members):
            generator = spawn(rng)
            initialize(network, generator)
            yield Task(
                f"{module}{index}",
                network,
                partial(_loss, network),
                images,
                adam(network, settings.learning_rate),
                settings.batch_size,
                settings.epochs,
                generator,
                kin=module,
            )

    def _refiner_tasks(self, normal: Tensor, rng: Generator) -> Iterator[Task]:
        settings = self.settings
        for name, refiner in self.refiners.items():
            generator = spawn(rng)
            initialize(refiner, generator)
            yield Task(
                name,
                refiner,
                partial(self._refiner_loss, name, normal, generator),
                normal,
                adam(refiner, settings.refine_learning_rate, settings.refine_weight_decay),
                settings.refine_batch_size,
                settings.refine_epochs,
                generator,
            )

    def _refiner_loss(self, name: str, normal: Tensor, generator: Generator, batch: Tensor) -> Tensor:
        images, masks = blend_patches(batch, normal, generator)
        with torch.no_grad():
            maps = self._read[name](self._look(images))
        return focal_loss(self.refiners[name](maps), masks)

    def _look(self, images: Tensor) -> Evidence:
        return Evidence(images, self.ndm(images), None if self.udm is None else self.udm(images))

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return every score of ``images`` (B, C, S, S), from one pass through the networks."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        evidence = self._look(images)
        return {name: self._scored(name, read(evidence)) for name, read in self._read.items()}

    def _scored(self, name: str, maps: Tensor) -> Scored:
        if name in self.refiners:
            maps = self.refiners[name](maps)[:, 1:]
        return Scored(maps.mean(dim=(1, 2, 3)), maps.mean(dim=1, keepdim=True), maps.mean(dim=(2, 3)))


def _loss(network: nn.Module, batch: Tensor) -> Tensor:
    return reconstruction_loss(batch, network(batch))


def _joined(first: Tensor, second: Tensor) -> Tensor:
    """Concatenate two sets of images, on the CPU if either did not fit on the device."""
    home = first.device if first.device == second.device else torch.device("cpu")
    return torch.cat([first.to(home), second.to(home)])
