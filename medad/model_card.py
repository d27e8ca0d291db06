"""Define and read the card of a model folder, ``model.json``."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from medad import __version__
from medad.config import ConfigError, Name, Seed, Strict, build
from medad.data.acquisition.model import AcquisitionModel
from medad.data.profile import VERSION, ProfileError, check_profile
from medad.model_files import CARD, ModelError
from medad.outputs.pictures import Scale
from medad.parsing import ParseError, quoted, read_json

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
    ``map_threshold`` counts as abnormal and is colored: it is the quantile ``map_quantile`` of the map's pixels in
    normal studies. ``map_scale`` is the upper end of the color scale.

    ``calibration`` holds for each score the sorted scores of the held-out normal studies, or nothing if none were held
    out. ``thresholds`` holds for each score its operating points by name: a study above the threshold is flagged.
    ``profile`` describes the training images; the input gate compares new studies with it. ``loss_fall`` says for each
    network how much its loss still fell at the end of training (:func:`medad.training.history.late_fall`).

    ``acquisition`` is the model of acquisition facts, normals against archive, by which an AUC is adjusted; None if
    there were too few studies. ``acquisition_notes`` say how well these facts alone tell the archive from the normals.
    ``plugins`` names the packages of the method and its parts that are no part of medad
    (:func:`medad.registry.providers`).

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
    map_quantile: Annotated[Number, Field(gt=0, lt=1)] = 0.99  # that of earlier versions
    percentiles: dict[Name, Annotated[Rising, Field(min_length=101, max_length=101)]] = Field(
        default_factory=dict, max_length=MOST_KEYS
    )
    calibration: dict[Name, Annotated[Rising, Field(max_length=MOST_NORMALS)]] = Field(
        default_factory=dict, max_length=MOST_KEYS
    )
    thresholds: dict[Name, dict[Name, Number]] = Field(default_factory=dict, max_length=MOST_KEYS)
    profile: dict[Name, Any] = Field(default_factory=dict, max_length=MOST_KEYS)
    plugins: dict[Name, Name] = Field(default_factory=dict, max_length=MOST_KEYS)
    loss_fall: dict[Name, Number] = Field(default_factory=dict, max_length=MOST_KEYS)
    acquisition: AcquisitionModel | None = None
    acquisition_notes: tuple[Name, ...] = Field((), max_length=MOST_KEYS)

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

    def color_scale(self, name: str) -> Scale:
        """Return the color scale of the map of score ``name``, the same in every picture of the model."""
        low, high = self.color_range(name)
        from_normals = name in self.map_threshold and low == self.map_threshold[name]
        return Scale(name, low, high, f"normals' {100 * self.map_quantile:g}th percentile" if from_normals else "")


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
