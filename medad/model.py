"""Save and load model folders: weights as safetensors, everything else as JSON. Loading executes no code from them.

Weights that were trained elsewhere can be imported by writing the two files by hand. ``model.json`` holds the fields of
:class:`Card` (copy one and change it). ``weights.safetensors`` holds the following tensors, where M is ``ndm`` or
``udm``, K counts its networks from 0, and NETWORK is ``M.members.K``. The tensors of a batch norm are weight, bias,
running_mean and running_var::

    NETWORK.encoder.{0,3,6,9}.weight                the four convolutions; {1,4,7,10} their batch norms
    NETWORK.encoder.13.{weight,bias}                linear to 2048; 14 its batch norm
    NETWORK.encoder.16.{weight,bias}                linear to 16
    NETWORK.memory.items                            (25, 16), MemAE only
    NETWORK.decoder.0.{weight,bias}                 linear to 2048; 1 its batch norm
    NETWORK.decoder.3.{weight,bias}                 linear to 64 (S / 16)^2
    NETWORK.decoder.{5,8,11,14}.weight              the transposed convolutions; {6,9,12} their batch norms
    refiners.SCORE.layers.{0,3,6}.{weight,bias}     ASR-Net of r_intra or r_dual; {1,4} its batch norms

The udm tensors are needed where a score compares the modules. In a model of CDO, ``pair.expert`` and
``pair.apprentice`` hold the tensors of the backbone under its own names: torchvision's for a ResNet. All are float32;
the counters ``num_batches_tracked`` (int64) may be left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from medad.config import ConfigError, Settings, build
from medad.files import WriteError, write_json, writing
from medad.methods.base import Method
from medad.model_card import Card, read_card
from medad.model_files import CARD, WEIGHTS, ModelError, check_files
from medad.registry import UnknownName, methods, missing_part
from medad.weights import Form, WeightsError, check_forms, forms_of, read_header, read_weights

__all__ = ["CARD", "WEIGHTS", "Card", "Model", "ModelError", "load", "read_card", "save"]


@dataclass(frozen=True)
class Model:
    """A trained method with its card. ``digest`` identifies the two files: 16 hex digits."""

    method: Method
    card: Card
    digest: str


def save(folder: Path, method: Method, card: Card) -> None:
    """Write the weights and then the card of a model to ``folder``, each atomically.

    Raises:
        WriteError: the operating system refuses.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in method.state_dict().items()}
    with writing(folder / WEIGHTS, durable=True) as part:
        try:
            save_file(tensors, part)
        except SafetensorError as error:  # also raised for a full disk
            raise WriteError(f"{folder / WEIGHTS} cannot be written: {error}") from None
    write_json(folder / CARD, card.model_dump(mode="json"), durable=True)


def load(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Load the model in ``folder``, ready to score on ``device``.

    Memory for the networks is allocated only after the card and the header of the weights have been checked. One thread
    loads: more would gain nothing, and those of OpenMP spin for seconds on a busy machine.

    Raises:
        ModelError: the folder holds no model, or its card and weights do not fit; the message names the part.
    """
    check_files(folder)
    _refuse_links(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _loaded(folder, device)
    finally:
        torch.set_num_threads(threads)


def _loaded(folder: Path, device: torch.device | str) -> Model:
    """Return the model in ``folder``. Raises ModelError."""
    try:
        card = read_card(folder)
        if why := missing_part(card.plugins):
            raise ModelError(f"{folder}: {why}")
        kind = methods.get(card.method)
        card = card.model_copy(update={"settings": kind.settings_model.of_card(card.settings)})
        settings = build(kind.settings_model, card.settings, str(folder / CARD))
        header = read_header(folder / WEIGHTS)
        _check_fit(folder, kind, settings, header)
        method: Method = kind(settings)
        tensors = read_weights(folder / WEIGHTS)
    except (UnknownName, ConfigError, WeightsError) as error:
        raise ModelError(f"{folder}: {error}") from None
    _check_scores(folder, card, method)
    counters = {name: value for name, value in method.state_dict().items() if name.endswith("num_batches_tracked")}
    method.load_state_dict({**counters, **tensors})
    try:
        method.check_tensors()
    except ValueError as error:
        raise ModelError(f"{folder / WEIGHTS}: {error}") from None
    return Model(method.to(device).eval(), card, _digest(folder))


def _refuse_links(folder: Path) -> None:
    """Refuse symbolic links that lead out of the folder: copying the model could copy any file of the machine."""
    home = folder.resolve()
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            raise ModelError(f"{path} is a link to a place outside of the model folder: copy the file itself there")


def _check_fit(folder: Path, kind: type[Method], settings: Settings, header: Mapping[str, Form]) -> None:
    """Compare the header with the networks that the settings describe, built on the meta device without memory."""
    if len(header) < settings.least_tensors:
        raise WeightsError(
            f"{folder / WEIGHTS}: {len(header)} tensors, and the settings in {CARD} describe at least "
            f"{settings.least_tensors}"
        )
    with torch.device("meta"):
        described = kind(settings)
    try:
        described.resize({name: form.shape for name, form in header.items()})
    except ValueError as error:
        raise WeightsError(f"{folder / WEIGHTS}: {error}") from None
    check_forms(folder / WEIGHTS, header, forms_of(described.state_dict()), f"the settings in {CARD}")


def _check_scores(folder: Path, card: Card, method: Method) -> None:
    for key, name in (("score", card.score), ("map", card.map)):
        if name and name not in method.scores:
            raise ModelError(f"{folder / CARD}: {key}={name!r} is none of its scores: {', '.join(method.scores)}")
    missing = [name for name in method.scores if name not in card.map_scale]
    if missing:
        raise ModelError(
            f"{folder / CARD}: map_scale has no value for the score {missing[0]!r}: add the top of its color scale, "
            "or train the model again"
        )


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for name in (CARD, WEIGHTS):
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
