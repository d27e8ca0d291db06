"""The choices that change pixels when an image is read. They are stored with every model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medad.config import Strict


class ReadSettings(Strict):
    """The choices of a reader where a file allows several. Frozen, and JSON through ``model_dump_json``."""

    voi: Literal["off", "window", "published"] = Field(
        default="off",
        description='"off" gives physical values, after rescale or modality LUT; "window" maps the window or VOI LUT '
        'of the file to 0..255; "published" follows the chest protocol of the DDAD benchmarks on stored values: '
        "MONOCHROME1 becomes max - x, then each image is scaled from its minimum and maximum to whole gray levels "
        "0..255, and values that are stored in 8 bits are not scaled",
    )
    window: str | None = Field(default=None, description="name of the window to use; null: the first of the file")
    color: Literal["keep", "gray"] = Field(
        default="keep",
        description='"keep" keeps the channels; "gray" gives one, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)',
    )
    time: Literal["refuse", "split"] = Field(
        default="refuse",
        description='"refuse" rejects a file of several volumes or pages; "split" reads its first part under its name. '
        "name#2 is its second part in both cases",
    )
    non_finite: Literal["refuse", "fill"] = Field(
        default="refuse", description="whether NaN and infinite pixels are refused, or filled with fill_value"
    )
    fill_value: float = Field(default=0.0, description="value of pixels that are not finite")
    padding: Literal["lowest", "keep"] = Field(
        default="lowest",
        description="whether declared pixel padding gets the lowest value of the other pixels, or is kept",
    )
    max_bytes: int = Field(default=2 * 1024**3, gt=0, description="bytes of the largest image, decoded as float32")
    max_growth: int = Field(
        default=400, gt=0, description="how many times the size of its file an image over 64 MiB may have when decoded"
    )
    slice_tolerance: float = Field(
        default=0.05, gt=0, lt=0.5, description="how far a slice may lie off the even grid, in slice spacings"
    )
    keep_patient_tags: bool = Field(default=False, description="whether patient tags are added to the meta data")
