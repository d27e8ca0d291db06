"""Is a study what the model was trained on? What certainly is not must not get a score that looks like any other.

A wrong refusal is costly, so each rule is generous, and one that the profile or the study cannot answer lets it pass:

- a word of the header (modality, body region, view) counts only if at least half of the training images state it, and
  is refused only if it is a word that fewer than 2 % of them bear; localizers, screenshots and color pictures likewise;
- the short side may be a quarter of the 1st percentile of training, and as long as it likes, for the network's grid is
  coarser anyway; the elongation (long side through short side) may be twice the 99th percentile;
- gray levels: the distance of the histograms, brightness and contrast apart, may be twice the largest of training, and
  at least 0.3 of 1; the coarse layout may match the typical one 0.2 worse than the worst percentile of training, and a
  match of 0.3 or more is never refused. A large lesion changes neither that much; another body part, an inverted or
  empty picture does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monai.data import MetaTensor

from medad.data.profile import WORDS, Facts, check_profile, distance, facts_of
from medad.data.transforms import match_channels
from medad.io.errors import UnreadableImage
from medad.io.picture import Picture
from medad.io.readers import as_image

STATED, STRAY = 0.5, 0.02
SIDE_FACTOR, ELONGATION_FACTOR = 4.0, 2.0
LEVELS_LEAST, LEVELS_FACTOR = 0.3, 2.0
LAYOUT_MOST, LAYOUT_MARGIN = 0.3, 0.2
_LOW, _HIGH, _MOST = 1, 3, 4  # places in the five quantiles of a profile


class Gate:
    """Compares a study with ``profile``, what the training images were like (``Card.profile``)."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        """An empty profile (a model of before) lets everything pass.

        Raises:
            ProfileError: it is of another version, or not of a profile's form.
        """
        self.profile = profile
        if profile:
            check_profile(profile)

    def check(self, image: MetaTensor) -> str | None:
        """Why ``image`` (C, *spatial), as ``Prepare.read`` gave it, is not for this model; None if it is."""
        if not self.profile:
            return None
        facts = facts_of(image)
        rules: tuple[Callable[[Facts], Iterator[str]], ...] = (self._kinds, self._words, self._size, self._pixels)
        return next((reason for rule in rules for reason in rule(facts)), None)

    def _kinds(self, facts: Facts) -> Iterator[str]:
        for name, what in (
            ("localizer", "a localizer, not an image to read; the model knows none"),
            ("capture", "a secondary capture (screenshot or scan); the model knows none"),
            ("colored", "a color picture; the model knows gray ones"),
        ):
            if getattr(facts, name) and self.profile[name] < STRAY:
                yield what
        known = self.profile["modality"]
        if facts.volume and not self.profile["volume"] and _known(known) == ["radiograph"]:
            yield "a volume; the model knows radiographs"

    def _words(self, facts: Facts) -> Iterator[str]:
        for name in WORDS:
            word, known = getattr(facts, name), self.profile[name]
            if word is None or sum(known.values()) < STATED or known.get(word, 0) >= STRAY:
                continue
            said = f"{word} view" if name == "view" else f"{'body part' if name == 'region' else name} {word}"
            yield f"{said}; the model knows {' and '.join(_known(known)) or 'others'}"

    def _size(self, facts: Facts) -> Iterator[str]:
        sides, stretch = self.profile["short_side"], self.profile["elongation"]
        size = f"{facts.sides[0]} x {facts.sides[1]} pixels"
        if min(facts.sides) < sides[_LOW] / SIDE_FACTOR:
            yield f"{size}; the model knows short sides from {sides[_LOW]:.0f} to {sides[_HIGH]:.0f}"
        if max(facts.sides) / min(facts.sides) > stretch[_HIGH] * ELONGATION_FACTOR:
            yield f"a strip of {size}; the model knows long sides of up to {stretch[_HIGH]:.1f} short ones"

    def _pixels(self, facts: Facts) -> Iterator[str]:
        levels, typical = self.profile["levels"], self.profile["layout"]
        if levels is None:
            return
        if facts.levels is None:
            yield "an empty picture: all its pixels are equal"
            return
        limit = max(LEVELS_LEAST, LEVELS_FACTOR * self.profile["levels_spread"][_MOST])
        if distance(facts.levels, levels) > limit:
            yield "its gray levels are unlike those of the training images (another kind of picture, or inverted?)"
        if typical is not None and facts.layout is not None:
            least = min(LAYOUT_MOST, self.profile["layout_match"][_LOW] - LAYOUT_MARGIN)
            if float(facts.layout @ typical) < least:
                yield "it is laid out unlike the training images (other body part or view, or turned?)"


class Judging:
    """What the gate of a model says of a picture, for one who only looks: :class:`medad.io.inspection.Judge`."""

    def __init__(self, profile: Mapping[str, Any], channels: int) -> None:
        self.gate, self.channels = Gate(profile), channels

    def __call__(self, picture: Picture, name: str) -> str:
        """Why the model would not score it, or ""."""
        try:
            return self.gate.check(match_channels(as_image(picture, name), self.channels)) or ""
        except UnreadableImage as error:
            return f"{error.reason}; {error.remedy}"


def _known(shares: Mapping[str, float]) -> list[str]:
    return [word for word, share in shares.items() if share >= STRAY]
