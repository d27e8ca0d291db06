"""Nothing of a test study (ID, label, image) may reach training, thresholds or normalization."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.making import FAST
from helpers.making_studies import make_experiment, make_pools, run_one
from PIL import Image
from safetensors.numpy import load_file

from medad.methods.pca import PCA
from medad.model import CARD, WEIGHTS, load
from medad.splits import Pools
from medad.types import Study, TrainingSet

KNOWN = ("score", "map", "map_check", "map_scale", "map_threshold", "calibration", "thresholds")
LEARNED = (*KNOWN, "profile", "settings")


def poison(study: Study, folder: Path) -> Study:
    """Another ID, patient and label, and an image of noise unlike any other."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(len(study.id))
    path = folder / f"poison-{study.id}.png"
    Image.fromarray(rng.choice(np.array([0, 255], np.uint8), (32, 32))).save(path)
    return replace(study, id=path.stem, files=(path,), patient=None, label=1 - (study.label or 0), mask=None)


def poisoned(pools: Pools, folder: Path) -> Pools:
    """All test studies poisoned; the two classes change places."""
    normal, abnormal = (
        tuple(poison(study, folder) for study in part) for part in (pools.test_normal, pools.test_abnormal)
    )
    return replace(pools, test_normal=abnormal, test_abnormal=normal)


def learned(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights, and what the card knows of the images."""
    card = load(folder / "model").card.model_dump()
    return load_file(folder / "model" / WEIGHTS), {key: card[key] for key in LEARNED}


def equal(first: tuple[dict[str, Any], dict[str, Any]], second: tuple[dict[str, Any], dict[str, Any]]) -> bool:
    return first[1] == second[1] and all(np.array_equal(first[0][name], second[0][name]) for name in first[0])


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    return make_pools(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("method", ["pca", "ddad"])
def test_a_model_and_its_thresholds_are_the_same_whatever_the_test_set_is(
    method: str, pools: Pools, tmp_path: Path
) -> None:
    experiment = make_experiment(method, **FAST, calibration=0.3)
    run_one(experiment, pools, tmp_path / "one")
    run_one(experiment, poisoned(pools, tmp_path / "images"), tmp_path / "two")
    first, second = learned(tmp_path / "one"), learned(tmp_path / "two")
    assert all(first[1][key] for key in KNOWN)
    assert equal(first, second)
    with (tmp_path / "one" / "cases.csv").open() as one, (tmp_path / "two" / "cases.csv").open() as two:
        assert one.read() != two.read(), "the poison must act where it may"


@pytest.mark.parametrize("place", ["normal", "calibration"])
def test_the_comparison_would_notice_one_study(place: str, pools: Pools, tmp_path: Path) -> None:
    """One poisoned study among the known normals changes what was learned, or the thresholds."""
    experiment = make_experiment(calibration=0.3)
    run_one(experiment, pools, tmp_path / "one")
    from medad.data.calibration import hold_out

    plain = TrainingSet(tuple(study.unlabeled() for study in pools.normal))
    held_out = {study.id for study in hold_out(plain, 0.3, 0)[1]}
    index = next(i for i, study in enumerate(pools.normal) if (study.id in held_out) == (place == "calibration"))
    bad = poison(pools.normal[index], tmp_path / "images")
    changed = replace(pools.normal[index], files=bad.files)
    normal = (*pools.normal[:index], changed, *pools.normal[index + 1 :])
    run_one(experiment, replace(pools, normal=normal), tmp_path / "two")
    assert not equal(learned(tmp_path / "one"), learned(tmp_path / "two"))


def test_training_is_given_no_test_study_no_held_out_one_and_no_label(
    pools: Pools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Study] = []
    fit = PCA.fit

    def recorded(self: PCA, data: TrainingSet, load: Any, **more: Any) -> None:
        def watched(studies: Any) -> Any:
            given.extend(studies)
            return load(studies)

        given.extend((*data.normal, *data.unlabeled))
        fit(self, data, watched, **more)

    monkeypatch.setattr(PCA, "fit", recorded)
    _, loader = run_one(make_experiment(calibration=0.3), pools, tmp_path)
    test = {study.id for study in (*pools.test_normal, *pools.test_abnormal)}
    scores = load(tmp_path / "model").card.calibration["rec"]
    assert len(scores) >= 9
    names = {study.id for study in given}
    assert len(names) == 30 - len(scores) + 12
    assert not names & test
    assert all(study.label is None and study.mask is None and not study.attributes for study in given)
    before = next(i for i, group in enumerate(loader.asked) if test & {study.id for study in group})
    learned_from = {study.id for group in loader.asked[:before] for study in group}
    assert learned_from == {study.id for study in pools.normal}, "PCA reads no unlabeled study"
    assert (tmp_path / "model" / CARD).stat().st_mtime_ns <= (tmp_path / "cases.csv").stat().st_mtime_ns


def test_a_test_study_among_the_training_studies_is_refused(pools: Pools, tmp_path: Path) -> None:
    for part in ("normal", "unlabeled_normal", "unlabeled_abnormal"):
        mixed = replace(pools, **{part: (pools.test_abnormal[0], *getattr(pools, part))})
        with pytest.raises(ValueError, match="both training and test"):
            run_one(make_experiment(), mixed, tmp_path / part)
