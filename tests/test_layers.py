"""Imports point strictly down, and heavy ones stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import medad

PACKAGE = Path(medad.__file__).parent
# Each part may import parts of the rows above it, and of its own part.
LAYERS = [
    {"types", "wording"},
    {"text", "plugins"},
    {"files", "locks", "parsing", "shortage"},
    {"parsing_yaml"},
    {"registry", "config", "progress", "csv_tables", "model_files", "ray_cluster", "splits", "tensor_forms"},
    {"functional", "parallel", "pipeline_files"},
    {"io", "networks", "backbones", "scores", "tracking", "training"},
    {"manifest", "methods", "results", "weights"},
    {"datasets", "evaluation"},
    {"data", "outputs"},
    {"model_card"},
    {"model"},
    {"experiments"},
    {"scoring"},
    {"archive", "export"},
    {"serving", "api"},
    {"cli"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
ONLY_IN = {"mlflow": {"tracking"}, "highdicom": {"io", "outputs"}, "ray": {"ray_cluster", "scoring"}}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts != ("__init__.py",))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_part_has_a_layer() -> None:
    assert {part_of(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = part_of(path)
    for name in imported(path):
        top, *rest = name.split(".")
        if top == "medad" and rest and rest[0] in LEVEL and rest[0] != here:
            assert LEVEL[rest[0]] < LEVEL[here], f"{path} imports {name}"
        if top in ONLY_IN:
            assert here in ONLY_IN[top], f"{path} imports {name}"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def folder_of(name: str, files: Mapping[str, Path]) -> str:
    """The folder, as a dotted name, of the module that an import of ``name`` runs."""
    while name not in files:
        name = name.rpartition(".")[0]
    return ".".join(files[name].relative_to(PACKAGE.parent).parent.parts)


def both_ways(files: Mapping[str, Path]) -> set[frozenset[str]]:
    """Pairs of folders whose files import each other; the top folder, whose modules have layers, is left out."""
    used = {
        (folder_of(module, files), folder_of(name, files))
        for module, path in files.items()
        for name in imported(path)
        if name.startswith("medad.")
    }
    return {frozenset(pair) for pair in used if pair[0] != pair[1] and pair[::-1] in used and "medad" not in pair}


def test_no_two_folders_import_each_other() -> None:
    """Not even a package and one that it contains."""
    assert both_ways({module_of(path): path for path in PACKAGE.rglob("*.py")}) == set()


def test_imports_both_ways_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "medad"
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    texts = {
        "__init__.py": "",
        "io/__init__.py": "from medad.io.dicom.values import published",
        "io/errors.py": "",
        "io/dicom/__init__.py": "",
        "io/dicom/values.py": "from medad.io.errors import UnreadableImage",
        "data/__init__.py": "from medad.io import errors",
    }
    for name, text in texts.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert both_ways({module_of(path): path for path in package.rglob("*.py")}) == {
        frozenset({"medad.io", "medad.io.dicom"})
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_print_and_no_assert(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}"
        assert not (isinstance(node, ast.Name) and node.id == "print"), f"{path}:{node.lineno}"


def test_in_scoring_no_folder_and_its_parent_import_each_other() -> None:
    """The modules of scoring/ import core/, index/ and engine/, and none of these imports a module of scoring/."""
    parent = PACKAGE / "scoring"
    modules = {path.stem for path in parent.glob("*.py")} - {"__init__"}
    above = {f"medad.scoring.{name}" for name in modules}
    order = ("core", "index", "engine")
    for level, folder in enumerate(order):
        upper = (*above, *(f"medad.scoring.{name}" for name in order[level + 1 :]))
        for path in (parent / folder).glob("*.py"):
            wrong = [name for name in imported(path) if any(name == top or name.startswith(f"{top}.") for top in upper)]
            assert not wrong, f"{path} imports {wrong}"
            assert not any(
                name in imported(path) for name in ("medad.scoring.ScoreSettings", "medad.scoring.score_folder")
            )


def test_the_python_interface_imports_nothing_heavy_before_its_first_use() -> None:
    code = (
        "import sys, medad\n"
        "detector = medad.method('pca', size=32)\n"
        "assert {'load', 'method', 'evaluate', 'compare', 'dataset', 'score_folder'} <= set(dir(medad))\n"
        "heavy = {'torch', 'monai', 'mlflow', 'pandas', 'matplotlib', 'sklearn', 'scipy', 'pydicom'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout, done.stdout


def test_help_and_argument_errors_import_nothing_heavy() -> None:
    """`medad --help` must answer in under a second: torch, MONAI, MLflow, pandas and numpy cost seconds."""
    code = (
        "import sys\n"
        "from medad.cli import main\n"
        "sys.argv = ['medad', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        "heavy = {'torch', 'monai', 'mlflow', 'pandas', 'numpy', 'matplotlib', 'sklearn', 'pydicom'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), 'CODE', code)\n"
    )
    for arguments, status in (
        (["--help"], 0),
        (["bench", "--help"], 0),
        (["bench", "--out", "x", "nothing"], 2),
        (["bench", "--out", "x", "--datasets", "brain"], 2),
        (["train", "--out", "x"], 2),
    ):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert f"HEAVY [] CODE {status}" in done.stdout, (arguments, done.stdout, done.stderr)
