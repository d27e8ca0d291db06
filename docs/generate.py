"""Write the pages that are made from the code: the API, every setting, every registered name, the architecture."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import medad
from medad import registry
from medad.registry import Registry

PACKAGE = Path(medad.__file__).parent
REGISTRIES: tuple[Registry[Any], ...] = (
    registry.datasets,
    registry.methods,
    registry.networks,
    registry.scores,
    registry.backbones,
)


def write_all(folder: Path) -> None:
    """Write all generated pages below ``folder``; a page whose text has not changed is not touched."""
    pages = {**api_pages(), "settings.md": settings_page(), "names.md": names_page()}
    for name, text in pages.items():
        _write(folder / name, text)
    for path in folder.rglob("*.rst"):
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()
    _write(folder / "architecture.svg", architecture_svg())


def api_pages() -> dict[str, str]:
    """Return a page for each part of medad with its public modules, and the index of these pages."""
    modules: dict[str, list[str]] = {}
    for module in pkgutil.walk_packages([str(PACKAGE)], "medad."):
        parts = module.name.split(".")
        if not any(part.startswith("_") for part in parts) and parts[1] != "cli":
            modules.setdefault(parts[1], []).append(module.name)
    pages = {f"api/{part}.rst": _api_page(part, names) for part, names in sorted(modules.items())}
    entries = "\n".join(f"   {part}" for part in sorted(modules))
    pages["api/index.rst"] = f"API\n===\n\n.. toctree::\n   :maxdepth: 1\n\n{entries}\n"
    return pages


def _api_page(part: str, names: list[str]) -> str:
    title = f"medad.{part}"
    blocks = [title, "=" * len(title), ""]
    for name in names:
        if name != title:
            blocks += [name, "-" * len(name), ""]
        blocks += [f".. automodule:: {name}", ""]
    return "\n".join(blocks)


def settings_page() -> str:
    """Return every setting of every method, with type, default and meaning."""
    lines = ["# Settings of the methods", "", "What `--set KEY=VALUE` and the `settings` of a pipeline file take.", ""]
    for name in registry.methods.names():
        model = registry.methods.get(name).settings_model
        lines += [f"## {name}", "", "| key | default | meaning |", "|---|---|---|"]
        for key, field in model.model_fields.items():
            lines.append(f"| `{key}` | `{field.default!r}` | {_cell(field.description or '')} |")
        lines.append("")
    return "\n".join(lines)


def names_page() -> str:
    """Return the names in every registry, with the first sentence that describes each."""
    lines = ["# Names", "", "What can be named on the command line and in pipeline files.", ""]
    for register in REGISTRIES:
        lines += [f"## {register.kind.capitalize()}s", "", "| name | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {_cell(text)} |" for name, text in _described(register)]
        lines.append("")
    return "\n".join(lines)


def _described(register: Registry[Any]) -> Iterator[tuple[str, str]]:
    folder = PACKAGE.parent / register.package.replace(".", "/")
    for name in register.names():
        path = folder / f"{name}.py"
        tree = ast.parse((path if path.is_file() else folder / name / "__init__.py").read_text(encoding="utf-8"))
        yield name, (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("*", "\\*")


def imports_between_parts() -> dict[str, set[str]]:
    """Return for each part of medad (a folder or file at its top level) the parts that it imports."""
    parts: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        imported = parts.setdefault(part, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                imported |= {name.split(".")[1] for name in names if name.startswith("medad.")}
    return {part: (imported & parts.keys()) - {part} for part, imported in parts.items()}


def levels_of(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the parts in levels: each imports only parts of earlier levels."""
    levels: list[list[str]] = []
    placed: set[str] = set()
    while len(placed) < len(imports):
        level = sorted(part for part, needs in imports.items() if part not in placed and needs <= placed)
        if not level:
            raise ValueError(f"imports run in circles among {sorted(set(imports) - placed)}")
        levels.append(level)
        placed |= set(level)
    return levels


def architecture_svg() -> str:
    """Return a picture of the parts of medad, those that import others above what they import."""
    imports = imports_between_parts()
    levels = levels_of(imports)[::-1]
    width, height, gap = 118, 34, 74
    columns = max(map(len, levels))
    total = (columns * (width + 14) + 20, len(levels) * gap + 10)
    places = {
        part: (total[0] / 2 + (index - (len(level) - 1) / 2) * (width + 14), 10 + row * gap + height / 2)
        for row, level in enumerate(levels)
        for index, part in enumerate(level)
    }
    arrows = [
        f'<line x1="{places[part][0]:.0f}" y1="{places[part][1] + height / 2:.0f}" x2="{places[other][0]:.0f}" '
        f'y2="{places[other][1] - height / 2:.0f}" stroke="#8899aa" stroke-width="0.8" opacity="0.45"/>'
        for part in sorted(imports)
        for other in sorted(imports[part])
    ]
    boxes = [
        f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width}" height="{height}" rx="6" '
        f'fill="#eaf1f8" stroke="#3b6fb6"/><text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle">{part}</text>'
        for part, (x, y) in places.items()
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" '
        'font-family="sans-serif" font-size="12" fill="#16324f"><title>The parts of medad and their imports</title>'
    )
    return "\n".join([head, *arrows, *boxes, "</svg>\n"])


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
