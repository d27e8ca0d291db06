"""Network-images per second of DDAD's training beside a plain loop, in one run, on the CPU and on any GPU.

    python benchmarks/speed/train.py [--threads 1] [--busy] [--seconds 4] [--rounds 3] [--side 512] [--networks ae]

The plain loop: images on disk, each opened with PIL in each epoch, made gray, resized, turned into a tensor and
normalized by a dataset; a DataLoader with one worker; PyTorch's Adam; one network after another; torch's default
threads (or --threads). medad's way is six networks trained as ``DDAD.fit`` does, on the same files, read once (the
seconds of that are printed beside it). The two are timed in turns; the median round counts. A network-image is one
image in one training step of one network. The files are --side pixels wide: 512 is what the published protocol stores;
64, the network's grid, spares the plain loop most of its reading.

"of the limit" is the share of what the cores give in a float32 matrix product, timed in the same turns: the products of
the networks' layers alone can be no faster, so where it is near 1 nothing but other arithmetic would help.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _common import in_turns, machine, neighbor, parser, rate, ratio
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torch.utils.flop_counter import FlopCounterMode

from medad.data.loading import Loader
from medad.functional.losses import reconstruction_loss
from medad.methods.ddad import DDAD, DDADSettings
from medad.registry import networks
from medad.training import train, visible
from medad.types import Study

BATCH, SIZE, LEARNING_RATE = 64, 64, 5e-4
NORMAL, UNLABELED = 128, 128
STEPS_IN_AN_EPOCH = 3 * (NORMAL // BATCH) + 3 * ((NORMAL + UNLABELED) // BATCH)


class Files(Dataset[Tensor]):
    """The plain loop's dataset: everything is done for each item, each time."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        image = Image.open(self.paths[index]).convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        tensor = torch.from_numpy(np.array(image)).unsqueeze(0).float() / 255
        return (tensor - 0.5) / 0.5


class Plain:
    """The loop that medad is compared with. Its loader runs on, so that no epoch waits for a new worker."""

    def __init__(self, name: str, paths: list[Path], device: str) -> None:
        self.device = device
        self.network: nn.Module = networks.get(name)(1, SIZE).to(device).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999))
        self.batches = self._batches(Files(paths))

    @staticmethod
    def _batches(files: Files) -> Iterator[Tensor]:
        sampler = RandomSampler(files, num_samples=1_000 * BATCH * len(files))
        return iter(DataLoader(files, BATCH, sampler=sampler, num_workers=1, drop_last=True))

    def __call__(self) -> int:
        """One step of one network: its network-images."""
        batch = next(self.batches).to(self.device)
        self.optimizer.zero_grad()
        loss = reconstruction_loss(batch, self.network(batch))
        loss.backward()
        self.optimizer.step()
        loss.item()
        return len(batch)


class Ours:
    """The six networks of DDAD, trained as ``DDAD.fit`` trains them."""

    def __init__(self, name: str, paths: list[Path], device: str) -> None:
        self.name = name
        self.device = device
        studies = tuple(Study(path.stem, (path,)) for path in paths)
        load = Loader(self._settings(1), device)
        start = time.perf_counter()
        self.both = load(studies)
        self.reading = time.perf_counter() - start
        self.normal = load(studies[:NORMAL])
        self.epochs = 1

    def _settings(self, epochs: int) -> DDADSettings:
        scores = ("single", "rec", "intra", "inter")
        return DDADSettings(network=self.name, scores=scores, epochs=epochs, batch_size=BATCH)

    def __call__(self) -> float:
        """Network-images per second of one training of ``epochs``, without what is drawn before it."""
        rng = torch.Generator().manual_seed(0)
        method = DDAD(self._settings(self.epochs)).to(self.device)
        tasks = [
            *method._module_tasks("ndm", method.ndm, self.normal, rng),
            *method._module_tasks("udm", method.udm, self.both, rng),
        ]
        start = time.perf_counter()
        train(tasks, "train", track=lambda name, value, step: None, devices=visible(torch.device(self.device)))
        return self.epochs * STEPS_IN_AN_EPOCH * BATCH / (time.perf_counter() - start)

    def settle(self, seconds: float) -> None:
        """Choose the epochs so that one training takes about ``seconds``."""
        self()
        self.epochs = max(1, round(seconds * self() / (STEPS_IN_AN_EPOCH * BATCH)))


def operations(name: str) -> float:
    """Floating-point operations of one network-image: forward and backward."""
    network, batch = networks.get(name)(1, SIZE).train(), torch.zeros(BATCH, 1, SIZE, SIZE)
    with FlopCounterMode(display=False) as counter:
        reconstruction_loss(batch, network(batch)).backward()
    return counter.get_total_flops() / BATCH


def product_rate(device: str, side: int = 1536) -> float:
    """Floating-point operations per second of a float32 matrix product, on all threads."""
    square = torch.rand(side, side, device=device)

    def multiply() -> int:
        (square @ square).sum().item()
        return 2 * side**3

    return rate(multiply, 0.5)


def make(folder: Path, side: int) -> list[Path]:
    """Write smooth gray PNG files."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(NORMAL + UNLABELED):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
        paths.append(folder / f"{index:04}.png")
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def compare(name: str, device: str, paths: list[Path], asked: argparse.Namespace) -> dict[str, object]:
    """One line of the table."""
    ours, plain = Ours(name, paths, device), Plain(name, paths, device)
    ours.settle(asked.seconds)
    turns = {"plain": partial(rate, plain, asked.seconds), "medad": ours, "products": partial(product_rate, device)}
    found = in_turns(turns, asked.rounds)
    needed = operations(name)
    row = {
        "network": name,
        "device": device,
        "plain": statistics.median(found["plain"]),
        "medad": statistics.median(found["medad"]),
        "ratio": ratio(found["medad"], found["plain"]),
        "of_the_limit": needed * ratio(found["medad"], found["products"]),
        "reading": ours.reading,
    }
    print(
        f"{device:5} {name:6} plain {row['plain']:8.1f} network-images/s   medad {row['medad']:8.1f}   "
        f"{row['ratio']:5.1f} times   "
        f"{row['of_the_limit']:.2f} of the limit   ({len(paths)} files read once in {row['reading']:.1f} s)",
        flush=True,
    )
    return row


def main() -> None:
    """Time and print."""
    options = parser(__doc__, seconds=4.0, rounds=3)
    options.add_argument("--side", type=int, default=512, help="of the images on disk, in pixels")
    asked = options.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    threads = torch.get_num_threads()
    print(machine(threads, asked.busy) + f", files of {asked.side} x {asked.side}")
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    with tempfile.TemporaryDirectory() as folder, neighbor(asked.busy):
        paths = make(Path(folder), asked.side)
        rows = [compare(name, device, paths, asked) for device in devices for name in asked.networks.split(",")]
    print(json.dumps({"threads": threads, "busy": asked.busy, "side": asked.side, "rows": rows}))


if __name__ == "__main__":
    main()
