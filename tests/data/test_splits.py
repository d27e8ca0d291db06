"""The composition of the unlabeled set, and what the layout on disk must be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from helpers.making import write_med_ad

from medad.datasets.base import About, DatasetError, MissingDataset
from medad.datasets.layouts import LISTS, MedADLayout
from medad.registry import datasets
from medad.splits import Pools, SplitError, compose, name_digest
from medad.types import Split, Study, TrainingSet

ABOUT = About("X", "a citation", "a license", "a place", "a raw layout", "a prepared layout", "MR", "mr")


def studies(prefix: str, count: int, label: int, patient: str | None = None) -> tuple[Study, ...]:
    return tuple(Study(f"{prefix}{i}", (Path(f"{prefix}{i}.png"),), patient, label) for i in range(count))


def pools(normal: int, abnormal: int, **more: object) -> Pools:
    parts = [studies("n", 10, 0), studies("un", normal, 0), studies("ua", abnormal, 1)]
    return Pools(*parts, studies("tn", 3, 0), studies("ta", 3, 1), **more)


def test_the_first_names_are_taken_in_list_order() -> None:
    split = compose(pools(40, 60), 0.6, 10)
    assert [s.id for s in split.training.unlabeled] == [*(f"un{i}" for i in range(4)), *(f"ua{i}" for i in range(6))]
    assert all(s.label is None for s in (*split.training.normal, *split.training.unlabeled))
    assert [s.label for s in split.test] == [0] * 3 + [1] * 3


@pytest.mark.parametrize(("rate", "count"), [(0.6, 100), (0.5, 80), (0.0, 40), (1.0, 60), (0.29, 56)])
def test_without_a_count_the_pool_is_used_up(rate: float, count: int) -> None:
    chosen = compose(pools(40, 60), rate).training.unlabeled
    assert len(chosen) == count
    assert sum(s.id.startswith("ua") for s in chosen) == int(round(count * rate * 1e6) // 1e6)


@pytest.mark.parametrize(
    ("normal", "abnormal", "count", "low", "high"),
    [
        (4000, 5012, 4000, "0", "1"),
        (5606, 3394, 4000, "0", "0.8485"),
        (832, 900, 1500, "0.4454", "0.6"),
        (5, 7, 12, "0.5834", "0.5834"),
    ],
)
def test_an_infeasible_rate_names_the_published_range(
    normal: int, abnormal: int, count: int, low: str, high: str
) -> None:
    """The feasible ranges of METHODS.md, to four decimals: RSNA 0-1, VinDr up to 0.8485, LAG 0.4454-0.60."""
    official = pools(normal, abnormal, kind="official", published_unlabeled=count)
    assert len(compose(official, float(high)).training.unlabeled) == count
    for rate in (0.0, float(low), float(high), 1.0):
        if float(low) <= rate <= float(high):
            compose(official, rate)
        else:
            with pytest.raises(SplitError, match=f"choose a rate from {low} to {high}"):
                compose(official, rate)


def test_too_many_unlabeled_studies_are_refused() -> None:
    with pytest.raises(SplitError, match="set unlabeled to 100 at most"):
        compose(pools(40, 60), 0.6, 101)


def test_nothing_is_on_both_sides() -> None:
    learned = TrainingSet(tuple(s.unlabeled() for s in studies("a", 2, 0, patient="p1")))
    with pytest.raises(ValueError, match="study"):
        Split(learned, studies("a", 1, 0))
    with pytest.raises(ValueError, match="patient"):
        Split(learned, studies("b", 1, 0, patient="p1"))
    with pytest.raises(ValueError, match="file"):
        Split(learned, (Study("c", (Path("a0.png"),), label=1),))


def test_a_training_set_carries_no_label() -> None:
    with pytest.raises(ValueError, match="label"):
        TrainingSet(studies("a", 1, 0))


def test_the_official_split_is_recognized_by_its_digests(tmp_path: Path) -> None:
    folder = write_med_ad(tmp_path, "X", (3, 2, 2, 2, 2))
    content = json.loads((folder / "data.json").read_text())
    lists = [content["train"]["0"], *content["train"]["unlabeled"].values(), *content["test"].values()]
    digests = tuple(hashlib.sha256("\n".join(names).encode()).hexdigest()[:12] for names in lists)
    layout = MedADLayout(ABOUT, "X", 2, digests)
    found = layout.pools(tmp_path, tmp_path)
    assert (found.kind, found.published_unlabeled) == ("official", 2)
    renamed = content["test"]["1"][0]
    (folder / "images" / renamed).rename(folder / "images" / "renamed.png")
    (folder / "data.json").write_text((folder / "data.json").read_text().replace(renamed, "renamed.png"))
    assert layout.pools(tmp_path, tmp_path).kind == "custom split"


@pytest.mark.parametrize("name", ["rsna", "vindr", "braintumor", "lag"])
def test_official_digests_are_there_for_every_list(name: str) -> None:
    digests = datasets.get(name).digests
    assert len(digests) == len(LISTS)
    assert all(len(digest) == 12 and int(digest, 16) >= 0 for digest in digests)


def test_name_digest_is_sha256_over_lines() -> None:
    assert name_digest(["a", "b"]) == hashlib.sha256(b"a\nb").hexdigest()[:12]


def test_defects_of_the_layout_are_named(tmp_path: Path) -> None:
    layout = MedADLayout(ABOUT, "X", 2)
    with pytest.raises(MissingDataset, match=r"X.data\.json"):
        layout.pools(tmp_path, tmp_path)
    folder = write_med_ad(tmp_path, "X", (3, 2, 2, 2, 2))
    text = (folder / "data.json").read_text()
    for broken, said in (
        ("{", "not valid JSON"),
        (text.replace('"unlabeled"', '"more"'), 'no "train.unlabeled"'),
        (text.replace("4000.png", "0000.png"), "is in 'train normal' and in 'test abnormal'"),
        (text.replace("4000.png", "gone.png"), r"1 of 11 listed files are missing, first 'gone\.png'"),
        (text.replace('["3000.png", "3001.png"]', "3"), "must be a list of file names"),
    ):
        (folder / "data.json").write_text(broken)
        with pytest.raises(DatasetError, match=said):
            layout.pools(tmp_path, tmp_path)
