"""CDO's images per second and latency beside a plain loop, in one run, and whether the scores are equal.

    python benchmarks/speed/cdo.py [--threads 1] [--busy] [--seconds 3] [--rounds 3] [--networks resnet18] [--size 256]

"network" is expert, apprentice and the discrepancy of each scale, on the grid of the first; "score" adds all that makes
it an answer: their sum, brought to the image's size, the Gaussian, the maximum and the mean of the top 1 %, on the
device. The plain loop takes one image at a time, upsamples the features of each scale, moves its map to the host by
itself, and smooths and pools with SciPy and NumPy. Images are on the device already. Latency is of one image, after
warming up, until the device has finished; the best batch is the quickest of --batches. Timed in turns. The weights are
random: the time does not depend on them. Ends with 1 if a score differs by more than 1e-4 of itself. What the training
loss costs: cdo_loss.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from _common import in_turns, machine, neighbor, parser, ratio
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from medad.methods.cdo import CDO, CDOSettings
from medad.registry import backbones

Ways = dict[str, Callable[[Tensor], object]]
Rates = dict[str, list[float]]
TOLERANCE = 1e-4  # of a score
PERCENTILES = (50, 90, 99)


class Plain:
    """The loop that medad is compared with: one image, one scale at a time."""

    def __init__(self, method: CDO) -> None:
        self.pair = method.pair
        self.sigma, self.share = method.settings.sigma, method.settings.top_share

    @torch.no_grad()
    def __call__(self, images: Tensor) -> list[tuple[float, float]]:
        """The scores "max" and "top" of each image."""
        return [self._one(image[None]) for image in images]

    def _one(self, image: Tensor) -> tuple[float, float]:
        seen = ((image + 1) / 2 - self.pair.mean) / self.pair.std
        total = np.zeros(image.shape[-2:], dtype=np.float32)
        scales = list(zip(self.pair.expert(seen), self.pair.apprentice(seen), strict=True))
        size = scales[0][0].shape[-2:]
        for pair in scales:
            known, learned = (
                normalize(interpolate(one, size, mode="bilinear", align_corners=True), dim=1) for one in pair
            )
            distance = (known - learned).square().sum(dim=1, keepdim=True)
            grown = interpolate(distance, image.shape[-2:], mode="bilinear", align_corners=False)
            total += grown[0, 0].cpu().numpy()
        smooth = gaussian_filter(total, self.sigma)
        ranked = np.sort(smooth, axis=None)[::-1]
        return float(ranked[0]), float(ranked[: int(self.share * len(ranked))].mean())


def finished(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(work: Callable[[Tensor], object], images: Tensor, seconds: float) -> list[float]:
    """Seconds of each call, until they add up to ``seconds``; at least three."""
    device, spent = images.device.type, []
    while len(spent) < 3 or sum(spent) < seconds:
        start = time.perf_counter()
        work(images)
        finished(device)
        spent.append(time.perf_counter() - start)
    return spent


def difference(method: CDO, plain: Plain, images: Tensor) -> float:
    """The largest difference of a score, relative to the plain loop's."""
    ours = method.score(images)
    pairs = [
        (float(ours[name].score[index]), values[place])
        for index, values in enumerate(plain(images))
        for place, name in enumerate(("max", "top"))
    ]
    return max(abs(a - b) / abs(b) for a, b in pairs)


def one_by_one(ways: Ways, images: Tensor, asked: argparse.Namespace) -> tuple[Rates, dict[str, dict[str, float]]]:
    """Images per second of batch 1 in each round, and percentiles of the latency in milliseconds."""
    spent: dict[str, list[list[float]]] = {name: [] for name in ways}

    def turn(name: str) -> float:
        spent[name].append(timed(ways[name], images[:1], asked.seconds))
        return 1 / statistics.median(spent[name][-1])

    found = in_turns({name: partial(turn, name) for name in ways}, asked.rounds)
    counted = {name: 1e3 * np.concatenate(rounds[1:]) for name, rounds in spent.items()}  # less the warm-up
    return found, {name: {f"p{p}": float(np.percentile(ms, p)) for p in PERCENTILES} for name, ms in counted.items()}


def batched(ways: Ways, images: Tensor, asked: argparse.Namespace) -> dict[str, tuple[int, list[float]]]:
    """The best batch and its images per second in each round."""

    def turn(name: str, size: int) -> float:
        return size / statistics.median(timed(ways[name], images[:size], asked.seconds / len(asked.batches)))

    turns = {(name, size): partial(turn, name, size) for name in ways for size in asked.batches}
    found = in_turns(turns, asked.rounds)  # type: ignore[arg-type, type-var]
    best = {name: max(asked.batches, key=lambda size, n=name: statistics.median(found[n, size])) for name in ways}
    return {name: (size, found[name, size]) for name, size in best.items()}


def compare(backbone: str, device: str, asked: argparse.Namespace) -> dict[str, object]:
    """The lines of one backbone on one device."""
    method = CDO(CDOSettings(backbone=backbone, weights="none", size=asked.size)).to(device).eval()
    start = method.pair.expert.state_dict()
    method.pair.restart(backbones.get(backbone), start, torch.Generator().manual_seed(1))
    plain = Plain(method)
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(max(asked.batches), 3, asked.size, asked.size, generator=rng).to(device) * 2 - 1
    ours: Ways = {"network": torch.inference_mode()(method.pair), "score": method.score}
    alone, latency = one_by_one({**ours, "plain": plain}, images, asked)
    best = batched(ours, images, asked)
    row = {
        "backbone": backbone,
        "device": device,
        "images_per_second": {name: statistics.median(rounds) for name, rounds in alone.items()},
        "latency_ms": latency,
        "best": {name: (size, statistics.median(rounds)) for name, (size, rounds) in best.items()},
        "ratio_of_one": ratio(alone["score"], alone["plain"]),
        "ratio": ratio(best["score"][1], alone["plain"]),
        "difference": difference(method, plain, images[:4]),
    }
    show(row)
    return row


def show(row: dict[str, Any]) -> None:
    """The lines of a row."""
    head = f"{row['device']:5} {row['backbone']:12}"
    for name, rate in row["images_per_second"].items():
        levels = "  ".join(f"{level} {ms:7.1f} ms" for level, ms in row["latency_ms"][name].items())
        size, most = row["best"].get(name, (1, rate))
        print(f"{head} {name:8} batch 1: {rate:7.1f} images/s  {levels}   best batch {size}: {most:7.1f} images/s")
    print(
        f"{head} score beside the plain loop: {row['ratio_of_one']:.2f} times with batch 1, {row['ratio']:.2f} times "
        f"with batch {row['best']['score'][0]}; largest difference of a score {row['difference']:.0e}",
        flush=True,
    )


def main() -> None:
    """Time, print, and end with 1 if scores differ."""
    options = parser(__doc__, seconds=3.0, rounds=3)
    options.set_defaults(networks="resnet18")
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--batches", type=lambda text: [int(part) for part in text.split(",")], default=[1, 4, 16])
    asked = options.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    threads = torch.get_num_threads()
    print(machine(threads, asked.busy) + f", images of {asked.size} x {asked.size}")
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    with neighbor(asked.busy):
        rows = [compare(name, device, asked) for device in devices for name in asked.networks.split(",")]
    print(json.dumps({"threads": threads, "busy": asked.busy, "size": asked.size, "rows": rows}))
    if any(not row["difference"] <= TOLERANCE for row in rows):
        sys.exit("scores differ")


if __name__ == "__main__":
    main()
