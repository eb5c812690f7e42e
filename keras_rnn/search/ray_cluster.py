"""The connection to a Ray cluster, and how many trials it has room for."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

from keras_rnn.errors import UsageError
from keras_rnn.search.settings import share_gpus

# Defaults of environment variables; the user's own values stay.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else each node sets up its own environment under `uv run`
    "RAY_task_oom_retries": "0",  # else a trial that lacks memory is retried for ever
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # else Ray's logs of dead processes and nodes fill the screen
}
QUIET_OPTIONS = {"log_to_driver": False, "logging_level": logging.ERROR}
CONNECTION_SCRIPT = "import logging, ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)"
CONNECT_SECONDS = 15.0  # a cluster must answer in this time


def import_ray() -> ModuleType:
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise UsageError('executor ray takes the package ray: pip install "keras-rnn[ray]"') from error
    return ray


@contextlib.contextmanager
def ray_connection(address: str | None) -> Iterator[None]:
    """Connects to a cluster (see `RayExecutor`), and disconnects at the end if there was no connection before."""
    ray = import_ray()
    is_new = connect(ray, address)
    try:
        yield
    finally:
        if is_new:
            ray.shutdown()


def fair_share(workers: int | None, gpus: int | None) -> dict[str, int]:
    """The number of trials at a time in the connected cluster, and the resources of each.

    Args:
        workers: trials at a time; None: one a GPU, or one.
        gpus: how many of the cluster's GPUs to use, one for each trial; None: all.

    Returns:
        The arguments capacity, cpus_per_trial and gpus_per_trial of `RayExecutor`.

    Raises:
        UsageError: the cluster has fewer GPUs.
    """
    nodes = node_resources(import_ray())
    available_count = int(sum(node.get("GPU", 0) for node in nodes))
    workers, gpus = share_gpus(workers, gpus, available_count, "that the Ray cluster has", "the Ray cluster has")
    cpus = max(int(sum(node.get("CPU", 0) for node in nodes)) // workers, 1)
    while cpus > 1 and _capacity(nodes, cpus, min(gpus, 1)) < workers:
        cpus -= 1
    return {"capacity": workers, "cpus_per_trial": cpus, "gpus_per_trial": min(gpus, 1)}


def connect(ray: ModuleType, address: str | None) -> bool:
    """Connects to a cluster, or starts Ray on this machine. False if this process was connected before, else True."""
    if ray.is_initialized():
        if address is not None:
            raise UsageError(f"ray_address takes None where this process has connected to Ray before, got {address!r}")
        return False
    address = address or os.environ.get("RAY_ADDRESS")
    with _preserve_sigterm_handler():
        if not address:
            ray.init("local", include_dashboard=False, **QUIET_OPTIONS)
            return True
        _test_connection(address)
        try:
            ray.init(address, **QUIET_OPTIONS)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _unreachable(address, str(error)) from error
    return True


def _test_connection(address: str) -> None:
    """Connects in another process first: where nobody answers, Ray waits for minutes and prints warnings."""
    if "://" in address:
        raise UsageError(f"ray_address takes HOST:PORT or auto, got {address!r}")
    try:
        process = subprocess.run(
            [sys.executable, "-c", CONNECTION_SCRIPT, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=CONNECT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _unreachable(address, f"no answer in {CONNECT_SECONDS:g} s") from None
    if process.returncode:
        raise _unreachable(address, (process.stderr.strip().splitlines() or ["no reason given"])[-1])


def _unreachable(address: str, reason: str) -> UsageError:
    return UsageError(
        f"cannot connect to Ray at {address}: {reason}; this machine has to be a node of the cluster "
        f"(ray start --address {address})"
    )


def node_resources(ray: ModuleType) -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _capacity(nodes: list[dict[str, float]], cpus: float, gpus: float) -> int:
    """How many trials with these needs fit on the nodes, each on one node."""
    needs = [(name, amount) for name, amount in (("CPU", cpus), ("GPU", gpus)) if amount]
    return sum(int(min(node.get(name, 0) / amount for name, amount in needs)) for node in nodes)


def check_room(ray: ModuleType, capacity: int, cpus: float, gpus: float) -> None:
    nodes = node_resources(ray)
    available_count = _capacity(nodes, cpus, gpus)
    if available_count < capacity:
        node_texts = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise UsageError(
            f"workers takes at most the {available_count} trials of {cpus:g} CPUs and {gpus:g} GPUs "
            "that Ray has room for, "
            f"got {capacity}; its nodes have {node_texts}"
        )


@contextlib.contextmanager
def _preserve_sigterm_handler() -> Iterator[None]:
    """Restores the handler of SIGTERM, which Ray replaces when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
