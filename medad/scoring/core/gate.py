"""Refuse studies that are unlike the training images: their scores would look like any other score.

A wrong refusal is costly, so each rule is generous, and a study passes a rule for which the profile or the study lacks
the facts:

- Header words (modality, body region, view) are checked only if at least half of the training images state one. A word
  is refused if fewer than 2 % of the training images bear it. Localizers, screenshots and color pictures are refused if
  they were fewer than 2 % of the training images.
- The short side may be as small as a quarter of the 1st percentile of training. It has no upper limit, since the
  network's grid is coarser anyway. The elongation (long side / short side) may be twice the 99th percentile.
- Gray levels: the distance between the histograms, after brightness and contrast are removed, may be twice the largest
  distance in training, and always 0.3 (of 1).
- Layout: the match with the typical coarse layout may be 0.2 below the 1st percentile of training, and a match of 0.3
  or more is never refused. A large lesion does not change gray levels or layout that much; another body part, an
  inverted or an empty picture does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from medad.data.facts import Facts, distance, facts_of
from medad.data.profile import WORDS, check_profile
from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Picture

if TYPE_CHECKING:
    from medad.io.image import Image

STATED, STRAY = 0.5, 0.02
SIDE_FACTOR, ELONGATION_FACTOR = 4.0, 2.0
LEVELS_LEAST, LEVELS_FACTOR = 0.3, 2.0
LAYOUT_MOST, LAYOUT_MARGIN = 0.3, 0.2
_LOW, _HIGH, _MOST = 1, 3, 4  # indices into the five quantiles of a profile


class Gate:
    """Compares a study with ``profile``, the summary of the training images (``Card.profile``)."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        """Check ``profile``; an empty one (a model of an earlier version) lets every study pass.

        Raises:
            ProfileError: the profile has another version or an invalid form.
        """
        self.profile = profile
        if profile:
            check_profile(profile)

    def check(self, image: Image) -> str | None:
        """Return why ``image``, as it is in its files, is refused; None if it passes."""
        return self.refusal(facts_of(image)) if self.profile else None

    def refusal(self, facts: Facts) -> str | None:
        """Return why an image with these ``facts`` is refused; None if it passes."""
        if not self.profile:
            return None
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
        if facts.volume and not self.profile["volume"] and _frequent(self.profile["modality"]) == ["radiograph"]:
            yield "a volume; the model knows radiographs"

    def _words(self, facts: Facts) -> Iterator[str]:
        for name in WORDS:
            word, shares = getattr(facts, name), self.profile[name]
            if word is None or sum(shares.values()) < STATED or shares.get(word, 0) >= STRAY:
                continue
            description = f"{word} view" if name == "view" else f"{'body part' if name == 'region' else name} {word}"
            yield f"{description}; the model knows {' and '.join(_frequent(shares)) or 'others'}"

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
    """Applies the gate of a model to a picture without scoring it; implements
    :class:`medad.io.inspection.Judge`."""

    def __init__(self, profile: Mapping[str, Any], channels: int) -> None:
        self.gate, self.channels = Gate(profile), channels

    def __call__(self, picture: Picture, name: str) -> str:
        """Return why the model would refuse ``picture``; "" if it would score it."""
        from medad.io.image import image_of, with_channels

        try:
            return self.gate.check(with_channels(image_of(picture, name), self.channels)) or ""
        except UnreadableImage as error:
            return f"{error.reason}; {error.remedy}"


def _frequent(shares: Mapping[str, float]) -> list[str]:
    """Return the words that at least the share ``STRAY`` of the training images bears."""
    return [word for word, share in shares.items() if share >= STRAY]
