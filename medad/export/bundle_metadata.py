"""Describe a bundle in MONAI's metadata format, and that format as a JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from medad import __version__
from medad.model import Model

SCHEMA_URL = "https://project-monai.github.io/schema/meta_schema_20240725.json"
REQUIRED = ("medad", "pytorch-ignite", "safetensors", "pydicom", "nibabel")
TASK = "Anomaly detection: a score for each study and an anomaly map"
RESEARCH = "For research only: no medical device, not for diagnosis and not for decisions about a patient."


def metadata(model: Model, members: Mapping[str, int]) -> dict[str, Any]:
    """Return configs/metadata.json: versions, and the format of input and output, with what each channel is."""
    settings = model.method.settings
    plane = {"spatial_shape": [settings.size, settings.size], "dtype": "float32", "is_patch_data": False}
    color = "gray" if settings.channels == 1 else "color"
    inputs = {str(channel): name for channel, name in enumerate(["gray"] if color == "gray" else ["R", "G", "B"])}
    maps = [f"anomaly map of {name}" for name in members]
    packed = [
        f"score of {name}, network {index} (constant)" for name, count in members.items() for index in range(count)
    ]
    return {
        "schema": SCHEMA_URL,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported by medad {__version__} from model {model.digest}"},
        "monai_version": _version("monai"),
        "pytorch_version": _version("torch"),
        "numpy_version": _version("numpy"),
        "required_packages_version": {name: _version(name) for name in REQUIRED},
        "name": f"medad {model.card.method}",
        "task": TASK,
        "description": f"{model.method.title}: anomaly scores and maps, trained on normal and unlabeled studies",
        "authors": "see docs/README.md",
        "copyright": "see docs/README.md",
        "data_type": "DICOM, NIfTI and raster files",
        "intended_use": RESEARCH,
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude" if color == "gray" else "rgb",
                    "modality": _modality(model),
                    "num_channels": settings.channels,
                    **plane,
                    "value_range": [-1, 1],
                    "channel_def": inputs,
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "anomaly maps and scores",
                    "num_channels": len(maps) + len(packed),
                    **plane,
                    "value_range": [],
                    "channel_def": {str(place): name for place, name in enumerate([*maps, *packed])},
                }
            },
        },
    }


def _modality(model: Model) -> str:
    """Return the modality that most of the training images state, or "any"."""
    shares: dict[str, float] = model.card.profile.get("modality") or {}
    return max(shares, key=lambda name: shares[name]) if shares else "any"


def _version(package: str) -> str:
    if package == "medad":
        return __version__
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "unknown"


def metadata_schema() -> dict[str, Any]:
    """Return a JSON schema of the metadata, for 'verify_metadata' without a network.

    It holds the requirements of MONAI's bundle specification as far as MONAI's own commands use them; MONAI's official
    schema is at ``SCHEMA_URL``.
    """
    text = {"type": "string", "minLength": 1}
    number = {"type": "integer", "minimum": 1}
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    strings = ("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description")
    value = {
        "type": "object",
        "properties": {
            "type": text,
            "format": text,
            "num_channels": number,
            "spatial_shape": {"type": "array", "items": number, "minItems": 2},
            "dtype": {"enum": ["float32"]},
            "value_range": {"type": "array", "items": {"type": "number"}},
            "is_patch_data": {"type": "boolean"},
            "channel_def": texts,
        },
        "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "channel_def"],
    }
    values = {"type": "object", "additionalProperties": value, "minProperties": 1}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            **dict.fromkeys((*strings, "authors", "copyright"), text),
            "changelog": texts,
            "required_packages_version": texts,
            "network_data_format": {
                "type": "object",
                "properties": {"inputs": values, "outputs": values},
                "required": ["inputs", "outputs"],
            },
        },
        "required": [*strings, "changelog", "required_packages_version", "authors", "copyright", "network_data_format"],
    }
