"""Is a study what the model was trained on?"""

from __future__ import annotations

from typing import Any

from monai.data import MetaTensor


class Gate:
    """Compares a study with ``profile``, what the training images were like (``Card.profile``)."""

    def __init__(self, profile: dict[str, Any]) -> None:
        self.profile = profile

    def check(self, image: MetaTensor) -> str | None:
        """Why ``image`` (C, *spatial), as ``Prepare.read`` gave it, is not for this model; None if it is."""
        return None
