"""What CDO's training loss costs, forward and backward, beside two other ways to write it, in one run.

    python benchmarks/speed/cdo_loss.py [--threads 1] [--seconds 3] [--rounds 5] [--networks resnet18] [--size 256]

"loss" is medad's. "features" is the same loss as it is defined: features upsampled, normalized and compared by PyTorch.
"maps" is another loss, medad's until November 2026, which upsampled discrepancies instead of features: what an equal
cost is measured by. Each is timed twice: from images, with both networks, as a training step has it ("step"), and from
features that are there already ("alone"). Timed in turns; the weights are random. Ends with 1 if "loss" and "features"
differ by more than 1e-5 of themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from _common import in_turns, machine, parser, ratio
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from medad.functional.collaboration import collaborative_loss, feature_discrepancy
from medad.methods.cdo import CDO, CDOSettings

Features = list[Tensor]
Formula = Callable[[Tensor, Tensor, tuple[int, int]], Tensor]
TOLERANCE = 1e-5


def distance(expert: Tensor, apprentice: Tensor) -> Tensor:
    """As PyTorch computes and differentiates it."""
    return (normalize(expert, dim=1) - normalize(apprentice, dim=1)).square().sum(dim=1, keepdim=True)


def grown(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsampled, if need be."""
    if values.shape[-2:] == size:
        return values
    return interpolate(values, size, mode="bilinear", align_corners=True)


FORMULAS: dict[str, Formula] = {
    "loss": feature_discrepancy,
    "features": lambda expert, apprentice, size: distance(grown(expert, size), grown(apprentice, size)),
    "maps": lambda expert, apprentice, size: grown(distance(expert, apprentice), size),
}


def loss_of(formula: Formula, expert: Features, apprentice: Features, synthetic: Tensor) -> Tensor:
    """The sum over the scales."""
    height, width = expert[0].shape[-2:]
    maps = [formula(*pair, (height, width)) for pair in zip(expert, apprentice, strict=True)]
    return torch.stack([collaborative_loss(one, synthetic) for one in maps]).sum()


def compare(backbone: str, device: str, asked: argparse.Namespace) -> dict[str, object]:
    """Seconds of each way, and ratios to "maps"."""
    method = CDO(CDOSettings(backbone=backbone, weights="none", size=asked.size)).to(device).train()
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(asked.batch, 3, asked.size, asked.size, generator=rng).to(device) * 2 - 1
    with torch.no_grad():
        known, learned = method.pair.features(images)
    synthetic = (torch.rand(known[0][:, :1].shape, generator=rng) < 0.04).to(images)

    def seconds(formula: Formula, alone: bool) -> float:
        spent: list[float] = []
        while len(spent) < 2 or sum(spent) < asked.seconds:
            given = known, [one.detach().requires_grad_() for one in learned]
            start = time.perf_counter()
            features = given if alone else method.pair.features(images)
            loss_of(formula, *features, synthetic).backward()
            if device == "cuda":
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - start)
        return min(spent)

    turns = {
        f"{name} {what}": partial(seconds, formula, what == "alone")
        for what in ("step", "alone")
        for name, formula in FORMULAS.items()
    }
    found = in_turns(turns, asked.rounds)
    values = [float(loss_of(FORMULAS[name], known, learned, synthetic)) for name in ("loss", "features")]
    row: dict[str, object] = {"backbone": backbone, "device": device, "difference": abs(values[0] / values[1] - 1)}
    for name, rounds in found.items():
        base = found[f"maps {name.split()[1]}"]
        row[name] = {"ms": 1e3 * statistics.median(rounds), "beside maps": ratio(rounds, base)}
        print(f"{device:5} {backbone:12} {name:15} {row[name]}", flush=True)
    return row


def main() -> None:
    """Time, print, and end with 1 if the loss is another."""
    options = parser(__doc__, seconds=3.0, rounds=5)
    options.set_defaults(networks="resnet18")
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--batch", type=int, default=16)
    asked = options.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    threads = torch.get_num_threads()
    print(machine(threads, asked.busy) + f", batches of {asked.batch} images of {asked.size} x {asked.size}")
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    rows = [compare(name, device, asked) for device in devices for name in asked.networks.split(",")]
    print(json.dumps({"threads": threads, "size": asked.size, "batch": asked.batch, "rows": rows}))
    if any(not row["difference"] <= TOLERANCE for row in rows):  # type: ignore[operator]
        sys.exit("the losses differ")


if __name__ == "__main__":
    main()
