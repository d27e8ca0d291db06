"""Check a data set: decode every file and find images that occur on both sides or with both labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from medad.data.acquisition.facts import AcquisitionFacts
from medad.data.acquisition.separation import by_patient, separation
from medad.data.check.decoding import Finding, decode, tasks_of
from medad.data.check.targets import Lists, Subject
from medad.parallel import Lost, cores, each
from medad.types import Study
from medad.wording import counted


@dataclass
class Checked:
    """The result of a check.

    ``defects`` must be corrected; ``notes`` are for information. ``acquisition`` says how well the acquisition alone
    tells normals from the archive, and normals of the training from those of the test.
    """

    name: str
    kind: str
    counts: dict[str, int]
    defects: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    acquisition: list[str] = field(default_factory=list)


def check(subject: Subject, workers: int = 0) -> Checked:
    """Decode every study, compare the pixels, and return these findings with those of ``subject``.

    ``workers`` is the number of processes; 0 means one for each core.
    """
    checked = Checked(subject.name, subject.kind, {title: len(studies) for title, studies in subject.lists.items()})
    checked.defects += subject.defects
    checked.notes += subject.notes
    studies = [study for listed in subject.lists.values() for study in listed]
    tasks = tasks_of(studies)
    studies_by_digest: dict[str, list[str]] = {}
    defects_by_study: dict[str, tuple[str, ...]] = {}
    resampled: list[str] = []
    facts_by_study: dict[str, AcquisitionFacts | None] = {}
    for task, result in each(decode, tasks, workers or cores(), f"check {subject.name}"):
        finding = Finding(defects=(f"{task.files[0].name}: {result.reason}",)) if isinstance(result, Lost) else result
        defects_by_study[task.studies[0]] = finding.defects
        resampled += finding.resampled
        facts_by_study[task.studies[0]] = finding.acquisition
        if finding.pixels:
            studies_by_digest.setdefault(finding.pixels, []).append(task.studies[0])
    for task in tasks:  # in the order of the lists, not of completion
        checked.defects += defects_by_study[task.studies[0]]
    if resampled:
        first = min(resampled)
        checked.notes.append(f"{len(resampled)} masks lie on another grid than their images and are resampled: {first}")
    order = {study.id: place for place, study in enumerate(studies)}
    copies = [sorted(ids, key=order.__getitem__) for ids in studies_by_digest.values() if len(ids) > 1]
    _report_copies(sorted(copies, key=lambda group: order[group[0]]), subject.lists, checked)
    checked.acquisition += _acquisition(subject.lists, facts_by_study)
    return checked


def _acquisition(lists: Lists, facts_by_study: Mapping[str, AcquisitionFacts | None]) -> Iterator[str]:
    """Yield a sentence for each pair of groups that acquisition facts are compared on; small groups are left out."""
    groups: tuple[list[Study], list[Study], list[Study]] = ([], [], [])
    for title, studies in lists.items():
        if title != "test abnormal":
            groups[1 if title.startswith("unlabeled") else 2 if title == "test normal" else 0].extend(studies)
    first, *others = (by_patient(group, [facts_by_study.get(study.id) for study in group]) for group in groups)
    for name, second in zip(("the archive", "test normals"), others, strict=True):
        if (found := separation(("known normals", name), first, second)) is not None:
            yield found.text


def _report_copies(copies: Sequence[Sequence[str]], lists: Lists, checked: Checked) -> None:
    """Add the groups of equal images to ``checked``: as defects across sides or labels, else as notes."""
    title_of = {study.id: title for title, studies in lists.items() for study in studies}
    label_of = {study.id: study.label for studies in lists.values() for study in studies}

    def examples(groups: Sequence[Sequence[str]]) -> str:
        return "; ".join(" = ".join(f"{study} ({title_of[study]})" for study in group[:3]) for group in groups[:3])

    def be(groups: Sequence[object]) -> str:
        return counted(len(groups), "image is", "images are")

    sides = [{title_of[study].startswith("test") for study in group} for group in copies]
    across = [group for group, side in zip(copies, sides, strict=True) if len(side) == 2]
    within = [group for group, side in zip(copies, sides, strict=True) if len(side) == 1]
    labels = [group for group in copies if {0, 1} <= {label_of[study] for study in group}]
    if across:
        checked.defects.append(f"{be(across)} in training and in test, pixel for pixel: {examples(across)}")
    if labels:
        checked.defects.append(f"{be(labels)} listed as normal and as abnormal: {examples(labels)}")
    if within:
        checked.notes.append(f"{be(within)} there more than once, on one side: {examples(within)}")
