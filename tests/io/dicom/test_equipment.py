"""Facts of the acquisition in a DICOM header: a fixed vocabulary, and no damaged element costs an image."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from medad.io.dicom.equipment import equipment_of
from medad.io.dicom.header import Header


def header(**elements: object) -> Header:
    tags = Dataset()
    for keyword, value in elements.items():
        setattr(tags, keyword, value)
    return Header(Path("scan.dcm"), tags)


def test_what_a_header_states() -> None:
    found = equipment_of(
        header(
            Manufacturer="GE Healthcare",
            ManufacturerModelName="Optima XR220",
            ViewPosition="AP",
            KVP="85",
            SeriesDescription="CHEST PORTABLE",
        )
    )
    assert (found["manufacturer"], found["position"], found["portable"], found["kvp"]) == ("ge", "AP", True, 85.0)
    assert found["field_strength"] is None
    assert found["scanner"] == equipment_of(header(ManufacturerModelName=" optima  xr220"))["scanner"]


@pytest.mark.parametrize(
    ("stated", "word"),
    [("SIEMENS", "siemens"), ("Philips Medical Systems", "philips"), ("Ward 3, Dr. Geller", "other"), ("", None)],
)
def test_a_manufacturer_is_a_word_of_the_vocabulary(stated: str, word: str | None) -> None:
    assert equipment_of(header(Manufacturer=stated))["manufacturer"] == word


def test_no_free_text_leaves_the_header() -> None:
    name = "Muster^Erika"
    found = equipment_of(
        header(Manufacturer=name, ManufacturerModelName=name, ViewPosition="AP", SeriesDescription=name)
    )
    assert "muster" not in str(found).lower()


def test_an_empty_header_states_nothing() -> None:
    assert set(equipment_of(header()).values()) == {None}
