"""The parts of an exported MONAI bundle, to which its configuration refers.

A bundle holds no code of its own: ``medad`` must be installed where it runs, and its reading, preprocessing, gate and
flags are those of 'medad score'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.inferers import Inferer
from monai.transforms import Transform
from torch import Tensor, nn

from medad.config import build
from medad.export.description import BLOCK
from medad.export.names import ExportError
from medad.io import discover
from medad.io.core.errors import UnreadableImage
from medad.methods.base import Method
from medad.model_card import Card, read_card
from medad.registry import methods
from medad.scoring.core.preparation import Preparation, Refused
from medad.scoring.index.file_info import explained
from medad.types import Scored, Skipped, Study


def network_settings(card: Card) -> Any:
    """Return the settings of the card's method."""
    kind = methods.get(card.method)
    return build(kind.settings_model, kind.settings_model.of_card(card.settings), "models/model.json")


class BundleNetwork(nn.Module):
    """Images (B, C, S, S) in [-1, 1] -> one tensor (B, n + M, S, S), as MONAI's tools expect of a network.

    The first n channels are the anomaly maps of the n scores. The other M channels are constant over the image: they
    hold the scores of the networks that are evaluated separately (``members``), in the same order. The score of an
    image is the mean over its members.
    """

    def __init__(self, models: str) -> None:
        """Build the method of the card ``models``/model.json; its weights are loaded later."""
        super().__init__()
        card = read_card(Path(models))
        self.method: Method = methods.get(card.method)(network_settings(card)).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return the maps and the scores of ``images`` as channels."""
        scored = self.method.score(images).values()
        maps = torch.cat([result.anomaly_map for result in scored], dim=1)
        members = torch.cat([result.members for result in scored], dim=1)
        return torch.cat([maps, members[:, :, None, None].expand(-1, -1, *maps.shape[2:])], dim=1)

    @torch.no_grad()
    def members(self) -> dict[str, int]:
        """Return the number of members of each score, by scoring an image."""
        settings = self.method.settings
        device = next(iter(self.method.state_dict().values()), torch.zeros(())).device
        image = torch.zeros(1, settings.channels, settings.size, settings.size, device=device)
        return {name: result.members.shape[1] for name, result in self.method.score(image).items()}


def split_channels(prediction: Tensor, members: Mapping[str, int]) -> dict[str, Scored]:
    """Return the scores that :class:`BundleNetwork` packed into the channels of ``prediction`` (N, n + M, S, S)."""
    scored, start = {}, len(members)
    for place, (name, count) in enumerate(members.items()):
        values = prediction[:, start : start + count, 0, 0]
        scored[name] = Scored(values.mean(dim=1), prediction[:, place : place + 1], values)
        start += count
    return scored


def items_of(folder: str) -> list[dict[str, Any]]:
    """Return an item for each study below ``folder``, and for each file that is none.

    Raises:
        ExportError: there is no such folder.
    """
    root = Path(folder)
    if not root.exists():
        raise ExportError(f"{root}: there is no such file or folder; name it with --dataset_dir")
    return [{"image": found, "root": str(root)} for found in discover(root)]


@dataclass(frozen=True)
class BundleRow:
    """The row of a study in the table, before its scores."""

    file: str
    status: str
    reason: str = ""


class ReadStudyd(Transform):
    """Read the study under the key "image", and replace it by its slices (N, C, S, S) and a row under "row".

    A file that is no image, cannot be read, or is unlike the training images has N = 0 slices.
    """

    def __init__(self, models: str, force: bool = False) -> None:
        """``force`` also passes what the gate would refuse."""
        card = read_card(Path(models))
        self.settings = network_settings(card)
        self.preparation = Preparation(card, self.settings, force=force)

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with "image" and "row"."""
        found, root = item["image"], Path(item["root"])
        nothing = torch.zeros(0, self.settings.channels, self.settings.size, self.settings.size)
        if isinstance(found, Skipped):
            return {"image": nothing, "row": BundleRow(_relative(found.path, root), "skipped", found.reason)}
        try:
            if isinstance(found, UnreadableImage):
                raise found
            return self._read(found, nothing)
        except UnreadableImage as error:
            name = found.id if isinstance(found, Study) else _relative(error.path, root)
            return {"image": nothing, "row": BundleRow(name, "failed", explained(error))}

    def _read(self, study: Study, nothing: Tensor) -> dict[str, Any]:
        try:
            prepared = self.preparation(self.preparation.read(study))
        except Refused as refusal:
            return {"image": nothing, "row": BundleRow(study.id, "skipped", str(refusal))}
        return {"image": prepared.slices, "row": BundleRow(study.id, "scored")}


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def collate_study(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a batch of one study: its slices are the batch of the network."""
    return dict(items[0])


class FixedPasses(Inferer):
    """Pass images through the network 16 at a time, filled up with zero images, as 'medad score' does on a CPU."""

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        """Return the outputs (N, ...) of N images; no images give an empty tensor."""
        results = [self._pass(part, network) for part in torch.split(inputs, BLOCK) if len(part)]
        return torch.cat(results) if results else inputs.new_zeros(0)

    def _pass(self, part: Tensor, network: Callable[..., Any]) -> Tensor:
        filled = torch.cat([part, part.new_zeros(BLOCK - len(part), *part.shape[1:])])
        result: Tensor = network(filled)[: len(part)]
        return result
