"""Images per second of DDAD's scores beside a plain loop and ONNX Runtime, and whether the scores are equal.

    python benchmarks/speed/score.py [--threads 1] [--busy] [--seconds 2] [--rounds 5] [--networks ae,aeu,memae]

The plain loop takes one image at a time through each of the six networks, then through the ASR-Nets, as PyTorch makes
them: evaluation mode, no gradients, torch's default threads (or --threads) and memory format. medad's way is
``DDAD.score`` on a batch. ONNX Runtime takes the exported file in passes of 16 images, one thread each, side by side,
as ``medad score MODEL.onnx`` does. The three are timed in turns; the median round counts. Ends with 1 if a score
differs by more than 1e-4 of itself.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import tempfile
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from _common import in_turns, machine, neighbor, parser, rate, ratio
from torch import Tensor, nn

from medad.export.onnx_model import OnnxModel
from medad.export.onnx_scoring import OnnxScorer
from medad.export.run import export_model
from medad.methods.ddad import DDAD, DDADSettings
from medad.model import Card, Model
from medad.networks._refinement import ASRNet

BATCH = 64
TOLERANCE = 1e-4  # of a score
READS = {
    "6 networks": ("single", "rec", "intra", "inter"),
    "and ASR-Net (R_dual)": ("single", "rec", "intra", "inter", "r_dual"),
    "and both ASR-Nets": ("single", "rec", "intra", "inter", "r_intra", "r_dual"),
}


def made(network: str, scores: tuple[str, ...], generator: torch.Generator) -> DDAD:
    """A method with random weights, whose batch norms have seen images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        method = DDAD(DDADSettings(network=network, scores=scores))
    method.train()
    with torch.no_grad():
        for _ in range(20):
            images = torch.rand(BATCH, 1, 64, 64, generator=generator) * 2 - 1
            for module in (method.ndm, method.udm):
                module(images)
            for name, refiner in method.refiners.items():
                refiner(torch.rand(8, 1 + (name == "r_dual"), 64, 64, generator=generator))
    return method.eval()


class Plain:
    """The loop that medad is compared with: its own copies of the networks, its own arithmetic."""

    def __init__(self, method: DDAD) -> None:
        as_made = partial(nn.Module.to, memory_format=torch.contiguous_format)
        self.ndm = [as_made(copy.deepcopy(network)) for network in method.ndm.members]
        self.udm = [as_made(copy.deepcopy(network)) for network in method.udm.members]
        self.refiners = {name: plain_asr_net(refiner) for name, refiner in method.refiners.items()}

    @torch.no_grad()
    def __call__(self, image: Tensor) -> dict[str, float]:
        """The scores of one image (1, 1, S, S)."""
        normative = [network(image) for network in self.ndm]
        unknown = [network(image) for network in self.udm]
        members = torch.stack([one.mean for one in normative])
        logs = [one.log_variance for one in normative]
        variances = [torch.ones_like(image) if one is None else one.exp() for one in logs]
        variance = sum(variances) / len(variances)
        mean = members.mean(0)
        intra = members.std(0) / variance.sqrt()
        inter = (torch.stack([one.mean for one in unknown]).mean(0) - mean).abs() / variance.sqrt()
        single = [((image - one.mean) ** 2 / own).mean() for one, own in zip(normative, variances, strict=True)]
        maps = {"rec": (image - mean) ** 2 / variance, "intra": intra, "inter": inter}
        inputs = {"r_intra": intra, "r_dual": torch.cat([inter, intra], 1)}
        for name, refiner in self.refiners.items():
            maps[name] = refiner(inputs[name]).softmax(1)[:, 1]
        return {"single": float(sum(single) / 3), **{name: float(one.mean()) for name, one in maps.items()}}


def plain_asr_net(refiner: ASRNet) -> nn.Sequential:
    """ASR-Net of PyTorch's own layers, with the weights of ``refiner``."""
    inputs = refiner.layers[0].in_channels
    layers: list[nn.Module] = []
    for before in (inputs, 128):
        layers += [nn.Conv2d(before, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Conv2d(128, 2, 3, padding=1))
    network.load_state_dict(refiner.layers.state_dict())
    return network.eval()


def exported(method: DDAD, threads: int) -> OnnxScorer:
    """The method on ONNX Runtime."""
    scale = dict.fromkeys(method.scores, 1.0)
    card = Card(method="ddad", settings=method.settings.model_dump(mode="json"), seed=0, trained_on={}, map_scale=scale)
    with tempfile.TemporaryDirectory() as folder:
        export_model(Model(method, card, ""), ["onnx"], Path(folder))
        return OnnxScorer(OnnxModel(Path(folder)), threads)


def difference_of_runtimes(method: DDAD, on_onnx: OnnxScorer, images: Tensor) -> float:
    """The largest difference of a score on ONNX Runtime, relative to PyTorch's."""
    ours, theirs = method.score(images), on_onnx([images.numpy()])[0]
    return max(
        float(np.abs(np.asarray(theirs[name].score) / ours[name].score.numpy() - 1).max()) for name in method.scores
    )


def difference(method: DDAD, plain: Plain, images: Tensor) -> float:
    """The largest difference of a score, relative to the plain loop's."""
    ours = method.score(images)
    worst = 0.0
    for index in range(0, len(images), 8):
        for name, value in plain(images[index : index + 1]).items():
            if name in ours:
                worst = max(worst, abs(float(ours[name].score[index]) - value) / abs(value))
    return worst


def compare(network: str, what: str, asked: argparse.Namespace) -> dict[str, object]:
    """One line of the table."""
    generator = torch.Generator().manual_seed(1)
    method = made(network, READS[what], generator)
    plain = Plain(method)
    images = torch.rand(BATCH, 1, 64, 64, generator=generator) * 2 - 1
    one_by_one = cycle(images.split(1))

    def plainly() -> int:
        plain(next(one_by_one))
        return 1

    def ours() -> int:
        method.score(images)
        return BATCH

    on_onnx = exported(method, torch.get_num_threads())

    def exportedly() -> int:
        on_onnx([images.numpy()])
        return BATCH

    works = {"plain": plainly, "medad": ours, "onnx": exportedly}
    turns = {name: partial(rate, work, asked.seconds) for name, work in works.items()}
    found = in_turns(turns, asked.rounds)
    row = {
        "network": network,
        "what": what,
        "plain": statistics.median(found["plain"]),
        "medad": statistics.median(found["medad"]),
        "onnx": statistics.median(found["onnx"]),
        "ratio": ratio(found["medad"], found["plain"]),
        "onnx_ratio": ratio(found["onnx"], found["medad"]),
        "difference": difference(method, plain, images),
        "onnx_difference": difference_of_runtimes(method, on_onnx, images),
    }
    print(
        f"{network:6} {what:22} plain {row['plain']:7.1f} images/s   medad {row['medad']:7.1f}   "
        f"{row['ratio']:5.1f} times   largest difference {row['difference']:.0e}   "
        f"ONNX Runtime {row['onnx']:7.1f}   {row['onnx_ratio']:4.2f} times medad   difference "
        f"{row['onnx_difference']:.0e}",
        flush=True,
    )
    return row


def main() -> None:
    """Time, print, and end with 1 if scores differ."""
    options = parser(__doc__, seconds=2.0, rounds=5)
    asked = options.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    threads = torch.get_num_threads()
    print(machine(threads, asked.busy))
    with neighbor(asked.busy):
        rows = [compare(network, what, asked) for network in asked.networks.split(",") for what in READS]
    print(json.dumps({"threads": threads, "busy": asked.busy, "rows": rows}))
    if any(not row[name] <= TOLERANCE for row in rows for name in ("difference", "onnx_difference")):
        sys.exit("scores differ")


if __name__ == "__main__":
    main()
