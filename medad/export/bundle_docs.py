"""Write docs/README.md of a bundle from the model's card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medad import __version__
from medad.model import Model

COMMANDS = """```bash
python -m monai.bundle run --bundle_root BUNDLE --config_file BUNDLE/configs/inference.json \\
    --meta_file BUNDLE/configs/metadata.json --dataset_dir FOLDER --output_dir OUT
python -m monai.bundle verify_net_in_out network_def --bundle_root BUNDLE \\
    --meta_file BUNDLE/configs/metadata.json --config_file BUNDLE/configs/inference.json
python -m monai.bundle verify_metadata --meta_file BUNDLE/configs/metadata.json \\
    --filepath BUNDLE/configs/metadata.schema.json
python -m monai.bundle ckpt_export network_def --bundle_root BUNDLE --filepath model.ts \\
    --ckpt_file BUNDLE/models/model.safetensors --meta_file BUNDLE/configs/metadata.json \\
    --config_file BUNDLE/configs/inference.json --use_trace True --input_shape "[1,{channels},{size},{size}]"
```"""


def readme(model: Model, members: Mapping[str, int], limits: str) -> str:
    """Return the text of docs/README.md: what the model is, how to run it, what its channels are, its limits."""
    card, settings = model.card, model.method.settings
    scores = {f"`{name}`": f"{title}; mean of {members[name]}" for name, title in model.method.scores.items()}
    commands = COMMANDS.replace("{channels}", str(settings.channels)).replace("{size}", str(settings.size))
    points = {
        f"{score}, {name}": f"above {value:.6g}" for score, of in card.thresholds.items() for name, value in of.items()
    }
    normals = {name: f"{len(values)} held-out normal studies" for name, values in card.calibration.items()}
    parts = [
        f"# medad {card.method}",
        limits,
        f"Exported by medad {__version__} from model {model.digest}. The bundle holds no code: it needs `medad` "
        "installed, whose reading, preprocessing, gate and flags it uses. `OUT/scores.csv` has the columns of "
        "`medad score`. For large folders use `medad score`, which resumes and survives files that crash a decoder.",
        "## Commands",
        commands,
        "## Scores",
        "The network returns one tensor: first the anomaly maps of these scores as channels, then the scores of the "
        "networks that are evaluated separately, each constant over the image.",
        _table(("score", "what it is"), scores),
        "## Settings",
        _table(("key", "value"), {"method": card.method, "seed": card.seed, **card.settings}),
        "## Trained on",
        _table(("key", "value"), card.trained_on),
        "## Flags",
        _table(("operating point", "flagged"), points),
        _table(("p-values of", "among"), normals),
        f"ranked by: {card.ranking_score(model.method.primary)}; map drawn: "
        f"{card.drawn_map(card.ranking_score(model.method.primary))}",
        "A score is no probability of disease; it compares studies read by this model only.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(headings: tuple[str, str], rows: Mapping[str, Any]) -> str:
    """Return a table in Markdown; "" without rows."""
    if not rows:
        return ""
    lines = [f"| {' | '.join(headings)} |", "| --- | --- |"]
    lines += [f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items()]
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else "none" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
