"""A Ray cluster: the user's own, or one on this machine that nobody else can reach. Needs the extra ``medad[ray]``."""

from __future__ import annotations

import logging
import os
from typing import Any, NamedTuple

from medad.types import MedadError

# Read when Ray is imported: "0" has it listen on the loopback interface only, which no argument of ray.init does.
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class ClusterError(MedadError):
    """A cluster that is not there, or lacks what was asked for."""


class Machine(NamedTuple):
    """What a machine of a cluster lends."""

    cores: int
    gpus: int = 0


class Cluster:
    """An open connection. ``ray`` is the package, which is not imported before it is needed."""

    def __init__(self, address: str | None, cores: int, gpus: int) -> None:
        """Connect to ``address``; without one, start a cluster that counts ``cores`` and ``gpus`` on this machine.

        Raises:
            ClusterError: Ray is not installed, or there is no cluster at the address.
        """
        if address is None:
            os.environ[_LOOPBACK] = "0"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise ClusterError("--engine ray needs Ray: pip install 'medad[ray]'") from None
        self.ray: Any = ray
        self._ours = not ray.is_initialized()
        logging.getLogger("ray").setLevel(logging.ERROR)
        if self._ours:
            self._connect(address, cores, gpus)
        if not self.machines:
            raise ClusterError("the Ray cluster has no machine with a core to lend")

    def _connect(self, address: str | None, cores: int, gpus: int) -> None:
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if address is not None:
                self.ray.init(address=address, **quiet)
            else:
                self.ray.init(address="local", include_dashboard=False, num_cpus=cores, num_gpus=gpus, **quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            hint = "start one with 'ray start --head'; if it asks for a token, set RAY_AUTH_MODE=token here too"
            raise ClusterError(f"no Ray cluster at {address or 'this machine'}: {error} ({hint})") from None

    @property
    def machines(self) -> list[Machine]:
        """The machines that have any core."""
        found = [one["Resources"] for one in self.ray.nodes() if one["Alive"]]
        return [Machine(int(one["CPU"]), int(one.get("GPU", 0))) for one in found if one.get("CPU", 0) >= 1]

    @property
    def cpus(self) -> int:
        """Cores of all machines."""
        return sum(one.cores for one in self.machines)

    @property
    def gpus(self) -> int:
        """GPUs of all machines."""
        return sum(one.gpus for one in self.machines)

    def gpus_for(self, device: str) -> int:
        """How many GPUs there are for ``--device``: "cpu" asks for none, "auto" takes those that there are.

        Raises:
            ClusterError: a GPU is asked for, and there is none.
        """
        found = 0 if device == "cpu" else self.gpus
        if device not in ("auto", "cpu") and not found:
            raise ClusterError(f"--device {device}: the cluster has no GPU; use --device auto or cpu")
        return found

    def close(self) -> None:
        """Leave the cluster; end it, if it is our own."""
        if self._ours:
            self.ray.shutdown()
