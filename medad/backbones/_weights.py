"""Find and read files of ImageNet weights; download them only if allowed, and never execute code from them."""

from __future__ import annotations

import hashlib
import logging
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from medad.backbones import IMAGENET
from medad.backbones.base import Backbone, BackboneError, WeightsSource
from medad.files import file_digest

log = logging.getLogger(__name__)


def folder() -> Path:
    """Return the folder of weights: PyTorch's cache, which torchvision uses too. TORCH_HOME changes it."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def locate(backbone: Backbone, weights: str, allow_download: bool = False) -> Path:
    """Return the file of ``weights``: a path, or "imagenet" for the published weights of ``backbone``.

    Raises:
        BackboneError: the file does not exist; the message says where to get it and where to put it.
    """
    if weights != IMAGENET:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise BackboneError(f"{path}: no such file of weights (--set weights=...)")
        return path
    source = backbone.source()
    path = folder() / source.file  # joining keeps an absolute path unchanged
    if not path.is_file() and allow_download:
        _download(source, path)
    if not path.is_file():
        raise BackboneError(
            f"the ImageNet weights of {backbone.title} are not here: download {source.url} and put it at {path}, or "
            "allow it with --allow-download, or name a file of your own with --set weights=FILE (.safetensors, .pth). "
            "--set weights=none does without: for tests only, it is no trained expert"
        )
    return path


def _download(source: WeightsSource, path: Path) -> None:
    log.info("download %s to %s", source.url, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(source.url, str(path), source.digest or None, progress=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise BackboneError(f"{source.url}: download failed ({reason}); put the file at {path} by hand") from None


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors in ``path`` by name: from safetensors, or from a PyTorch file read with ``weights_only``.

    Raises:
        BackboneError: the file is in neither format.
    """
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(f"{path}: not readable as weights ({type(error).__name__}: {reason})") from None
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise BackboneError(f"{path}: not a table of tensors by name, as torchvision and timm publish weights")
    return dict(tensors)


def digest(path: Path) -> str:
    """Return the first 16 hex digits of the file's SHA-256."""
    return file_digest(path)[:16]


def weights_digest(network: nn.Module) -> str:
    """Return a digest of the names and values of a network's parameters and buffers."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        total.update(f"{name} {tuple(value.shape)} {value.dtype};".encode())
        total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:32]
