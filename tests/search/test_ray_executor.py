import os
import signal
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
import pytest

from keras_rnn.errors import UsageError
from keras_rnn.search import ray_cluster, ray_executor
from keras_rnn.search.executor import EpochEnded
from keras_rnn.search.ray_executor import RayExecutor
from keras_rnn.search.trial import DIED, ERROR, OUT_OF_MEMORY, TIME_OUT, Job, Result
from tests.support.executors import PATIENCE, is_gone, run_all, wait_until
from tests.support.ray_driver import DRIVER, read_pids

# Without what no test looks at, and what takes seconds to start.
NODE = {
    "num_cpus": 1,
    "object_store_memory": 100 * 2**20,
    "include_dashboard": False,
    "include_log_monitor": False,
    "no_monitor": True,
}


# A node whose raylet is killed counts as alive until five checks have failed: a second, where else it is up to half a
# minute. A check that is only answered late, on a busy machine, still has the ten seconds that Ray gives it.
HEALTH_CHECKS = {"RAY_health_check_period_ms": "200", "RAY_health_check_initial_delay_ms": "0"}


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one CPU each, both on this machine; this process is connected to it."""
    os.environ.update(ray_cluster.RAY_ENVIRONMENT)
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in HEALTH_CHECKS.items():
            patch.setenv(name, value)
        cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        cluster.add_node(**NODE)
        ray.init(cluster.address, **ray_cluster.QUIET_OPTIONS)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def add_node(cluster):
    """Adds a node to the cluster, `add_node(**options)`; after the test the cluster has the two that it had before."""
    added = []

    def add(**options):
        added.append(cluster.add_node(**{**NODE, **options}))
        return added[-1]

    yield add
    for node in added:
        cluster.remove_node(node)
    cluster.wait_for_nodes(PATIENCE)


@pytest.fixture
def executor(cluster, tmp_path):
    """Makes executors on the cluster, and closes them: `executor(run, program=..., **options)`."""
    executors = []

    def make(run, program=None, data=None, *, capacity=2, **options):
        executors.append(RayExecutor(program, data, tmp_path, capacity=capacity, run=run, **options))
        return executors[-1]

    yield make
    for instance in executors:
        instance.close()


def jobs(count):
    return [Job(f"{number:04}", {}, epochs=1) for number in range(count)]


def test_each_trial_has_a_process_of_its_own_on_some_node_and_shares_the_data(executor, tmp_path):
    np.save(tmp_path / "ids.npy", np.arange(10**6))

    def run(program, data, job, directory, source, report):
        import os

        import ray

        report({"epoch": 1, "loss": 0.5})
        report({"epoch": 2, "loss": 0.25})
        array = data["ids"]
        facts = {
            "node": ray.get_runtime_context().get_node_id(),
            "pid": os.getpid(),
            "program": str(program),
            "sum": int(array.sum()),
            "shared": not array.flags.writeable and not array.flags.owndata and type(array).__name__ == "ndarray",
            "gpus": os.environ["CUDA_VISIBLE_DEVICES"],
            "threads": os.environ["OMP_NUM_THREADS"],
            "source": source,
        }
        while not (program / "0000").exists() or not (program / "0001").exists():
            time.sleep(0.01)
        return Result(space=facts)

    meeting = tmp_path / "meeting"
    meeting.mkdir()
    reports = []

    def on_event(event):
        if isinstance(event, EpochEnded):
            reports.append(event)
            if event.row["epoch"] == 2:
                (meeting / event.trial_id).touch()  # the first two trials wait for that: they run at the same time

    running = executor(run, meeting, {"ids": np.load(tmp_path / "ids.npy", mmap_mode="r")})
    results = run_all(running, jobs(4), on_event)
    facts = [result.space for result in results.values()]
    assert len({fact["node"] for fact in facts}) == 2
    assert len({fact["pid"] for fact in facts} | {os.getpid()}) == 5
    for fact in facts:
        assert {key: value for key, value in fact.items() if key not in ("node", "pid")} == {
            "program": str(meeting),
            "sum": 499999500000,
            "shared": True,
            "gpus": "-1",
            "threads": "1",
            "source": None,
        }
    for trial_id in ("0000", "0001"):
        assert [event.row["epoch"] for event in reports if event.trial_id == trial_id] == [1, 2]


def test_processes_can_be_used_again(executor):
    def run(program, data, job, directory, source, report):
        import os

        return Result(device=str(os.getpid()))

    results = run_all(executor(run, capacity=1, reuse_workers=True), jobs(3))
    assert len({result.device for result in results.values()}) < 3


def test_checkpoints_go_to_the_trial_and_come_back(executor, tmp_path):
    def run(program, data, job, directory, source, report):
        checkpoint = directory / "checkpoint.npz"
        previous = checkpoint.read_bytes() if checkpoint.exists() else b"new"
        if job.source:
            checkpoint.write_bytes(source.read_bytes() + b", " + previous + b", gone on")
        else:
            checkpoint.unlink(missing_ok=True)
        return Result(device=str(directory))

    for name, content in (("0000", b"first"), ("0002", b"broken off")):
        folder = tmp_path / "trials" / name
        folder.mkdir(parents=True)
        (folder / "checkpoint.npz").write_bytes(content)
    promoted_jobs = [Job(name, {}, epochs=2, initial_epoch=1, source="0000") for name in ("0001", "0002")]
    results = run_all(executor(run, retries=0), [*promoted_jobs, Job("0000", {}, epochs=1)])
    assert (tmp_path / "trials" / "0001" / "checkpoint.npz").read_bytes() == b"first, new, gone on"
    assert (tmp_path / "trials" / "0002" / "checkpoint.npz").read_bytes() == b"first, broken off, gone on"
    assert not (tmp_path / "trials" / "0000" / "checkpoint.npz").exists()
    assert (tmp_path / "trials" / "0000" / "result.json").is_file()
    for result in results.values():
        assert not Path(result.device).exists()  # nothing stays on the node


def test_an_exception_comes_back_with_its_traceback(executor):
    def run(program, data, job, directory, source, report):
        raise KeyError("no such thing")

    result = run_all(executor(run), jobs(1))["0000"]
    assert (result.failure, result.error) == (ERROR, "KeyError: 'no such thing'")
    assert 'raise KeyError("no such thing")' in result.traceback


def test_a_trial_whose_process_dies_is_tried_again_as_often_as_asked(executor, tmp_path):
    def run(program, data, job, directory, source, report):
        import os

        with open(program / f"attempts{job.trial_id}", "a") as file:
            file.write("x")
        if file.name.endswith("1") or os.path.getsize(file.name) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return Result()

    results = run_all(executor(run, tmp_path, retries=1), jobs(2))
    assert results["0000"] == Result()
    assert results["0001"].failure == DIED
    assert results["0001"].error == "its process or node died (WorkerCrashedError)"
    assert (tmp_path / "attempts0000").read_text() == (tmp_path / "attempts0001").read_text() == "xx"


def test_a_trial_that_hangs_ends_by_the_limit_and_is_not_tried_again(executor, tmp_path, monkeypatch):
    def run(program, data, job, directory, source, report):
        import ctypes
        import os

        with open(program / "pids", "a") as file:
            file.write(f"{os.getpid()}\n")
        if job.trial_id == "0001":
            ctypes.PyDLL(None).sleep(1000)  # holds the interpreter, so no signal handler or thread of it runs
        return Result()

    monkeypatch.setattr(ray_executor, "GRACE_SECONDS", 0.5)
    results = run_all(executor(run, tmp_path, capacity=1, trial_timeout=1.0, retries=3), jobs(3))
    assert [result.failure for result in results.values()] == [None, TIME_OUT, None]
    assert results["0001"].error == "not done after 1 s"
    pids = [int(line) for line in (tmp_path / "pids").read_text().splitlines()]
    assert len(pids) == 3
    wait_until(lambda: all(map(is_gone, pids)), "the trials' processes ended")


def test_the_limit_counts_from_when_a_trial_runs(executor, monkeypatch):
    def run(program, data, job, directory, source, report):
        time.sleep(0.6)
        return Result()

    monkeypatch.setattr(ray_executor, "GRACE_SECONDS", 0.0)
    running = executor(run, trial_timeout=1.1)
    running.capacity = 3  # on two CPUs: one waits in Ray's queue for as long as another runs
    assert [result.failure for result in run_all(running, jobs(3)).values()] == [None] * 3


@pytest.mark.slow
def test_trials_of_a_node_that_dies_run_on_another(add_node, executor, tmp_path):
    def run(program, data, job, directory, source, report):
        import os

        import ray

        (program / f"{job.trial_id}.{os.getpid()}").write_text(ray.get_runtime_context().get_node_id())
        time.sleep(1.5)
        return Result(device=ray.get_runtime_context().get_node_id())

    log = tmp_path / "log"
    log.mkdir()
    doomed = add_node()
    running = executor(run, log, capacity=3)
    wait, killed = running.wait, []

    def wait_and_kill(seconds):
        trial_files = [path for path in log.iterdir() if path.read_text() == doomed.node_id]
        if trial_files and not killed:
            doomed.all_processes["raylet"][0].process.kill()
            killed.extend(trial_files)
        return wait(0.1)

    running.wait = wait_and_kill
    results = run_all(running, jobs(6))
    assert killed, "no trial ran on the node that was to die"
    assert sorted(results) == [f"{number:04}" for number in range(6)]
    assert all(result.failure is None and result.device != doomed.node_id for result in results.values())
    trial_id, pid = killed[0].name.split(".")
    assert len(list(log.glob(f"{trial_id}.*"))) == 2
    wait_until(lambda: is_gone(int(pid)), "the process of the dead node's trial ended")


def test_a_sweep_outlives_the_death_of_its_reports(executor, tmp_path):
    def run(program, data, job, directory, source, report):
        while not program.exists():
            report({"loss": 1.0})
            time.sleep(0.1)
        return Result()

    import ray

    seen = tmp_path / "seen"
    running, events = executor(run, seen, capacity=1), []

    def on_event(event):
        events.append(event)
        if len(events) == 1:
            ray.kill(running._reports, no_restart=False)
        else:
            seen.touch()

    assert run_all(running, jobs(1), on_event)["0000"] == Result()
    ray.kill(running._reports, no_restart=True)
    assert run_all(running, jobs(1))["0000"] == Result()


def test_more_than_the_cluster_has_is_refused(executor):
    description = "its nodes have 1 CPUs and 0 GPUs; 1 CPUs and 0 GPUs"
    with pytest.raises(UsageError, match=f"at most the 2 trials of 1 CPUs and 0 GPUs .* got 3; {description}"):
        executor(Result, capacity=3)
    with pytest.raises(UsageError, match="at most the 0 trials of 2 CPUs"):  # two, but not on one node
        executor(Result, capacity=1, cpus_per_trial=2)
    with pytest.raises(UsageError, match="at most the 0 trials of 1 CPUs and 1 GPUs"):
        executor(Result, capacity=1, gpus_per_trial=1)


def test_closing_ends_trials_and_leaves_a_connection_that_was_there(executor, tmp_path):
    def run(program, data, job, directory, source, report):
        import ctypes
        import os

        (program / job.trial_id).write_text(str(os.getpid()))
        ctypes.PyDLL(None).sleep(1000)

    import ray

    running = executor(run, tmp_path)
    for job in jobs(2):
        running.start(job)
    paths = [tmp_path / job.trial_id for job in jobs(2)]
    wait_until(lambda: read_pids(paths), "both trials run")
    running.close()
    running.close()
    wait_until(lambda: all(map(is_gone, read_pids(paths))), "both ended")
    assert ray.is_initialized()


def test_killing_the_driver_ends_its_trials(cluster, tmp_path):
    driver = Popen([sys.executable, "-c", DRIVER, tmp_path, cluster.address, "2"], stderr=PIPE)
    paths = [tmp_path / "0000", tmp_path / "0001"]
    wait_until(lambda: driver.poll() is not None or read_pids(paths), "both trials run")
    assert driver.poll() is None, driver.stderr.read()
    trials = read_pids(paths)
    assert not any(map(is_gone, trials))
    driver.kill()
    driver.communicate()
    wait_until(lambda: all(map(is_gone, trials)), "the trials' processes ended")


@pytest.mark.slow
def test_what_lacks_memory_is_named_and_not_tried_again(add_node, executor, monkeypatch):
    """A node that counts as full however little is used ends every trial."""
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.001")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    add_node(num_cpus=2)

    def run(program, data, job, directory, source, report):
        time.sleep(60)

    result = run_all(executor(run, capacity=1, cpus_per_trial=2, retries=3), jobs(1))["0000"]
    assert (result.failure, result.error) == (OUT_OF_MEMORY, "Ray killed its process for lack of memory")


def test_a_second_connection_is_refused(executor, cluster):
    with pytest.raises(UsageError, match="this process has connected to Ray before, got '.*:.*'"):
        executor(Result, address=cluster.address)
