"""Find what other packages add to medad, by their entry points.

A package adds a method, dataset, score, network or backbone called NAME by an entry point NAME in the group
``medad.methods``, ``medad.datasets``, ``medad.scores``, ``medad.networks`` or ``medad.backbones``; its value names the
object, such as ``"my_package.halves:Halves"``. Entry points are read without importing the package.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from medad.types import MedadError


class PluginError(MedadError):
    """What a package adds to medad cannot be used."""


@dataclass(frozen=True)
class Plugin:
    """The entry points of one name in a group; more than one if several packages claim the name."""

    group: str
    entries: tuple[EntryPoint, ...]

    @property
    def package(self) -> str:
        """The name and the version of the distribution, as "medad-halves 1.2"."""
        return " and ".join(_package(entry) for entry in self.entries)

    @property
    def summary(self) -> str:
        """The summary of the distribution, and its name."""
        dist = self.entries[0].dist
        summary = None if dist is None else dist.metadata["Summary"]
        return f"{summary} ({self.package})" if summary else f"from {self.package}"

    def load(self) -> Any:
        """Import the object.

        Raises:
            PluginError: several packages claim the name, or the import fails.
        """
        entry = self.entries[0]
        if len(self.entries) > 1:
            raise PluginError(f"{self.group}: {entry.name!r} is in several packages, {self.package}: uninstall one")
        try:
            return entry.load()
        except Exception as error:  # whatever a package does as it is imported; the message names the package
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise PluginError(
                f"{self.group}: {entry.name!r} of the package {self.package} cannot be imported ({entry.value}): "
                f"{reason}. Mend or uninstall the package"
            ) from error


def plugins(group: str) -> dict[str, Plugin]:
    """Return the plugins of a group by name."""
    return _plugins(group, tuple(sys.path))


@lru_cache(maxsize=64)
def _plugins(group: str, path: tuple[str, ...]) -> dict[str, Plugin]:
    """Read the entry points of the distributions on ``path``, once for each state of it."""
    entries: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=group):
        entries[entry.name] = (*entries.get(entry.name, ()), entry)
    return {name: Plugin(group, same_name) for name, same_name in entries.items()}


def _package(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
