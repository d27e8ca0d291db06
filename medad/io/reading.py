"""Keep the decisions of a reading in the meta data of an image, through batches, caches and torch.load."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data._utils.collate import default_collate_fn_map


class Reading(dict[str, Any]):
    """The decisions of one reading, as plain JSON.

    A batch holds them as a list with one entry for each image. torch and MONAI would try to stack the entries, whose
    notes differ in number.
    """

    def __reduce__(self) -> tuple[type[Reading], tuple[dict[str, Any]]]:
        return Reading, (dict(self),)  # without it, torch refuses to load a subclass of dict with weights_only=True


def _collate_readings(batch: list[Reading], **_: Any) -> list[Reading]:
    """Collate readings to a list."""
    return list(batch)


default_collate_fn_map[Reading] = _collate_readings  # torch's documented way to extend default_collate
torch.serialization.add_safe_globals([Reading])  # so that PersistentDataset can store and load it
