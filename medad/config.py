"""Define the settings: pydantic models, filled from mappings and from ``key=value`` overrides.

An unknown key or a value that is not allowed raises ConfigError, which names the key and the allowed values.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medad.parsing import SHOWN, ParseError, quoted
from medad.parsing_yaml import parse_yaml
from medad.text import visible
from medad.types import MedadError

Resampling = Literal["antialiased", "plain", "two_steps"]  # the modes of functional/resizing.py


class ConfigError(MedadError):
    """The setting does not exist, or its value is not allowed."""


MOST_EPOCHS = 100_000
MOST_IMAGES = 4096  # in a batch
MOST_RATE = 100.0  # of learning and of weight decay
MOST_SHOWN = 8  # problems that one message lists
MOST_LISTED = 1000  # data sets, seeds and the like in a pipeline
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Settings(Strict):
    """The settings of every method; each method adds its own. The defaults are the published protocol of DDAD."""

    learns_from_unlabeled: ClassVar[bool] = False

    size: int = Field(64, ge=16, le=2048, description="side of the network's grid, in pixels")
    channels: Literal[1, 3] = Field(1, description="1 for gray, 3 for color")
    preset: Literal["published", "cxr", "mr", "ct", "fundus"] = Field(
        "published",
        description="how intensities reach the network: published (8-bit by x / 255, all else min-max), cxr (the "
        "file's window), mr (percentiles), ct (soft tissue), fundus (min-max)",
    )
    anomaly_rate: float = Field(0.6, ge=0, le=1, description="share of the unlabeled set that is abnormal (benchmarks)")
    unlabeled: int | None = Field(
        None,
        ge=1,
        le=100_000_000,
        description="studies in the unlabeled set; null: the published count, or all that the rate allows",
    )
    calibration: float = Field(
        0.0, ge=0, lt=1, description="share of the known normals held out of training, for thresholds and p-values"
    )
    batch_size: int = Field(64, ge=2, le=MOST_IMAGES, description="images in a training batch, and in a scoring batch")

    @property
    def uses_archive(self) -> bool:
        """Return whether a method with these settings learns from unlabeled studies."""
        return self.learns_from_unlabeled and bool(getattr(self, "use_archive", True))

    @property
    def least_tensors(self) -> int:
        """Return a lower bound for the number of tensors in the weights of a model with these settings."""
        return 0

    @property
    def architecture(self) -> str:
        """Return the name of the network in tables, or "-" for a method without one."""
        return str(getattr(self, "network", "-"))

    @property
    def resampling(self) -> Resampling:
        """Return how images are resized to the network's grid."""
        return "antialiased"

    @classmethod
    def of_card(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``stored`` settings of a model card, with former values for settings newer than the card."""
        return dict(stored)


class Evaluation(Strict):
    """The settings of the evaluation. They do not affect training; a change re-evaluates finished results."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="confidence of every interval")
    resamples: int = Field(default=2000, ge=100, le=100_000, description="bootstrap resamples, for AP and F1")
    specificities: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.9, 0.95),
        max_length=100,
        description="operating points made from held-out normals: 0.95 flags 5 % of them at most",
    )
    sensitivities: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.9,),
        max_length=100,
        description="operating points made from the abnormal studies of a validation set",
    )
    prevalence: float | None = Field(
        default=None, gt=0, lt=1, description="share of abnormal studies where the model is to be used, for PPV and NPV"
    )
    score: str | None = Field(
        default=None, description="score that ranks studies and flags them; null: the one that stands for the method"
    )
    map: str | None = Field(
        default=None,
        description="score whose map is drawn; null: the map that marks synthetic lesions in normal studies best",
    )


class Tracking(Strict):
    """The tracking server and experiment of the runs, unless an option or the environment names others.

    ``model`` is the name under which a model is registered.
    """

    uri: str | None = None
    experiment: str | None = None
    model: str | None = None


class Pipeline(Strict):
    """The content of a pipeline file, one of pipelines/ or the user's own."""

    datasets: tuple[Name, ...] = Field((), max_length=MOST_LISTED)
    methods: tuple[Name, ...] = Field(("ddad",), max_length=MOST_LISTED)
    baselines: tuple[Name, ...] = Field((), max_length=MOST_LISTED)  # methods that a bench runs beside ``methods``
    networks: tuple[Name, ...] = Field(("ae",), max_length=MOST_LISTED)
    seeds: tuple[Seed, ...] = Field((0,), max_length=MOST_LISTED)
    anomaly_rates: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field((), max_length=MOST_LISTED)
    settings: dict[Name, Any] = {}
    method_settings: dict[Name, dict[Name, Any]] = {}  # for one method, before ``settings``
    variants: dict[Name, dict[Name, Any]] = {}  # of an ablation: the settings of each variant by its name
    data: str | None = Field(None, description="the manifest of an experiment of stages")
    stages: tuple[Literal["check", "train", "evaluate", "report", "register"], ...] = ()
    candidate: Name | None = Field(
        None, description="the method whose model the stage register registers; null: the first of methods"
    )
    registration: Literal["always", "if_separates", "never"] = Field(
        "always",
        description="whether the stage register makes the model a candidate: if_separates refuses one that the test "
        "set does not show to tell abnormal studies from normal ones",
    )
    tracking: Tracking = Tracking()

    def with_baselines(self) -> Pipeline:
        """Return the pipeline with its baselines before its methods; an ablation's variants are of its methods only."""
        if self.variants:
            return self
        return self.model_copy(update={"methods": tuple(dict.fromkeys((*self.baselines, *self.methods)))})


S = TypeVar("S", bound=Strict)


def build(model: type[S], values: Mapping[str, Any], where: str) -> S:
    """Validate ``values`` and return them as a ``model``.

    Raises:
        ConfigError: a key or value is not allowed; the message starts with ``where`` (a file or an option).
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = error.errors()
        more = f"; and {len(problems) - MOST_SHOWN} more" if len(problems) > MOST_SHOWN else ""
        raise ConfigError("; ".join(_explain(model, item, where) for item in problems[:MOST_SHOWN]) + more) from None


def _explain(model: type[Strict], item: Any, where: str) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "value"
    if item["type"] == "extra_forbidden":
        return unknown_key(key, list(model.model_fields), where)
    field = model.model_fields.get(str(item["loc"][0])) if item["loc"] else None
    meaning = f" ({field.description})" if field and field.description else ""
    literal = item["type"] == "literal_error"
    reason = f"choose from {item['ctx']['expected']}".replace("'", "") if literal else item["msg"]
    return f"{where}: {visible(key)}={quoted(item['input'])} is not allowed: {reason}{meaning}"


def unknown_key(key: str, allowed: Sequence[str], where: str) -> str:
    """Return the error message for an unknown key: the nearest allowed key, and all allowed keys."""
    near = difflib.get_close_matches(key[:SHOWN], allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{where}: unknown key {quoted(key)}.{hint} Allowed: {', '.join(sorted(allowed))}"


def parse_overrides(items: Sequence[str]) -> dict[str, Any]:
    """Return ``["epochs=2", "scores=[rec, intra]"]`` as a mapping; values are parsed as YAML.

    Raises:
        ConfigError: an item has no key, or its value is not valid YAML.
    """
    values: dict[str, Any] = {}
    for item in items:
        key, separator, text = item.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"--set {quoted(item)}: write it as key=value, for example epochs=10")
        try:
            values[key.strip()] = parse_yaml(text, f"--set {quoted(item)}")
        except ParseError as error:
            raise ConfigError(str(error)) from None
    return values
