"""The model folder: weights as safetensors, everything else as JSON. Nothing in it is executed.

Weights made elsewhere can be brought in: write the two files by hand. ``model.json`` holds the fields of :class:`Card`
(copy one and change it); ``weights.safetensors`` holds these tensors, where M is ``ndm`` or ``udm`` and K counts its
networks from 0 (NETWORK = M.members.K). Each batch norm is weight, bias, running_mean and running_var.

    NETWORK.encoder.{0,3,6,9}.weight                the four convolutions; {1,4,7,10} their batch norms
    NETWORK.encoder.13.{weight,bias}                linear to 2048; 14 its batch norm
    NETWORK.encoder.16.{weight,bias}                linear to 16
    NETWORK.memory.items                            (25, 16), MemAE only
    NETWORK.decoder.0.{weight,bias}                 linear to 2048; 1 its batch norm
    NETWORK.decoder.3.{weight,bias}                 linear to 64 (S / 16)^2
    NETWORK.decoder.{5,8,11,14}.weight              the transposed convolutions; {6,9,12} their batch norms
    refiners.SCORE.layers.{0,3,6}.{weight,bias}     ASR-Net of r_intra or r_dual; {1,4} its batch norms

The udm tensors are needed where a score compares the modules. In a model of CDO, ``pair.expert`` and
``pair.apprentice`` hold the tensors of the backbone under its own names: torchvision's for a ResNet. The counters
``num_batches_tracked`` may be left out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from medad import __version__
from medad.config import ConfigError, Strict, build
from medad.methods._method import Method
from medad.model_files import CARD, WEIGHTS, ModelError, check_files
from medad.registry import UnknownName, methods

FORMAT = 1


class Card(Strict):
    """``model.json``: what the model is and what it was made from.

    ``map_scale``: the top of each map's color scale; ``map_threshold``: above it, a pixel counts as abnormal. For each
    score, ``percentiles`` are the 101 percentiles (0 to 100) of the studies it was trained on as normal,
    ``calibration`` the sorted scores of the normals that were held out for calibration (empty if none were), and
    ``thresholds`` its operating points by name: a study is flagged whose score is above. ``profile`` is what the
    training images were like: what a gate compares a new study with.
    """

    format: int = FORMAT
    medad: str = __version__
    method: str
    settings: dict[str, Any]
    seed: int
    trained_on: dict[str, Any]
    map_scale: dict[str, float]
    map_threshold: dict[str, float] = Field(default_factory=dict)
    percentiles: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    calibration: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    thresholds: dict[str, dict[str, float]] = Field(default_factory=dict)
    profile: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A trained method with its card; ``digest`` identifies weights and card."""

    method: Method
    card: Card
    digest: str


def save(folder: Path, method: Method, card: Card) -> None:
    """Write the model folder; it appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in method.state_dict().items()}
    part = folder / f"{WEIGHTS}.part"
    save_file(tensors, part)
    part.replace(folder / WEIGHTS)
    part = folder / f"{CARD}.part"
    part.write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    part.replace(folder / CARD)


def load(folder: Path, device: torch.device | str = "cpu") -> Model:
    """The model in ``folder``, ready to score on ``device``.

    Raises:
        ModelError: it is no model folder, or its parts do not fit together; the message says which.
    """
    check_files(folder)
    card = _read_card(folder / CARD)
    try:
        kind = methods.get(card.method)
        method: Method = kind(build(kind.settings_model, card.settings, str(folder / CARD)))
        tensors = load_file(folder / WEIGHTS)
    except (UnknownName, ConfigError) as error:
        raise ModelError(f"{folder}: {error}") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{folder / WEIGHTS}: not readable as safetensors: {error}") from None
    _fill(method, tensors, folder / WEIGHTS)
    return Model(method.to(device).eval(), card, _digest(folder))


def _read_card(path: Path) -> Card:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        card = Card(**content)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, ValidationError) as error:
        raise ModelError(f"{path}: not a model card of medad: {' '.join(str(error).split())}") from None
    if card.format != FORMAT:
        raise ModelError(f"{path}: format {card.format}; this medad {__version__} reads format {FORMAT}")
    return card


def _fill(method: Method, tensors: dict[str, Tensor], path: Path) -> None:
    counters = {name: value for name, value in method.state_dict().items() if name.endswith("num_batches_tracked")}
    tensors = {**counters, **tensors}  # what PyTorch counts and no score depends on
    expected = {name: tuple(value.shape) for name, value in method.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in tensors.items()}
    wrong = [name for name in sorted(expected.keys() | given.keys()) if expected.get(name) != given.get(name)]
    if wrong:
        name = wrong[0]
        raise ModelError(
            f"{path}: {len(wrong)} tensors do not fit the settings in {CARD}; the first is {name!r}: "
            f"expected {expected.get(name, 'none')}, found {given.get(name, 'none')}"
        )
    method.load_state_dict(tensors)


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for name in (CARD, WEIGHTS):
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
