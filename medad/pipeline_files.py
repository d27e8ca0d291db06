"""Find and read the pipeline files: those in pipelines/ and benchmarks/ by name, and the user's own by path."""

from __future__ import annotations

from pathlib import Path

from medad.config import ConfigError, Pipeline, build
from medad.parsing import ParseError
from medad.parsing_yaml import read_yaml


def home(folder: str) -> Path:
    """Return the path of ``pipelines`` or ``benchmarks``: inside the installed package, beside it in a checkout."""
    package = Path(__file__).parent
    return package / folder if (package / folder).is_dir() else package.parent / folder


def pipeline_files() -> dict[str, Path]:
    """Return the pipeline and benchmark files that are part of medad, by name."""
    return {file.stem: file for folder in ("pipelines", "benchmarks") for file in sorted(home(folder).glob("*.yaml"))}


def read_pipeline(name: str) -> Pipeline:
    """Read the pipeline ``name``: a name in pipelines/ or benchmarks/, or the path of a YAML file.

    Raises:
        ConfigError: there is no such file, or its content is not a valid pipeline.
    """
    path = Path(name)
    named = pipeline_files()
    if path.suffix not in (".yaml", ".yml"):
        path = named.get(name, path)
    if not path.is_file():
        raise ConfigError(
            f"no pipeline {name!r}: give the path of a .yaml file, which names a method (methods: [pca]), or one of "
            f"{', '.join(named)}"
        )
    try:
        values = read_yaml(path) or {}
    except ParseError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    return build(Pipeline, values, str(path))
