"""How images are read: the choices that change pixels, stored with every model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReadSettings(BaseModel):
    """What a reader does where a file leaves a choice. Frozen, and JSON through ``model_dump_json``.

    ``voi``: "off" gives physical values (after rescale or modality LUT); "window" applies the file's first window or
    VOI LUT, or the one called ``window``, onto 0..255; "published" is the chest protocol of the DDAD benchmarks on
    stored values: MONOCHROME1 as max - x, then min-max per image to whole gray levels 0..255, unless the values are
    stored in 8 bits: these stay as they are.
    ``color``: "keep" the channels, or "gray": 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) as one channel.
    ``time``: a file of several volumes or pages is refused, or "split": its name is then its first part. ``name#2`` is
    its second part in both cases.
    ``non_finite``: NaN and infinite pixels are refused, or filled with ``fill_value``.
    ``padding``: declared pixel padding becomes the "lowest" value of the image's other pixels, or is kept.
    ``max_bytes``: ceiling of the decoded float32 image; ``max_growth``: how many times the file's size it may be, once
    it is over 64 MiB. ``slice_tolerance``: how far a slice may lie off the even grid, in slice spacings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    voi: Literal["off", "window", "published"] = "off"
    window: str | None = None
    color: Literal["keep", "gray"] = "keep"
    time: Literal["refuse", "split"] = "refuse"
    non_finite: Literal["refuse", "fill"] = "refuse"
    fill_value: float = Field(default=0.0, allow_inf_nan=False)
    padding: Literal["lowest", "keep"] = "lowest"
    max_bytes: int = Field(default=2 * 1024**3, gt=0)
    max_growth: int = Field(default=400, gt=0)
    slice_tolerance: float = Field(default=0.05, gt=0, lt=0.5)
    keep_patient_tags: bool = False
