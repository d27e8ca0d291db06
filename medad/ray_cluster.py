"""Connect to a Ray cluster, or start a private one on this machine. Needs the extra ``medad[ray]``."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from medad.types import MedadError

# Ray reads this variable when it is imported: "0" makes it listen on the loopback interface only. No argument of
# ray.init does that.
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class ClusterError(MedadError):
    """A cluster that cannot be reached, or that lacks the requested resources."""


class Machine(NamedTuple):
    """The number of cores and GPUs of one machine in a cluster."""

    cores: int
    gpus: int = 0


class Cluster:
    """An open connection to a cluster. ``ray`` is the module, which is imported only here."""

    def __init__(self, address: str | None, cores: int, gpus: int) -> None:
        """Connect to ``address``; without one, start a cluster with ``cores`` and ``gpus`` on this machine.

        Raises:
            ClusterError: Ray is not installed, no cluster answers at ``address``, or it has no machine with a core.
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
            with _sigterm_handler_kept():
                self._connect(address, cores, gpus)
        _ = self.machines  # raises ClusterError if the cluster has no machine

    def _connect(self, address: str | None, cores: int, gpus: int) -> None:
        """Call ``ray.init``.

        Raises:
            ClusterError: it fails.
        """
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
        """The machines that are alive and have at least one core.

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
        """Turn the errors that Ray raises in the block when the cluster is gone into a ClusterError.

        Raises:
            ClusterError: the cluster does not answer.
        """
        try:
            yield
        except (self.ray.exceptions.RayError, ConnectionError) as error:
            cause = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ClusterError(
                f"the Ray cluster does not answer ({cause[:300]}): see 'ray status'; the same command goes on from here"
            ) from None

    @property
    def cpus(self) -> int:
        """The number of cores of all machines."""
        return sum(machine.cores for machine in self.machines)

    @property
    def gpus(self) -> int:
        """The number of GPUs of all machines."""
        return sum(machine.gpus for machine in self.machines)

    def gpus_for(self, device: str) -> int:
        """Return the number of GPUs to use for ``--device``: 0 for "cpu", else all GPUs of the cluster.

        Raises:
            ClusterError: ``device`` requires a GPU, and the cluster has none.
        """
        gpus = 0 if device == "cpu" else self.gpus
        if device not in ("auto", "cpu") and not gpus:
            raise ClusterError(f"--device {device}: the cluster has no GPU; use --device auto or cpu")
        return gpus

    def close(self) -> None:
        """Disconnect from the cluster, and stop it if it was started here; a connection that was open before stays."""
        if self._ours:
            self.ray.shutdown()


@contextmanager
def _sigterm_handler_kept() -> Iterator[None]:
    """Restore the handler of SIGTERM after the block: Ray replaces it by one that ends the process silently."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
