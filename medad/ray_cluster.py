"""Connect to a Ray cluster: the user's own, or a private one on this machine. Needs the extra ``medad[ray]``."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from medad.types import MedadError

# Read when Ray is imported: "0" has it listen on the loopback interface only, which no argument of ray.init does.
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class ClusterError(MedadError):
    """The cluster cannot be reached, or it lacks the requested machines or GPUs."""


class Machine(NamedTuple):
    """The CPU cores and GPUs of one machine of a cluster."""

    cores: int
    gpus: int = 0


class Cluster:
    """An open connection to a cluster. ``ray`` is the package, imported when the connection is opened."""

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
            with _own_handler():
                self._connect(address, cores, gpus)
        _ = self.machines  # raises ClusterError if the cluster has no machine

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
        """Return the machines that are alive and have at least one core.

        Raises:
            ClusterError: there is no such machine, or the cluster does not answer.
        """
        with self.explained():
            resources = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        machines = [Machine(int(node["CPU"]), int(node.get("GPU", 0))) for node in resources if node.get("CPU", 0) >= 1]
        if not machines:
            raise ClusterError(
                "the Ray cluster has no machine with a core to lend: start some with 'ray start', or wait until those "
                "it has lost are back; the same command goes on from here"
            )
        return machines

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the errors that Ray raises in the block when the cluster is lost into ClusterError.

        Raises:
            ClusterError: the cluster does not answer.
        """
        try:
            yield
        except (self.ray.exceptions.RayError, ConnectionError) as error:
            first_line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ClusterError(
                f"the Ray cluster does not answer ({first_line[:300]}): see 'ray status'; "
                "the same command goes on from here"
            ) from None

    @property
    def cpus(self) -> int:
        """Return the number of cores of all machines."""
        return sum(machine.cores for machine in self.machines)

    @property
    def gpus(self) -> int:
        """Return the number of GPUs of all machines."""
        return sum(machine.gpus for machine in self.machines)

    def gpus_for(self, device: str) -> int:
        """Return how many GPUs to use for ``--device``: 0 for "cpu", else all GPUs of the cluster.

        Raises:
            ClusterError: ``device`` names a GPU, and the cluster has none.
        """
        gpu_count = 0 if device == "cpu" else self.gpus
        if device not in ("auto", "cpu") and not gpu_count:
            raise ClusterError(f"--device {device}: the cluster has no GPU; use --device auto or cpu")
        return gpu_count

    def close(self) -> None:
        """Disconnect from the cluster; shut it down if this process started it."""
        if self._ours:
            self.ray.shutdown()


@contextmanager
def _own_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM after the block: Ray installs one that ends the process silently."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
