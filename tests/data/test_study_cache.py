"""Features on disk: equal to computed ones, found by content, and never in the way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from medad.config import Settings
from medad.data.loading import Loader
from medad.data.study_cache import FILE, StudyCache, default_cache
from medad.data.study_features import extract_in_blocks
from medad.types import Study

SETTINGS = Settings(size=16)


class Counted:
    """Features (B, 2) of images, and how many batches were computed."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return torch.stack([images.mean(dim=(1, 2, 3)), images.amax(dim=(1, 2, 3))], dim=1)


@pytest.fixture
def scans(tmp_path: Path) -> tuple[Study, ...]:
    random = np.random.default_rng(0)
    paths = []
    for index in range(5):
        path = tmp_path / f"scan{index}.png"
        Image.fromarray(random.integers(0, 256, (20, 24), dtype=np.uint8)).save(path)
        paths.append(path)
    return tuple(Study(path.stem, (path,)) for path in paths)


def features(scans: tuple[Study, ...], cache: StudyCache | None, extract: Counted, name: str = "mean") -> list[Tensor]:
    loader = Loader(SETTINGS, cache=cache)
    computed = loader.features(scans, extract, name=name, block=2)
    assert [study for study, _ in computed] == list(scans)
    assert len(loader.facts(scans)) == len(loader.pixels(scans)) == len(scans)
    return [values for _, values in computed]


def test_a_second_run_computes_nothing_and_gets_the_same_bytes(scans: tuple[Study, ...], tmp_path: Path) -> None:
    first, second, plain = Counted(), Counted(), Counted()
    cache = StudyCache(tmp_path / "cache")
    computed = features(scans, cache, first)
    cached = features(scans, StudyCache(tmp_path / "cache"), second)
    assert first.batches == [2, 2, 2]
    assert second.batches == []
    assert all(torch.equal(a, b) for a, b in zip(computed, cached, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(computed, features(scans, None, plain), strict=True))


def test_facts_and_pixel_digests_come_back_with_the_features(scans: tuple[Study, ...], tmp_path: Path) -> None:
    cache = StudyCache(tmp_path / "cache")
    fresh, again = Loader(SETTINGS, cache=cache), Loader(SETTINGS, cache=cache)
    for loader in (fresh, again):
        loader.features(scans, Counted(), name="mean", block=2)
    assert again.pixels(scans) == fresh.pixels(scans)
    for one, two in zip(fresh.facts(scans), again.facts(scans), strict=True):
        assert one.sides == two.sides == (20, 24)
        assert one.modality == two.modality
        np.testing.assert_array_equal(one.levels, two.levels)
        np.testing.assert_array_equal(one.layout, two.layout)


def test_content_decides_not_the_name_of_a_file(scans: tuple[Study, ...], tmp_path: Path) -> None:
    cache = StudyCache(tmp_path / "cache")
    features(scans, cache, Counted())
    moved = tmp_path / "moved.png"
    scans[0].files[0].rename(moved)
    extract = Counted()
    features((Study("moved", (moved,)),), cache, extract)
    assert extract.batches == []
    Image.fromarray(np.full((20, 24), 7, np.uint8) + np.arange(24, dtype=np.uint8)).save(moved)
    features((Study("moved", (moved,)),), cache, extract)
    assert extract.batches == [2]


@pytest.mark.parametrize("other", [{"size": 32}, {"channels": 3}, {"preset": "mr"}])
def test_another_preparation_is_another_entry(
    scans: tuple[Study, ...], tmp_path: Path, other: dict[str, object]
) -> None:
    cache = StudyCache(tmp_path / "cache")
    features(scans, cache, Counted())
    extract = Counted()
    changed = Settings.model_validate({"size": 16, **other})
    Loader(changed, cache=cache).features(scans, extract, name="mean", block=2)
    Loader(SETTINGS, cache=cache).features(scans, extract, name="other", block=2)
    assert extract.batches == [2] * 6


def test_an_unreadable_study_is_left_out_and_costs_no_other(scans: tuple[Study, ...], tmp_path: Path) -> None:
    scans[2].files[0].write_bytes(b"no image")
    loader = Loader(SETTINGS, skip_unreadable=True, cache=StudyCache(tmp_path / "cache"))
    computed = loader.features(scans, Counted(), name="mean", block=2)
    assert [study.id for study, _ in computed] == ["scan0", "scan1", "scan3", "scan4"]


@pytest.mark.parametrize("damage", ["garbage", "truncated values", "folder"])
def test_a_damaged_cache_costs_time_only(
    scans: tuple[Study, ...], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cache"
    expected = features(scans, StudyCache(folder), Counted())
    if damage == "garbage":
        (folder / FILE).write_bytes(b"garbage" * 1000)
    elif damage == "folder":
        (folder / FILE).unlink()
        folder.rmdir()
        folder.write_text("a file where the folder should be")
    else:
        with sqlite3.connect(folder / FILE) as connection:
            connection.execute("UPDATE entries SET value = SUBSTR(value, 1, 100)")
    extract = Counted()
    computed = features(scans, StudyCache(folder), extract)
    assert extract.batches == [2, 2, 2]
    assert all(torch.equal(a, b) for a, b in zip(computed, expected, strict=True))
    assert ("the cache cannot be used" in caplog.text) == (damage != "truncated values")


def test_a_full_cache_loses_what_was_unused_for_longest(tmp_path: Path) -> None:
    cache = StudyCache(tmp_path / "cache", most_bytes=200_000)
    for number in range(8):
        cache.write({f"key{number}": bytes(40_000)})
        cache.read(["key0"])
    stored = cache.read([f"key{number}" for number in range(8)])
    assert {"key0", "key7"} <= stored.keys()
    assert "key1" not in stored


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDAD_CACHE", str(tmp_path / "named"))
    cache = default_cache()
    assert cache is not None
    cache.write({"key": b"value"})
    assert (tmp_path / "named" / FILE).is_file()
    assert (tmp_path / "named").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("MEDAD_CACHE", "off")
    assert default_cache() is None


def test_nothing_in_the_cache_names_a_file_or_a_patient(scans: tuple[Study, ...], tmp_path: Path) -> None:
    named = tuple(Study(study.id, study.files, patient="DOE-JANE-1234") for study in scans)
    features(named, StudyCache(tmp_path / "cache"), Counted())
    content = (tmp_path / "cache" / FILE).read_bytes()
    assert not any(word in content for word in (b"DOE-JANE", b"scan0", str(tmp_path).encode()))


def test_a_batch_always_has_one_size() -> None:
    extract = Counted()
    images = [(Study(str(n), (Path(f"{n}.png"),)), torch.rand(n, 1, 4, 4)) for n in (1, 5, 2, 3)]
    computed = list(extract_in_blocks(images, extract, 4))
    assert set(extract.batches) == {4}
    for (study, slices), (again, values) in zip(images, computed, strict=True):
        assert study is again
        assert torch.equal(values[:, 0], slices.mean(dim=(1, 2, 3)))
