"""Intra-discrepancy refined by ASR-Net."""

from medad.registry import scores
from medad.scores.base import refined

r_intra = scores.register("r_intra")(refined("intra, refined by ASR-Net", "intra"))
