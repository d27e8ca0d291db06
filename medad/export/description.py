"""What an exported file says about itself, as plain JSON: the outputs of its graph, its preprocessing, its model card.

The JSON is stored in the ONNX file under the metadata key "medad". Nothing in it is executed, and every value is
checked when it is read. This module imports neither PyTorch nor MONAI.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from medad import __version__
from medad.config import ConfigError, Name, Resampling, Settings, Strict, build
from medad.export.names import ExportError
from medad.io.core.settings import ReadSettings
from medad.model_card import Card
from medad.parsing import ParseError, parse_json, quoted

if TYPE_CHECKING:
    from medad.export.graph import Outputs

KEY = "medad"
FORMAT: Literal[1] = 1
BLOCK = 16  # images in a pass, as in scoring with PyTorch on a CPU
MOST_SCORES = 1000
Count = Annotated[int, Field(strict=True, ge=1, le=1000)]


class Intensities(Strict):
    """The range of an image that is mapped to [-1, 1], where its file states none.

    ``kind`` "extremes" is minimum and maximum; "percentiles" are the quantiles ``low`` and ``high``, as shares;
    "window" is the fixed range from ``low`` to ``high``, in the units of the file.
    """

    kind: Literal["extremes", "percentiles", "window"]
    low: float = 0.0
    high: float = 0.0

    @model_validator(mode="after")
    def _rising(self) -> Intensities:
        shares = self.kind == "percentiles" and not 0 <= self.low < self.high <= 1
        if shares or (self.kind == "window" and not self.low < self.high):
            raise ValueError(f"{self.kind} from {self.low:g} to {self.high:g} is no range")
        return self


INTENSITIES = {  # for each preset of medad/data/presets.py
    "published": Intensities(kind="extremes"),
    "cxr": Intensities(kind="percentiles", low=0.005, high=0.995),
    "mr": Intensities(kind="percentiles", low=0.005, high=0.995),
    "ct": Intensities(kind="window", low=-160, high=240),
    "fundus": Intensities(kind="extremes"),
}
VOI: dict[str, Literal["off", "window", "published"]] = {
    "published": "published",
    "cxr": "window",
    "mr": "off",
    "ct": "off",
    "fundus": "off",
}


class Preprocessing(Strict):
    """How a file becomes the input of the graph, (N, channels, size, size) in [-1, 1].

    ``voi`` and ``color`` are choices of the readers (:class:`medad.io.ReadSettings`). A range that a file states, such
    as 0 to 255 for 8-bit pictures, comes before ``intensities``. A volume is scored by its axial slices, as a
    radiologist sees them. ``resampling`` leads to the grid; "two_steps" goes by way of a grid ``finer`` times finer.
    """

    size: int = Field(strict=True, ge=16, le=2048)
    channels: Literal[1, 3]
    voi: Literal["off", "window", "published"]
    color: Literal["keep", "gray"]
    intensities: Intensities
    resampling: Resampling
    finer: Literal[4] = 4

    @classmethod
    def of(cls, settings: Settings) -> Preprocessing:
        """Return the preprocessing of a method with these ``settings``."""
        return cls(
            size=settings.size,
            channels=settings.channels,
            voi=VOI[settings.preset],
            color="gray" if settings.channels == 1 else "keep",
            intensities=INTENSITIES[settings.preset],
            resampling=settings.resampling,
        )

    def reading(self, split: bool = False) -> ReadSettings:
        """Return the settings of the readers; ``split`` reads the first of several volumes or pages in a file."""
        return ReadSettings(voi=self.voi, color=self.color, time="split" if split else "refuse")


class Score(Strict):
    """A score of the graph: its ``name``, its ``title`` in tables, and the number of ``members`` it is the mean of."""

    name: Name
    title: Annotated[str, Field(max_length=1000)]
    members: Count


class Description(Strict):
    """The content of the metadata key "medad" of an exported file.

    ``scores`` are the columns of the graph's outputs ``scores`` (B, n) and ``maps`` (B, n, S, S), in order; the output
    ``members`` (B, M) has ``Score.members`` columns for each of them. The score of a study is the mean over the members
    of their maxima over the slices. ``primary`` ranks studies unless the card names another score. ``block`` is the
    number of images in a pass: a shorter one is filled up with zero images, so that a score does not depend on the
    batch. ``card`` holds thresholds, calibration scores, the profile for the input gate, and color scales.
    """

    format: Literal[1] = FORMAT
    medad: Name = __version__
    scores: Annotated[tuple[Score, ...], Field(min_length=1, max_length=MOST_SCORES)]
    primary: Name
    block: Annotated[int, Field(strict=True, ge=1, le=4096)] = BLOCK
    preprocessing: Preprocessing
    card: Card

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        names = self.names
        for what, name in (("primary", self.primary), ("card.score", self.card.score), ("card.map", self.card.map)):
            if name and name not in names:
                raise ValueError(f"{what}={name!r} is none of the scores {', '.join(names)}")
        if missing := [name for name in names if name not in self.card.map_scale]:
            raise ValueError(f"card.map_scale has no value for the score {missing[0]!r}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the scores, in order."""
        return tuple(score.name for score in self.scores)

    @property
    def columns(self) -> dict[str, slice]:
        """Return the columns of the output ``members`` that belong to each score."""
        ends, places = 0, {}
        for score in self.scores:
            places[score.name] = slice(ends, ends + score.members)
            ends += score.members
        return places


def describe(card: Card, settings: Settings, titles: Sequence[str], outputs: Outputs, primary: str) -> Description:
    """Return the description of an exported model, from its card and the outputs of its graph."""
    scores = [
        Score(name=name, title=title, members=members)
        for name, title, members in zip(outputs.names, titles, outputs.members, strict=True)
    ]
    return Description(scores=tuple(scores), primary=primary, preprocessing=Preprocessing.of(settings), card=card)


def parse_description(text: str, where: str) -> Description:
    """Read the JSON ``text`` that stands in the file ``where``.

    Raises:
        ExportError: it is not a description of this format; the message names the field.
    """
    try:
        content: Any = parse_json(text, where)
        if not isinstance(content, dict):
            raise ExportError(f"{where}: the description is not a JSON object: export the model again")
        if content.get("format") != FORMAT:
            form = quoted(content.get("format"))
            raise ExportError(
                f"{where}: exported in format {form}, and this medad {__version__} reads format {FORMAT}: export the "
                "model again, or install the medad that wrote it"
            )
        return build(Description, content, f"{where}: not an export of medad")
    except (ParseError, ConfigError) as error:
        raise ExportError(f"{error}: export the model again") from None
