"""Draw a split of the published sizes where the published split is not available; no patient is on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medad.datasets.layouts import LISTS
from medad.datasets.raw_downloads import RawCase

TEST = ("test normal", "test abnormal")
TRAINING = ("train normal", "unlabeled normal", "unlabeled abnormal")
Lists = dict[str, list[str]]


@dataclass(frozen=True)
class _Person:
    """The names of the images of one patient, or of one image without a patient, by label (0, 1)."""

    names: tuple[list[str], list[str]]


def custom_split(cases: Sequence[RawCase], counts: Mapping[str, int], seed: int) -> tuple[Lists, list[str]]:
    """Draw a split from ``cases`` in a random order that depends only on ``seed`` and the names.

    The lists have the lengths ``counts``; if there are too few cases of a label, all lists of that label are shortened
    in proportion. If patients have several images, some images may be left out so that no patient is on both sides.

    Returns:
        The names by list title (the keys of LISTS), and notes for the user on shortened lists.
    """
    lengths = {title: counts.get(title, 0) for title in LISTS}
    notes: list[str] = []
    for label, word in ((0, "normal"), (1, "abnormal")):
        titles = [title for title, (_, list_label) in LISTS.items() if list_label == label]
        there, needed = sum(case.label == label for case in cases), sum(lengths[title] for title in titles)
        if there < needed:
            notes.append(f"{there} {word} images are there and the published split has {needed}: shorter in proportion")
            lengths.update({title: lengths[title] * there // needed for title in titles})
    people = _people(cases, seed)
    lists: Lists = {title: [] for title in LISTS}
    rest = _fill(lists, TEST, lengths, people)
    _fill(lists, TRAINING, lengths, rest)
    short = sum(lengths.values()) - sum(map(len, lists.values()))
    if short:
        notes.append(f"{short} fewer than wanted: images of patients who are on the other side are left out")
    return lists, notes


def _people(cases: Sequence[RawCase], seed: int) -> list[_Person]:
    people: dict[tuple[str, str], _Person] = {}
    for case in sorted(cases, key=lambda case: case.name):
        key = ("patient", case.patient) if case.patient else ("image", case.name)
        people.setdefault(key, _Person(([], []))).names[case.label].append(case.name)
    return [people[key] for key in sorted(people, key=lambda key: _drawn(seed, key))]


def _drawn(seed: int, key: tuple[str, str]) -> bytes:
    """Return random bytes that are the same on every machine and in every version of Python."""
    return hashlib.sha256(f"{seed}\t{key[0]}\t{key[1]}".encode()).digest()


def _fill(lists: Lists, titles: Sequence[str], lengths: Mapping[str, int], people: Sequence[_Person]) -> list[_Person]:
    """Fill the lists ``titles``: first with people whose images all fit, then with some of the images of others.

    Return the people of whom no image was taken.
    """

    def room(label: int) -> int:
        fitting_titles = [title for title in titles if LISTS[title][1] == label]
        return sum(lengths[title] - len(lists[title]) for title in fitting_titles)

    for whole in (True, False):
        remaining = []
        for person in people:
            fits = [len(names) <= room(label) for label, names in enumerate(person.names)]
            some = any(names and room(label) for label, names in enumerate(person.names))
            if some and (all(fits) or not whole):
                for label, names in enumerate(person.names):
                    _place(lists, [title for title in titles if LISTS[title][1] == label], lengths, names)
            else:
                remaining.append(person)
        people = remaining
    return list(people)


def _place(lists: Lists, titles: Sequence[str], lengths: Mapping[str, int], names: Sequence[str]) -> None:
    for name in names:
        for title in titles:
            if len(lists[title]) < lengths[title]:
                lists[title].append(name)
                break
