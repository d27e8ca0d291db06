"""A Ray cluster: the user's own, or one on this machine that nobody else can reach. Needs the extra ``medad[ray]``."""

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
            with _own_handler():
                self._connect(address, cores, gpus)
        _ = self.machines  # so that a cluster without any is refused

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
        """The machines that are alive and have any core.

        Raises:
            ClusterError: there is none, or the cluster does not answer.
        """
        with self.explained():
            resources = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        machines = [Machine(int(one["CPU"]), int(one.get("GPU", 0))) for one in resources if one.get("CPU", 0) >= 1]
        if not machines:
            raise ClusterError(
                "the Ray cluster has no machine with a core to lend: start some with 'ray start', or wait until those "
                "it has lost are back; the same command goes on from here"
            )
        return machines

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what Ray raises in the block when the cluster is gone into an error of ours.

        Raises:
            ClusterError: the cluster does not answer.
        """
        try:
            yield
        except (self.ray.exceptions.RayError, ConnectionError) as error:
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ClusterError(
                f"the Ray cluster does not answer ({said[:300]}): see 'ray status'; the same command goes on from here"
            ) from None

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


@contextmanager
def _own_handler() -> Iterator[None]:
    """Keep the handler of SIGTERM: Ray puts one in its place that ends the process without a word."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
