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
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field, field_validator, model_validator
from safetensors import SafetensorError
from safetensors.torch import save_file

from medad import __version__
from medad.config import ConfigError, Name, Seed, Settings, Strict, build
from medad.data.profile import VERSION, ProfileError, check_profile
from medad.files import WriteError, write_json, writing
from medad.methods.base import Method
from medad.model_files import CARD, WEIGHTS, ModelError, check_files
from medad.parsing import ParseError, quoted, read_json
from medad.registry import UnknownName, methods
from medad.weights import Form, WeightsError, check_forms, forms_of, read_header, read_weights

FORMAT: Literal[1] = 1
CARD_BYTES = 32 * 2**20
MOST_KEYS = 1000
MOST_NORMALS = 1_000_000
ROUNDING = 1e-9  # relative tolerance by which a percentile may fall below the one before it


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(after < before - ROUNDING * max(1.0, abs(before)) for before, after in pairwise(values)):
        raise ValueError("the values must not fall: sort them")
    return values


Number = Annotated[float, Field(strict=True)]
Rising = Annotated[tuple[Number, ...], AfterValidator(_rising)]


class Card(Strict):
    """The content of ``model.json``: the method, its settings, the training data, thresholds and color scales.

    ``score`` ranks studies, and ``map`` names the score whose map is drawn, unless the user selects others.
    ``map_check`` is the pixel AUROC of each map on synthetic lesions, by which ``map`` was chosen. A pixel above
    ``map_threshold`` counts as abnormal and is colored; ``map_scale`` is the upper end of the color scale.

    ``calibration`` holds for each score the sorted scores of the held-out normal studies, or nothing if none were held
    out. ``thresholds`` holds for each score its operating points by name: a study above the threshold is flagged.
    ``profile`` describes the training images; the input gate compares new studies with it. ``loss_fall`` says for each
    network how much its loss still fell at the end of training (:func:`medad.training.history.late_fall`).

    ``percentiles`` exists on cards of earlier versions only and is not read. These are percentiles of training normals,
    which nearly every new study exceeds.
    """

    format: Literal[1] = FORMAT
    medad: Name = __version__
    method: Name
    settings: dict[Name, Any] = Field(max_length=MOST_KEYS)
    seed: Seed
    trained_on: dict[Name, Any] = Field(max_length=MOST_KEYS)
    score: Name | Literal[""] = ""
    map: Name | Literal[""] = ""
    map_check: dict[Name, Annotated[Number, Field(ge=0, le=1)]] = Field(default_factory=dict, max_length=MOST_KEYS)
    map_scale: dict[Name, Number] = Field(max_length=MOST_KEYS)
    map_threshold: dict[Name, Number] = Field(default_factory=dict, max_length=MOST_KEYS)
    percentiles: dict[Name, Annotated[Rising, Field(min_length=101, max_length=101)]] = Field(
        default_factory=dict, max_length=MOST_KEYS
    )
    calibration: dict[Name, Annotated[Rising, Field(max_length=MOST_NORMALS)]] = Field(
        default_factory=dict, max_length=MOST_KEYS
    )
    thresholds: dict[Name, dict[Name, Number]] = Field(default_factory=dict, max_length=MOST_KEYS)
    profile: dict[Name, Any] = Field(default_factory=dict, max_length=MOST_KEYS)
    loss_fall: dict[Name, Number] = Field(default_factory=dict, max_length=MOST_KEYS)

    @model_validator(mode="after")
    def _colors(self) -> Card:
        """Check that each color scale ends above its start, which is ``map_threshold`` or 0 (:meth:`color_range`)."""
        for name, top in self.map_scale.items():
            start = self.map_threshold.get(name, 0.0)
            if top <= start and top <= 0:
                raise ValueError(
                    f"map_scale.{name}={top:g} ends no color scale: it must be greater than {min(start, 0.0):g}"
                )
        return self

    @field_validator("trained_on")
    @classmethod
    def _counted(cls, source: dict[str, Any]) -> dict[str, Any]:
        for name in ("normal", "unlabeled"):
            count = source.get(name, 0)
            if type(count) is not int or count < 0:
                raise ValueError(f"{name} must be a number of studies, found {quoted(count)}")
        return source

    @field_validator("profile")
    @classmethod
    def _formed(cls, profile: dict[str, Any]) -> dict[str, Any]:
        """Check a profile of this version. One of another version is left to the gate, which can be switched off."""
        if profile.get("version") == VERSION:
            try:
                check_profile(profile)
            except ProfileError as error:
                raise ValueError(str(error)) from None
        return profile

    def ranking_score(self, primary: str) -> str:
        """Return the score that ranks studies: the card's, else the method's ``primary`` score."""
        return self.score or primary

    def drawn_map(self, score: str) -> str:
        """Return the score whose map is drawn if ``score`` ranks the studies: the card's ``map``, else ``score``."""
        return self.map or score

    def color_range(self, name: str) -> tuple[float, float]:
        """Return the start and the end of the color scale of the map of score ``name``.

        A pixel below the start is transparent, one above the end has the last color. The end is ``map_scale``, of any
        sign. The start is ``map_threshold``, which nearly all pixels of normal studies lie below. On cards of earlier
        versions the threshold may exceed ``map_scale``, as the two came from different studies: then the start is 0.
        """
        top, start = self.map_scale[name], self.map_threshold.get(name, 0.0)
        return (start, top) if start < top else (0.0, top)


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

    Memory for the networks is allocated only after the card and the header of the weights have been checked.

    Raises:
        ModelError: the folder holds no model, or its card and weights do not fit; the message names the part.
    """
    check_files(folder)
    _refuse_links(folder)
    try:
        card = read_card(folder)
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
    return Model(method.to(device).eval(), card, _digest(folder))


def read_card(folder: Path) -> Card:
    """Read the card of a model folder.

    Raises:
        ModelError: ``model.json`` is not a valid card; the message names the field.
    """
    path = folder / CARD
    try:
        content = read_json(path, CARD_BYTES)
        if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
            form = quoted(content["format"])
            raise ModelError(f"{path}: format {form}; this medad {__version__} reads format {FORMAT}")
        if not isinstance(content, dict):
            raise ModelError(f"{path}: not a model card of medad: expected an object, found {type(content).__name__}")
        return build(Card, content, f"{path}: not a model card of medad")
    except ParseError as error:
        raise ModelError(f"not a model card of medad: {error}") from None
    except ConfigError as error:
        raise ModelError(str(error)) from None


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
