"""Tags about the environment of a run: code, packages, hardware; neither host name nor user name."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from medad import __version__

PACKAGES = ("torch", "monai", "numpy", "scikit-learn", "pydicom", "nibabel", "mlflow")
PACKAGE = Path(__file__).parents[1]


@cache
def facts() -> dict[str, str]:
    """Return the tags by name."""
    return {"mlflow.source.name": "medad", "mlflow.source.type": "LOCAL", **_code(), **_packages(), **_hardware()}


def _code() -> dict[str, str]:
    """Return the commit of the checkout that medad runs from; nothing if it is installed as a package."""
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return {}
    commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no", ".")
    return {"mlflow.source.git.commit": commit, "git.changed": str(bool(changed)).lower()} if commit else {}


def _git(*arguments: str) -> str | None:
    """Return the output of a git command in the folder of the package; None if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", PACKAGE, *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _packages() -> dict[str, str]:
    versions = {"version.medad": __version__, "version.python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[f"version.{name}"] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _hardware() -> dict[str, str]:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "hardware.system": f"{platform.system()} {platform.machine()}",
        "hardware.cores": str(len(os.sched_getaffinity(0))),
        "hardware.memory_gib": f"{memory:.0f}",
        "hardware.gpus": ", ".join(gpus) or "none",
    }
