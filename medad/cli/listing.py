"""medad methods, networks, pipelines, settings: list the names for the command line, and every key of --set."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from medad.cli._terminal import show_table
from medad.config import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
JUDGING = "evaluation"


def methods(json_: Json = False) -> None:
    """List the methods: what each is, what it is built on, and whether it learns from unlabeled studies."""
    from medad.plugins import PluginError
    from medad.registry import methods as registry

    rows = []
    for name in registry.names():
        try:
            model = registry.settings(name)
        except PluginError as error:
            rows.append({"name": name, "what": str(error), "built_on": "-", "learns_from_unlabeled": "-"})
            continue
        built_on = [what for what in ("network", "backbone") if what in model.model_fields]
        rows.append(
            {
                "name": name,
                "what": registry.describe(name),
                "built_on": f"a {built_on[0]}" if built_on else "-",
                "learns_from_unlabeled": _learning(model),
            }
        )
    _show(rows, json_)
    if not json_:
        typer.echo("their settings: medad settings NAME; what they are built on: medad networks")


def networks(json_: Json = False) -> None:
    """List the reconstruction networks (--networks), and the pretrained backbones (--set backbone=NAME)."""
    from medad.registry import backbones
    from medad.registry import networks as registry

    kinds = (("network", registry), ("backbone", backbones))
    rows = [
        {"name": name, "kind": kind, "what": names.describe(name)} for kind, names in kinds for name in names.names()
    ]
    _show(rows, json_)


def pipelines(json_: Json = False) -> None:
    """List the pipelines and benchmarks that 'medad train', 'bench' and 'run' know by name."""
    from medad.pipeline_files import pipeline_files, read_pipeline

    rows = []
    for name, path in pipeline_files().items():
        pipeline = read_pipeline(name)
        rows.append(
            {
                "name": name,
                "for": "run" if pipeline.stages else "bench" if pipeline.datasets else "train, bench",
                "methods": ", ".join(pipeline.methods),
                "datasets": ", ".join(pipeline.datasets) or "-",
                "what": _first_sentence(path.read_text(encoding="utf-8")),
            }
        )
    _show(rows, json_)


def settings(
    method: Annotated[str, typer.Argument(help=f"As 'medad methods' names it, or {JUDGING}: how results are judged.")],
    json_: Json = False,
) -> None:
    """List every key that --set takes for a method: its type, default and range, and what it means."""
    from medad.cli._describing import describe
    from medad.config import Evaluation
    from medad.registry import methods as registry

    _show(describe(Evaluation if method == JUDGING else registry.settings(method)), json_)
    if not json_ and method != JUDGING:
        typer.echo("write --set KEY=VALUE, for example --set batch_size=16 or --set 'scores=[rec,intra]'")
        typer.echo(f"--set also takes the keys that say how results are judged: medad settings {JUDGING}")


def _learning(model: type[Settings]) -> str:
    """Return whether a method learns from unlabeled studies: "yes", "no", or the setting that makes it do so."""
    if not model.learns_from_unlabeled:
        return "no"
    choice = model.model_fields.get("use_archive")
    return "yes" if choice is None or choice.default else "if use_archive=true"


def _first_sentence(text: str) -> str:
    """Return the first sentence of the comment at the start of a YAML file."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("# ") or line.startswith("#   "):  # the comment ends, or an example command begins
            break
        lines.append(line.lstrip("# "))
    first, stop, _ = " ".join(lines).partition(". ")
    return f"{first}." if stop else first


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        headings = [key.replace("_", " ") for key in rows[0]]
        show_table(headings, [[str(value) for value in row.values()] for row in rows])
