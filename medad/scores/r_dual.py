"""Both discrepancies refined by ASR-Net."""

from medad.registry import scores
from medad.scores.base import refined

r_dual = scores.register("r_dual")(refined("inter and intra, refined by ASR-Net", "inter", "intra"))
