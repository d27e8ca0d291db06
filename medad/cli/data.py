"""medad data: list, describe, prepare and check data sets, and make manifests of your own scans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from medad.cli import _common as common
from medad.cli._common import DataRoot
from medad.cli._datasets import dataset_state
from medad.cli._paths import folder_to_read, folder_to_write, there
from medad.cli._terminal import show_table
from medad.wording import command, counted

Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: as many as there are cores.")]


def listing(data_root: DataRoot = None) -> None:
    """List the data sets, and what of them is below --data-root."""
    from medad.plugins import PluginError
    from medad.registry import datasets

    lines = []
    for name in datasets.names():
        try:
            dataset = datasets.get(name)
        except PluginError as error:
            lines.append((name, str(error), "-", *(["-"] if data_root else [])))
            continue
        state = [dataset_state(dataset, data_root)] if data_root else []
        lines.append((name, dataset.title, dataset.about.modality, *state))
    show_table(("name", "title", "modality", *(["found"] if data_root else [])), lines)
    if data_root is None:
        typer.echo("what is on disk: medad data list --data-root DIR; how to get one: medad data info NAME")


def info(name: Annotated[str, typer.Argument(help="As 'medad data list' names it.")]) -> None:
    """Say what a data set is, where to get it, under which terms, and how to lay it out."""
    from medad.registry import datasets

    about = datasets.get(name).about
    typer.echo(f"{about.title} ({about.modality})")
    typer.echo(f"cite:     {about.citation}")
    typer.echo(f"license:  {about.license}")
    typer.echo(f"get it:   {about.source}")
    if about.counts:
        typer.echo(f"counts:   {', '.join(f'{title} {count}' for title, count in about.counts)}")
    typer.echo(f"preset:   {about.preset} suits its scans where the published protocol is not wanted")
    for title, layout in (("the download (RAW)", about.raw_layout), ("below --data-root", about.prepared_layout)):
        typer.echo(f"{title}:")
        for line in layout.splitlines():
            typer.echo(f"    {line}")


def prepare(
    name: Annotated[str, typer.Argument(help="As 'medad data list' names it.")],
    raw: Annotated[Path, typer.Argument(help="Folder of the download, unpacked.", callback=folder_to_read)],
    out: Annotated[
        Path, typer.Argument(help="Data root: the data set gets a folder below it.", callback=folder_to_write)
    ],
    split: Annotated[
        Path | None, typer.Option(help="The official data.json; without it a split is drawn.", callback=there)
    ] = None,
    preprocessing: Annotated[str, typer.Option(help="published: as in the paper; clinical: VOI window.")] = "published",
    seed: Annotated[int, typer.Option(min=0, help="Seed of a drawn split.")] = 0,
    workers: Workers = 0,
) -> None:
    """Make the images, masks and lists that 'medad bench' reads from a download.

    Exit code 1: an image could not be read, or the split names one that is not there. The same command goes on after
    an interruption.
    """
    from medad.config import ConfigError
    from medad.data.prepare.cases import VOI
    from medad.data.prepare.prepare import prepare as run
    from medad.data.prepare.recorded import UNREADABLE

    chosen = next((mode for mode in VOI if mode == preprocessing), None)
    if chosen is None:
        raise ConfigError(f"--preprocessing {preprocessing!r} is not allowed: choose from {', '.join(VOI)}")
    common.log_to_stderr()
    done = run(name, raw, out, split=split, preprocessing=chosen, workers=workers, seed=seed)
    for note in done.notes:
        common.say(f"note: {note}")
    typer.echo(
        f"{counted(done.made, 'image')} made, {done.kept} kept from before, {done.unreadable} unreadable: {done.root}"
    )
    typer.echo(f"{done.kind}{'' if done.complete else ', incomplete'}: {_sizes(done.lists)}")
    if done.unreadable:
        typer.echo(f"unreadable: {done.root / UNREADABLE}", err=True)
    if done.absent:
        typer.echo(f"not in the download: {counted(done.absent, 'image')} of the split", err=True)
    typer.echo(f"next: {command('medad', 'data', 'check', done.root)}")
    if not done.complete:
        raise typer.Exit(1)


def _sizes(lists: dict[str, int]) -> str:
    return ", ".join(f"{title} {count}" for title, count in lists.items())


def check(
    root: Annotated[
        Path, typer.Argument(help="A manifest, a prepared data set, or a folder of these.", callback=there)
    ],
    workers: Workers = 0,
) -> None:
    """Decode every file; find what is missing, broken, listed twice or on two sides; recognize the official split.

    Exit code 1: there are defects; 2: there is nothing to check.
    """
    from medad.data.check.check import check as run
    from medad.data.check.targets import subjects
    from medad.manifest.manifest import KIND

    common.log_to_stderr()
    sound = True
    for subject in subjects(root):
        report = run(subject, workers)
        typer.echo(f"{report.name}: {report.kind}; {_sizes(report.counts)}")
        for note in report.notes:
            common.say(f"  note: {note}")
        for sentence in report.acquisition:
            common.say(f"  acquisition: {sentence}")
        for defect in report.defects:
            common.say(f"  defect: {defect}")
        typer.echo(f"  {counted(len(report.defects), 'defect')}" if report.defects else "  no defects")
        sound = sound and not report.defects
    if not sound:
        raise typer.Exit(1)
    if report.kind == KIND:
        following: tuple[object, ...] = ("train", "--data", root, "--out", "my-model")
        if not report.counts["normal"]:  # test rows alone
            following = ("evaluate", "MODEL", "--data", root, "--out", "my-evaluation")
        typer.echo(f"next: {command('medad', *following)}")


def init(
    out: Annotated[Path, typer.Argument(help="Folder for manifest.csv.", callback=folder_to_write)],
    normal: Annotated[Path | None, typer.Option(help="Folder of known-normal studies.", callback=there)] = None,
    unlabeled: Annotated[Path | None, typer.Option(help="Folder of unlabeled studies.", callback=there)] = None,
    test_normal: Annotated[
        Path | None, typer.Option(help="Folder of normal studies to test on.", callback=there)
    ] = None,
    test_abnormal: Annotated[
        Path | None, typer.Option(help="Folder of abnormal studies to test on.", callback=there)
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV or Parquet instead: file (or folder), role, label, patient, mask, ...")
    ] = None,
    slices: Annotated[
        bool, typer.Option("--slices/--volumes", help="A study for each slice, or for each volume.")
    ] = False,
    drop_shared: Annotated[
        bool, typer.Option("--drop-shared", help="Leave out of training who is in the test, instead of refusing.")
    ] = False,
    workers: Workers = 0,
) -> None:
    """Find the studies in your own folders, and write a manifest: what 'medad train --data' and 'bench --data' read.

    Exit code 1: some files are left out because they are broken; they are named in left_out.csv.
    """
    from medad.config import ConfigError

    folders_by_role = (normal, unlabeled, test_normal, test_abnormal)
    if (table is None) == (folders_by_role == (None,) * 4):
        raise ConfigError("say where the studies are: --normal DIR (--unlabeled DIR, ...), or --table FILE")
    from medad.manifest.create import LEFT_OUT, MANIFEST, folders
    from medad.manifest.create import init as run
    from medad.manifest.sources import of_table

    common.log_to_stderr()
    sources = folders(*folders_by_role) if table is None else list(of_table(table))
    built = run(sources, out, slices=slices, drop_shared=drop_shared, workers=workers)
    broken = sum(item.broken for item in built.left_out)
    typer.echo(f"{_sizes(built.counts)} ({built.manifest.cut}): {out / MANIFEST}")
    if built.dropped:
        typer.echo(f"left out of training: {counted(built.dropped, 'file')} of patients who are in the test")
    if built.left_out:
        typer.echo(f"{counted(len(built.left_out), 'other file')}, {broken} of them broken: {out / LEFT_OUT}")
    typer.echo(f"next: {command('medad', 'data', 'check', out)}")
    if broken:
        raise typer.Exit(1)


COMMANDS: dict[str, Callable[..., None]] = {
    "list": listing,
    "info": info,
    "prepare": prepare,
    "check": check,
    "init": init,
}
