"""One file, one name: every registry."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from medad.registry import Registry, UnknownName, backbones, datasets, methods, networks, scores
from medad.types import MedadError

REGISTRIES = {registry.kind: registry for registry in (networks, backbones, scores, methods, datasets)}
every = pytest.mark.parametrize("kind", REGISTRIES)


@every
def test_the_name_of_a_thing_is_the_name_of_its_file(kind: str) -> None:
    registry = REGISTRIES[kind]
    folder = Path(str(importlib.import_module(registry.package).__file__)).parent
    places = [path for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()]
    files = sorted(path.stem for path in places if not path.stem.startswith("_") and path.stem not in registry.shared)
    things = [registry.get(name) for name in registry.names()]
    # After everything was imported: no file has registered anything under another name.
    assert registry.names() == files
    assert len({id(thing) for thing in things}) == len(files)


@every
def test_a_name_that_is_taken_is_refused(kind: str) -> None:
    registry = REGISTRIES[kind]
    name = registry.names()[0]
    there = registry.get(name)
    with pytest.raises(ValueError, match=f"{kind} '{name}' is registered twice"):
        registry.register(name)(object())
    assert registry.get(name) is there


@every
def test_an_unknown_name_is_answered_with_the_choices(kind: str) -> None:
    registry = REGISTRIES[kind]
    near = registry.names()[0] + "x"
    with pytest.raises(UnknownName) as raised:
        registry.get(near)
    message = str(raised.value)
    assert isinstance(raised.value, MedadError)
    assert f"unknown {kind} {near!r}" in message
    assert f"did you mean {registry.names()[0]!r}" in message
    assert all(name in message for name in registry.names())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "things_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("things_of_a_test")]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_names_come_from_the_files_and_import_none(package: Path) -> None:
    (package / "one.py").write_text("raise RuntimeError('imported')\n")
    (package / "_helper.py").touch()
    registry: Registry[object] = Registry("thing", "things_of_a_test")
    assert registry.names() == ["one"]
    assert registry.check("one") == "one"
    with pytest.raises(RuntimeError, match="imported"):
        registry.get("one")


def test_a_file_that_registers_nothing_is_named(package: Path) -> None:
    (package / "idle.py").touch()
    with pytest.raises(ValueError, match=r"idle\.py registers no thing called 'idle'"):
        Registry[object]("thing", "things_of_a_test").get("idle")
