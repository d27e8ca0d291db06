"""The choices that change pixels when an image is read. They are stored with every model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReadSettings(BaseModel):
    """The choices of a reader where a file allows several. Frozen, and JSON through ``model_dump_json``.

    ``voi``: "off" gives physical values, after rescale or modality LUT. "window" maps the file's first window or VOI
    LUT, or the window named by ``window``, to 0..255. "published" follows the chest protocol of the DDAD benchmarks on
    stored values: MONOCHROME1 becomes max - x, then each image is scaled from its minimum and maximum to whole gray
    levels 0..255; values that are stored in 8 bits are not scaled.

    ``color``: "keep" keeps the channels; "gray" gives one channel, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).

    ``time``: "refuse" rejects a file of several volumes or pages; "split" reads its first part under its name.
    ``name#2`` is its second part in both cases.

    ``non_finite``: NaN and infinite pixels are refused, or filled with ``fill_value``.

    ``padding``: declared pixel padding is set to the "lowest" value of the image's other pixels, or kept.

    ``max_bytes`` is the largest decoded float32 image; ``max_growth`` is how many times the file's size an image over
    64 MiB may be. ``slice_tolerance`` is how far a slice may lie off the even grid, in slice spacings.
    ``keep_patient_tags`` adds patient tags to the meta data.
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
