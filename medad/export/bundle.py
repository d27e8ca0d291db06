"""Write a model as a MONAI bundle: a folder that ``python -m monai.bundle run`` scores with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from medad.export.bundle_docs import readme
from medad.export.bundle_metadata import RESEARCH, metadata, metadata_schema
from medad.export.bundle_parts import BundleNetwork
from medad.files import WriteError, write_json, write_text, writing
from medad.model import CARD, Model

PARTS = "medad.export.bundle_parts"
WEIGHTS = "model.safetensors"
SCHEMA_FILE = "metadata.schema.json"


def write_bundle(model: Model, folder: Path) -> None:
    """Write ``model`` to ``folder`` as a bundle without code: configs/, models/, docs/.

    The weights are safetensors, whose names begin with "method."; the card is models/model.json.

    Raises:
        WriteError: the operating system refuses.
    """
    write_json(folder / "models" / CARD, model.card.model_dump(mode="json"))
    network = BundleNetwork(str(folder / "models"))
    tensors = {f"method.{name}": value.cpu().contiguous() for name, value in model.method.state_dict().items()}
    with writing(folder / "models" / WEIGHTS) as part:
        try:
            save_file(tensors, part)
        except SafetensorError as error:  # also raised for a full disk
            raise WriteError(f"{folder / 'models' / WEIGHTS} cannot be written: {error}") from None
    members = network.members()
    write_json(folder / "configs" / "inference.json", inference_config())
    write_json(folder / "configs" / "metadata.json", metadata(model, members))
    write_json(folder / "configs" / SCHEMA_FILE, metadata_schema())
    write_text(folder / "docs" / "README.md", readme(model, members, RESEARCH))


def inference_config() -> dict[str, Any]:
    """Return configs/inference.json, which is the same for every model."""
    models = "$@bundle_root + '/models'"
    return {
        "imports": ["$import torch", "$from medad.export import bundle_parts"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/studies'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "alpha": 0.05,
        "force": False,
        "models": models,
        "network_def": {"_target_": f"{PARTS}.BundleNetwork", "models": "@models"},
        "network": "$@network_def.to(@device)",
        "datalist": "$bundle_parts.items_of(@dataset_dir)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": f"{PARTS}.ReadStudyd", "models": "@models", "force": "@force"}],
        },
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
            "collate_fn": "$bundle_parts.collate_study",
        },
        "inferer": {"_target_": f"{PARTS}.FixedPasses"},
        "handlers": _handlers(),
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "val_handlers": "@handlers",
            "decollate": False,
        },
        "run": ["$@evaluator.run()"],
    }


def _handlers() -> list[dict[str, Any]]:
    """Return the handlers that load the weights and write the table."""
    return [
        {
            "_target_": "CheckpointLoader",
            "load_path": f"$@models + '/{WEIGHTS}'",
            "load_dict": {"model": "@network"},
            "map_location": "@device",
        },
        {
            "_target_": "medad.export.bundle_table.WriteScores",
            "models": "@models",
            "folder": "@output_dir",
            "network": "@network",
            "alpha": "@alpha",
        },
    ]
