"""Names and the things they stand for: one file in a package, one name.

A file ``medad/networks/aeu.py`` holds the network "aeu" and registers it under that name. So the names are known from
the files alone, without importing torch; a file is imported when its thing is asked for.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Generic, TypeVar

from medad.types import MedadError

T = TypeVar("T")


class UnknownName(MedadError):
    """A name that no file registers."""


class Registry(Generic[T]):
    """The things of one ``kind``, one in each file of ``package``.

    Files that start with "_", and those that ``shared`` names, hold none: they are what the others share.
    """

    def __init__(self, kind: str, package: str, shared: Collection[str] = ()) -> None:
        self.kind = kind
        self.package = package
        self.shared = frozenset(shared)
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate the thing called ``name``; a name that is taken raises."""

        def add(thing: T) -> T:
            if name in self._things:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._things[name] = thing
            return thing

        return add

    def names(self) -> list[str]:
        """All names, sorted. Imports nothing."""
        spec = importlib.util.find_spec(self.package)
        paths = spec.submodule_search_locations if spec else None
        found = {module.name for module in pkgutil.iter_modules(paths) if self._holds_one(module.name)}
        return sorted(found | set(self._things))

    def _holds_one(self, file: str) -> bool:
        return not file.startswith("_") and file not in self.shared

    def check(self, name: str) -> str:
        """``name`` if there is such a thing; otherwise an error that lists the choices."""
        if name not in self.names():
            near = difflib.get_close_matches(name, self.names(), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownName(f"unknown {self.kind} {name!r}: {hint}choose from {', '.join(self.names())}")
        return name

    def describe(self, name: str) -> str:
        """The first sentence of the file that holds the thing called ``name``. Imports no file."""
        self.check(name)
        spec = importlib.util.find_spec(self.package)
        folders = (spec and spec.submodule_search_locations) or ()
        places = [Path(folder, file) for folder in folders for file in (f"{name}.py", f"{name}/__init__.py")]
        text = next((place.read_text(encoding="utf-8") for place in places if place.is_file()), "")
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]

    def get(self, name: str) -> T:
        """The thing called ``name``."""
        self.check(name)
        if name not in self._things:
            importlib.import_module(f"{self.package}.{name}")
        if name not in self._things:
            raise ValueError(f"{self.package}/{name}.py registers no {self.kind} called {name!r}")
        return self._things[name]


class PartedRegistry(Registry[Any]):
    """Things some of which have parts: "NAME:PART" is what ``part(PART)`` of the thing called NAME gives."""

    def check(self, name: str) -> str:
        """``name`` if there is a thing of the name before the colon."""
        super().check(name.partition(":")[0])
        return name

    def get(self, name: str) -> Any:
        """The thing called ``name``, or a part of it."""
        whole, colon, part = name.partition(":")
        thing = super().get(whole)
        return thing.part(part) if colon else thing


class MethodRegistry(Registry[Any]):
    """Methods, and their settings, which are known without importing torch where they lie in a file of their own.

    That file is ``_NAME_settings.py`` beside the method's; a method may also keep its settings in its own file.
    """

    def __init__(self, kind: str, package: str, shared: Collection[str] = ()) -> None:
        super().__init__(kind, package, shared)
        self._settings: dict[str, Any] = {}

    def settings_of(self, name: str) -> Callable[[T], T]:
        """Decorate the settings of the method called ``name``."""

        def add(model: T) -> T:
            self._settings[name] = model
            return model

        return add

    def settings(self, name: str) -> Any:
        """The model of the settings of the method called ``name``."""
        self.check(name)
        module = f"{self.package}._{name}_settings"
        if name not in self._settings and importlib.util.find_spec(module):
            importlib.import_module(module)
        return self._settings[name] if name in self._settings else self.get(name).settings_model


networks: Registry[Any] = Registry("network", "medad.networks", {"base"})
scores: Registry[Any] = Registry("score", "medad.scores", {"base"})
methods = MethodRegistry("method", "medad.methods", {"base", "batching"})
datasets = PartedRegistry(
    "dataset", "medad.datasets", {"base", "layouts", "prepared", "raw_downloads", "class_benchmarks"}
)
backbones = PartedRegistry("backbone", "medad.backbones", {"base"})
