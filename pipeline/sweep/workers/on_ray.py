"""Workers as Ray tasks, on one machine or a cluster.

The project's directory has to be at the same path on every machine of the cluster, for example on a
shared file system: datasets, training states and results lie there.
"""

from __future__ import annotations

import contextlib
import logging
import os
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

from pipeline.errors import EnvironmentProblem
from pipeline.sweep.definition.settings import RaySettings
from pipeline.sweep.workers.worker import Address, work


class RayWorker:
    """A worker's task.

    Args:
        task: Ray's reference to what it will return.
    """

    def __init__(self, task: Any) -> None:
        self._task = task

    def death(self) -> str | None:
        """How it ended; None while it lives."""
        import ray
        from ray.exceptions import RayError

        done, _ = ray.wait([self._task], timeout=0)
        if not done:
            return None
        try:
            ray.get(self._task)
        except RayError as error:
            return f"its Ray task ended: {str(error).strip().splitlines()[0]}"
        return "its Ray task returned"

    def kill(self) -> None:
        """Ends it at once."""
        import ray
        from ray.exceptions import RayError

        with contextlib.suppress(RayError, ValueError):
            ray.cancel(self._task, force=True)


class RayLauncher:
    """Starts workers as Ray tasks that hold their resources until the sweep ends.

    Args:
        settings: Cluster and resources.
        root: The project's root.
        threads: CPU threads of each worker.

    Raises:
        EnvironmentProblem: If Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, settings: RaySettings, root: Path, *, threads: int) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise EnvironmentProblem(
                "launcher: ray needs the package ray, which is not installed",
                remedy="pip install 'finetune-pipeline[ray]', or set launcher=local",
            ) from None
        self._root = root
        self._threads = threads
        self._cpus = (
            float(threads) if settings.cpus_per_worker is None else settings.cpus_per_worker
        )
        self._gpus = settings.gpus_per_worker
        self._started = not ray.is_initialized()
        if self._started:
            self._connect(settings.address)

    def listener(self) -> Listener:
        """A port of this machine that the cluster's machines can reach."""
        import ray

        host = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        return Listener((host, 0), family="AF_INET")

    def start(self, address: Address, index: int, key: bytes) -> RayWorker:
        """Starts a worker as soon as the cluster has room for it."""
        import ray

        package = str(Path(__file__).resolve().parents[3])
        search = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
        variables = {"OMP_NUM_THREADS": str(self._threads), "PYTHONPATH": search}
        task = ray.remote(work).options(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_retries=0,
            name=f"sweep-worker-{index}",
            runtime_env={"env_vars": variables},
        )
        return RayWorker(task.remote(address, index, self._root, key))

    def close(self) -> None:
        """Leaves the cluster, or ends the Ray that was started for the sweep."""
        import ray

        if self._started:
            ray.shutdown()

    def _connect(self, address: str | None) -> None:
        import ray

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init(
                address=address or "local",  # None would join whatever cluster it finds
                include_dashboard=False if address is None else None,
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
        except Exception as error:  # Ray raises many kinds
            raise EnvironmentProblem(
                f"Ray cannot be reached at {address or 'this machine'}: {error}",
                remedy="start it (`ray start --head`), or mend ray.address",
            ) from error
