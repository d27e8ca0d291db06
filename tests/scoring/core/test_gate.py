"""What the gate refuses, in words, and what it must let pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.making import gray_image, write_dicom
from numpy.typing import NDArray
from PIL import Image

from medad.config import Settings
from medad.data.facts import facts_of
from medad.data.loading import Loader
from medad.data.preprocessing import Preprocessing
from medad.data.profile import ProfileError, profile_of
from medad.io.image import Image as Source
from medad.scoring.core.gate import Gate
from medad.types import Study

CHEST = {"Modality": "CR", "BodyPartExamined": "CHEST", "ViewPosition": "PA", "ImagePositionPatient": None}


def chest(rng: np.random.Generator, side: int = 160) -> NDArray[np.uint8]:
    """Two dark lungs on a bright body, each time a little elsewhere."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    image = np.full((side, side), 150.0) - 40 * np.abs(columns - 0.5)
    for middle in (0.3, 0.7):
        shift = rng.uniform(-0.03, 0.03, 2)
        lung = ((columns - middle - shift[0]) / 0.14) ** 2 + ((rows - 0.45 - shift[1]) / 0.28) ** 2
        image -= 90 * (lung < 1)
    return (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)


Check = Callable[..., str | None]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of twenty frontal chest radiographs, by the way a training takes it."""
    folder, rng = tmp_path_factory.mktemp("train"), np.random.default_rng(0)
    studies = []
    for index in range(20):
        modality = "DX" if index % 3 else "CR"
        path = write_dicom(folder / f"{index}", chest(rng), **{**CHEST, "Modality": modality})
        studies.append(Study(str(index), (path,)))
    loader = Loader(Settings(size=16))
    loader(studies)
    return profile_of(loader.facts(studies))


@pytest.fixture
def check(profile: dict[str, Any], tmp_path: Path) -> Check:
    """``check(image, Modality="CT")``: what the gate says of a DICOM file."""

    def answer(image: NDArray[np.uint8], **tags: Any) -> str | None:
        path = write_dicom(tmp_path / "IM1", image, **{**CHEST, **tags})
        return Gate(profile).check(read(path))

    return answer


def source_of(pixels: NDArray[Any], **reading: Any) -> Source:
    return Source(torch.from_numpy(pixels[None].astype(np.float32)), reading)


def read(path: Path) -> Source:
    return Preprocessing(Settings(size=16)).read(Study("x", (path,)))


def test_what_is_like_the_training_images_passes(check: Check) -> None:
    rng = np.random.default_rng(1)
    assert check(chest(rng)) is None
    assert check(chest(rng, 1500), Modality="DX", ViewPosition="AP") is None
    assert check(chest(rng), ViewPosition="", BodyPartExamined="") is None
    assert check(chest(rng), BodyPartExamined="THORAX PA", ViewPosition="SOMETHING NEW") is None


def test_a_large_lesion_passes(check: Check) -> None:
    image = chest(np.random.default_rng(2))
    image[:, :80] = 200  # one side all white
    assert check(image) is None


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"ViewPosition": "LL"}, "lateral view; the model knows frontal"),
        ({"ViewPosition": "", "PatientOrientation": ["A", "F"]}, "lateral view; the model knows frontal"),
        ({"Modality": "CT"}, "modality CT; the model knows radiograph"),
        ({"BodyPartExamined": "KNEE"}, "body part leg; the model knows chest"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer, not an image to read"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "OT"}, "a secondary capture"),
    ],
)
def test_what_the_header_says(check: Check, tags: dict[str, Any], reason: str) -> None:
    found = check(chest(np.random.default_rng(3)), **tags)
    assert found is not None
    assert found.startswith(reason)


def test_what_the_pixels_say(check: Check) -> None:
    image = chest(np.random.default_rng(4))
    assert "gray levels" in (check(255 - image) or "")
    assert "laid out unlike" in (check(np.rot90(image).copy()) or "")
    assert "all its pixels are equal" in (check(np.full_like(image, 7)) or "")
    assert "the model knows short sides from 160 to 160" in (check(image[:30, :30]) or "")
    assert "a strip of 60 x 160" in (check(image[50:110]) or "")
    sparse = np.zeros_like(image)
    sparse[80, 40:90] = 255
    assert "gray levels" in (check(sparse) or "")


def test_a_photo_is_refused_and_a_radiograph_stored_as_rgb_is_not(profile: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    gray = chest(rng)
    Image.fromarray(np.stack([gray, gray // 2, 255 - gray], axis=-1)).save(tmp_path / "photo.jpg", quality=90)
    Image.fromarray(np.stack([gray] * 3, axis=-1)).save(tmp_path / "gray.jpg", quality=60)
    gate = Gate(profile)
    assert gate.check(read(tmp_path / "photo.jpg")) == "a color picture; the model knows gray ones"
    assert gate.check(read(tmp_path / "gray.jpg")) is None


def test_a_volume_is_no_radiograph(profile: dict[str, Any]) -> None:
    assert Gate(profile).check(source_of(np.random.rand(160, 160, 5))) == "a volume; the model knows radiographs"


def test_strays_in_training_teach_nothing_and_words_that_few_images_state_decide_nothing() -> None:
    rng = np.random.default_rng(6)

    def facts(view: str | None) -> Any:
        return facts_of(source_of(chest(rng, 48), modality="CR", view=view))

    lateral = source_of(chest(rng, 48), view="lateral")
    often, stray = [facts("frontal") for _ in range(99)], facts("lateral")
    assert Gate(profile_of([*often, stray])).check(lateral) == "lateral view; the model knows frontal"
    assert Gate(profile_of([*often[:20], *[stray] * 5])).check(lateral) is None
    assert Gate(profile_of([*often[:5], *[facts(None) for _ in range(10)]])).check(lateral) is None


def test_a_model_without_profile_lets_pass_and_a_wrong_profile_is_refused(profile: dict[str, Any]) -> None:
    assert Gate({}).check(source_of(np.zeros((9, 9)))) is None
    for wrong in ({"version": 2}, {**profile, "layout": [1.0]}, {**profile, "view": "frontal"}):
        with pytest.raises(ProfileError):
            Gate(wrong)


def test_few_images_make_no_layout_that_could_show_a_person() -> None:
    gray = gray_image(np.random.default_rng(7))
    few = profile_of([facts_of(source_of(gray))] * 9)
    assert few["layout"] is None
    assert Gate(few).check(source_of(255 - gray)) is None
    with pytest.raises(ProfileError):
        profile_of([])
