"""Registries of networks, scores, methods, datasets and backbones: each file in a package registers one name.

The file ``medad/networks/aeu.py`` registers the network "aeu". The names are therefore read from the file names,
without importing torch; a file is imported when its entry is first requested. Other packages add to a registry by entry
points (``medad/plugins.py``), which are read and imported in the same way.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import logging
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from medad.plugins import Plugin, PluginError, plugins
from medad.types import MedadError

T = TypeVar("T")
log = logging.getLogger(__name__)


class UnknownName(MedadError):
    """A name that no file registers."""


class Registry(Generic[T]):
    """The entries of one ``kind``, one in each file of ``package``.

    Files whose names start with "_", and the files named in ``shared``, register nothing: they hold common code.

    >>> networks.names()[:2]
    ['ae', 'aeu']
    >>> networks.describe("ae")
    'The autoencoder of DDAD (Cai et al., Medical Image Analysis 86:102794, 2023).'
    """

    def __init__(self, kind: str, package: str, shared: Collection[str] = ()) -> None:
        self.kind = kind
        self.package = package
        self.shared = frozenset(shared)
        self._things: dict[str, T] = {}
        self._ignored: set[str] = set()  # names of plugins that medad has itself

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers an object as ``name``.

        Raises:
            ValueError: the name is taken; raised when the decorator is applied.
        """

        def add(thing: T) -> T:
            if name in self._things:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._things[name] = thing
            return thing

        return add

    def names(self) -> list[str]:
        """Return all names, sorted. Imports none of the files."""
        return sorted(self._in_files() | set(self._things) | set(self._plugins()))

    def _in_files(self) -> set[str]:
        """Return the names that the files of the package register."""
        spec = importlib.util.find_spec(self.package)
        paths = spec.submodule_search_locations if spec else None
        return {module.name for module in pkgutil.iter_modules(paths) if self._holds_one(module.name)}

    def _plugins(self) -> dict[str, Plugin]:
        """Return what other packages add, by name; a name that medad has itself is ignored with a warning."""
        added = plugins(self.package)
        for name in (added.keys() & self._in_files()) - self._ignored if added else ():
            self._ignored.add(name)
            log.warning("the %s %r of %s is ignored: medad has one of its own", self.kind, name, added[name].package)
        return {name: plugin for name, plugin in added.items() if name not in self._ignored}

    def provider(self, name: str) -> str:
        """Return the package that adds ``name``, with its version; "" for what is part of medad."""
        plugin = self._plugins().get(name)
        return "" if plugin is None else plugin.package

    def usable(self) -> Iterator[T]:
        """Yield every object; what a package adds and cannot be imported is left out with a warning."""
        for name in self.names():
            try:
                yield self.get(name)
            except PluginError as error:
                log.warning("left out: %s", error)

    def _holds_one(self, file: str) -> bool:
        return not file.startswith("_") and file not in self.shared

    def check(self, name: str) -> str:
        """Return ``name`` if it is registered.

        Raises:
            UnknownName: it is not; the message lists the choices.
        """
        if name not in self.names():
            near = difflib.get_close_matches(name, self.names(), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownName(f"unknown {self.kind} {name!r}: {hint}choose from {', '.join(self.names())}")
        return name

    def describe(self, name: str) -> str:
        """Return the first line of the docstring of the file that registers ``name``, or its package's summary.

        Imports no file.
        """
        self.check(name)
        if (plugin := self._plugins().get(name)) is not None:
            return plugin.summary
        spec = importlib.util.find_spec(self.package)
        folders = (spec and spec.submodule_search_locations) or ()
        places = [Path(folder, file) for folder in folders for file in (f"{name}.py", f"{name}/__init__.py")]
        text = next((place.read_text(encoding="utf-8") for place in places if place.is_file()), "")
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]

    def get(self, name: str) -> T:
        """Import the file that registers ``name``, if it is not imported yet, and return its object.

        Raises:
            UnknownName: no file and no other package registers ``name``.
            ValueError: the file of that name registers nothing, or something under another name.
            PluginError: the package that adds it cannot be imported.
        """
        self.check(name)
        if name not in self._things and (plugin := self._plugins().get(name)) is not None:
            self._things.setdefault(name, plugin.load())  # its module may have registered it as well
        if name not in self._things:
            importlib.import_module(f"{self.package}.{name}")
        if name not in self._things:
            raise ValueError(f"{self.package}/{name}.py registers no {self.kind} called {name!r}")
        return self._things[name]


class PartedRegistry(Registry[Any]):
    """A registry whose objects may have parts: "NAME:PART" stands for ``part(PART)`` of the object called NAME."""

    def check(self, name: str) -> str:
        """Return ``name`` if the part before the colon is registered. Raises UnknownName."""
        super().check(name.partition(":")[0])
        return name

    def get(self, name: str) -> Any:
        """Return the object called ``name``, or the part of it that ``name`` gives after a colon."""
        whole, colon, part = name.partition(":")
        thing = super().get(whole)
        return thing.part(part) if colon else thing


class MethodRegistry(Registry[Any]):
    """The methods and their settings models.

    Settings in a file ``_NAME_settings.py`` beside the method's file can be read without importing torch; a method may
    also define its settings in its own file.
    """

    def __init__(self, kind: str, package: str, shared: Collection[str] = ()) -> None:
        super().__init__(kind, package, shared)
        self._settings: dict[str, Any] = {}

    def settings_of(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers the settings model of the method called ``name``."""

        def add(model: T) -> T:
            self._settings[name] = model
            return model

        return add

    def settings(self, name: str) -> Any:
        """Return the settings model of the method called ``name``. Raises UnknownName."""
        self.check(name)
        module = f"{self.package}._{name}_settings"
        if name not in self._settings and importlib.util.find_spec(module):
            importlib.import_module(module)
        return self._settings[name] if name in self._settings else self.get(name).settings_model


networks: Registry[Any] = Registry("network", "medad.networks", {"base"})
scores: Registry[Any] = Registry("score", "medad.scores", {"base"})
methods = MethodRegistry("method", "medad.methods", {"base", "batching", "backbone_settings"})
datasets = PartedRegistry(
    "dataset", "medad.datasets", {"base", "layouts", "prepared", "raw_downloads", "class_benchmarks"}
)
backbones = PartedRegistry("backbone", "medad.backbones", {"base"})


def providers(method: str, settings: Any) -> dict[str, str]:
    """Return the packages of a model's parts that are no part of medad, as {"method halves": "medad-halves 1.2"}.

    ``settings`` are those of the method; a network, a backbone and scores are named by its fields of these names.
    """
    parts: list[tuple[Registry[Any], str]] = [(methods, method)]
    parts += [(networks, settings.network)] if hasattr(settings, "network") else []
    parts += [(backbones, settings.backbone.partition(":")[0])] if hasattr(settings, "backbone") else []
    parts += [(scores, name) for name in getattr(settings, "scores", ())]
    return {f"{registry.kind} {name}": package for registry, name in parts if (package := registry.provider(name))}


def missing_part(recorded: Mapping[str, str]) -> str:
    """Return why a model with these ``recorded`` :func:`providers` cannot be loaded here; "" if it can."""
    registries: tuple[Registry[Any], ...] = (methods, networks, backbones, scores)
    by_kind = {registry.kind: registry for registry in registries}
    for part, package in recorded.items():
        kind, _, name = part.partition(" ")
        if kind in by_kind and name not in by_kind[kind].names():
            return (
                f"its {kind} {name!r} is in the package {package}, which is not installed here: install it "
                f"(pip install {package.partition(' ')[0]})"
            )
    return ""
