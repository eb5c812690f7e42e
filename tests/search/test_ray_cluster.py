import socket
import sys

import pytest

from keras_rnn.errors import UsageError
from keras_rnn.search import ray_cluster
from keras_rnn.search.ray_executor import RayExecutor
from tests.support.executors import PATIENCE


class TestConnecting:
    """In this process, which `cluster` may have connected: so each takes the connection away."""

    @pytest.fixture(autouse=True)
    def not_connected(self, monkeypatch):
        import ray

        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 4.0)

    def test_nobody_listens(self, tmp_path):
        with pytest.raises(UsageError, match=r"cannot connect to Ray at 127.0.0.1:1: no answer in 4 s; this machine"):
            RayExecutor(None, None, tmp_path, capacity=1, address="127.0.0.1:1")

    def test_somebody_else_listens_where_the_environment_says(self, tmp_path, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            monkeypatch.setenv("RAY_ADDRESS", address)
            with pytest.raises(UsageError, match=f"cannot connect to Ray at {address}: no answer in 4 s"):
                RayExecutor(None, None, tmp_path, capacity=1)

    def test_no_address(self, tmp_path, monkeypatch):
        monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", PATIENCE)
        with pytest.raises(UsageError, match="cannot connect to Ray at nonsense: ValueError: Invalid address format"):
            RayExecutor(None, None, tmp_path, capacity=1, address="nonsense")

    def test_an_address_of_ray_client(self, tmp_path):
        with pytest.raises(UsageError, match="ray_address takes HOST:PORT or auto, got 'ray://127.0.0.1:10001'"):
            RayExecutor(None, None, tmp_path, capacity=1, address="ray://127.0.0.1:10001")


def test_ray_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'executor ray takes the package ray: pip install "keras-rnn\[ray\]"'):
        RayExecutor(None, None, tmp_path, capacity=1)


FOUR_AND_TWO = [{"CPU": 4.0}, {"CPU": 2.0}]


GPUS = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}]


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "share"),
    [
        (FOUR_AND_TWO, None, None, (1, 4, 0)),  # no trial stands on two nodes
        (FOUR_AND_TWO, 2, None, (2, 2, 0)),  # 3 would leave no room for the second
        (FOUR_AND_TWO, 6, None, (6, 1, 0)),
        (FOUR_AND_TWO, 7, None, (7, 1, 0)),  # which the executor refuses
        (GPUS, None, None, (3, 4, 1)),
        (GPUS, None, 2, (2, 8, 1)),
        (GPUS, 1, None, (1, 8, 1)),
        (GPUS, 4, 0, (4, 4, 0)),
    ],
)
def test_trials_share_the_cluster_evenly(nodes, workers, gpus, share, monkeypatch):
    monkeypatch.setattr(ray_cluster, "node_resources", lambda ray: nodes)
    names = ("capacity", "cpus_per_trial", "gpus_per_trial")
    assert ray_cluster.fair_share(workers, gpus) == dict(zip(names, share, strict=True))


@pytest.mark.parametrize(
    ("workers", "gpus", "message"),
    [
        (None, 4, "gpus takes at most the 3 that the Ray cluster has, got 4"),
        (4, None, "workers takes at most one a GPU, of which the Ray cluster has 3, got 4"),
    ],
)
def test_more_gpus_than_the_cluster_has(workers, gpus, message, monkeypatch):
    monkeypatch.setattr(ray_cluster, "node_resources", lambda ray: GPUS)
    with pytest.raises(UsageError, match=message):
        ray_cluster.fair_share(workers, gpus)
