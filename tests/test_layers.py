"""Imports point strictly down, and heavy ones stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import medad

PACKAGE = Path(medad.__file__).parent
# Each part may import parts of the rows above it, and of its own part.
LAYERS = [
    {"types", "wording"},
    {"text", "plugins"},
    {"files", "locks", "parsing", "shortage"},
    {"registry", "config", "progress", "csv_tables", "model_files", "ray_cluster", "splits"},
    {"functional", "parallel"},
    {"io", "networks", "backbones", "scores", "tracking", "training"},
    {"manifest", "methods", "results", "weights"},
    {"datasets", "evaluation"},
    {"data", "outputs"},
    {"model_card"},
    {"model"},
    {"experiments"},
    {"scoring"},
    {"export"},
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_print_and_no_assert(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}"
        assert not (isinstance(node, ast.Name) and node.id == "print"), f"{path}:{node.lineno}"


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
