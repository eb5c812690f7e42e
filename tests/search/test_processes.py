import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import pytest

from keras_rnn.errors import UsageError
from keras_rnn.search import layout, processes
from keras_rnn.search.executor import EpochEnded, TrialEnded
from keras_rnn.search.processes import ProcessExecutor, Slot, call_in_slot, early_slot, take_slot
from keras_rnn.search.trial import DIED, ERROR, OUT_OF_MEMORY, TIME_OUT, Job, Result
from tests.support.executors import PATIENCE, is_gone, run_all, wait_until

DRIVER = """
import sys
from pathlib import Path
from keras_rnn.search import processes
from keras_rnn.search.trial import Job

def task(directory, job, report):
    import os, time
    (directory / "trial").write_text(str(os.getpid()))
    time.sleep(1000)

processes.trial_task = task
slot = processes.Slot({})
executor = processes.ProcessExecutor(Path(sys.argv[1]), [slot])
executor.start(Job("0000", {}, 1))
(Path(sys.argv[1]) / "slot").write_text(str(slot.process.pid))
while True:
    executor.wait(1)
"""


def task(directory, job, report):
    """Stands for a trial: notes its process, then does what its value says."""
    with open(directory / "pids", "a") as file:
        file.write(f"{job.trial_id} {os.getpid()}\n")
    action = job.values["action"]
    if action == "report":
        report({"epoch": 1, "loss": 0.5})
        report({"epoch": 2, "loss": 0.25})
    elif action == "tell":
        return Result(
            space={name: os.environ.get(name) for name in ("SLOT", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
        )
    elif action == "raise":
        raise KeyError("no such thing")
    elif action == "exit":
        print("these are my", "last words", sep="\n", flush=True)
        os._exit(3)
    elif action == "leave":
        raise SystemExit(4)
    elif action == "be killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "hang":
        helper = subprocess.Popen(["sleep", "1000"])
        with open(directory / "pids", "a") as file:
            file.write(f"{job.trial_id} {helper.pid}\n")
        (directory / "hangs").touch()
        time.sleep(1000)
    return Result()


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # so that a slot need not import pytest


def pids(directory: Path) -> list[int]:
    return [int(line.split()[1]) for line in (directory / "pids").read_text().splitlines()]


@pytest.fixture(scope="module", autouse=True)
def light_slots():
    """No task here needs TensorFlow, which slots take seconds to import; those of test_sweep.py have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "support" / "light_slots")
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # of drivers in processes of their own
        yield


@pytest.fixture(scope="module")
def slots():
    """One that forks, and one that does not."""
    slots = [
        Slot({"SLOT": "a", "OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": "5"}),
        Slot({"SLOT": "b", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}, in_process=True),
    ]
    yield slots
    for slot in slots:
        slot.close()


@pytest.fixture
def forking(slots):
    return slots[:1]


@pytest.fixture
def staying(slots):
    return slots[1:]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run(slots, "action", ...)`: the results of trials that do that, and all that happened."""
    monkeypatch.setattr(processes, "trial_task", task)
    events = []

    def run(slots, *actions, during=lambda: None, **options):
        executor = ProcessExecutor(tmp_path, slots, **options)
        jobs = [Job(f"{number:04}", {"action": action}, 1) for number, action in enumerate(actions)]
        results = run_all(executor, jobs, on_event=events.append, each_round=during, tick=0.05)
        assert len(executor.idle) == executor.capacity
        return [results[trial_id] for trial_id in sorted(results)]

    run.events = events
    return run


def test_each_trial_has_a_process_of_its_own(run, forking, tmp_path):
    assert run(forking, "report", "report", "tell") == [
        Result(),
        Result(),
        Result(space={"SLOT": "a", "OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": "5"}),
    ]
    used_pids = {*pids(tmp_path), os.getpid(), forking[0].process.pid}
    assert len(used_pids) == 5
    wait_until(lambda: all(map(is_gone, pids(tmp_path))), "the trials' processes ended")
    assert run.events[:3] == [
        EpochEnded("0000", {"epoch": 1, "loss": 0.5}),
        EpochEnded("0000", {"epoch": 2, "loss": 0.25}),
        TrialEnded("0000", Result()),
    ]


def test_a_process_can_be_used_again(run, staying, tmp_path):
    results = run(staying, "report", "tell", "raise", "leave", "report")
    assert results[1].space["SLOT"] == "b"
    assert [result.failure for result in results] == [None, None, ERROR, ERROR, None]
    assert set(pids(tmp_path)) == {staying[0].process.pid}


def test_trials_run_at_the_same_time(run, slots, tmp_path):
    assert run(slots, *["report"] * 6) == [Result()] * 6
    assert staying_and_others(tmp_path, slots) == {"staying", "other"}


def staying_and_others(directory, slots):
    return {"staying" if pid == slots[1].process.pid else "other" for pid in pids(directory)}


def test_what_a_trial_raises_comes_back_with_its_traceback(run, forking):
    raised, exited, good_result = run(forking, "raise", "leave", "report")
    assert (raised.failure, raised.error) == (ERROR, "KeyError: 'no such thing'")
    assert 'raise KeyError("no such thing")' in raised.traceback
    assert (exited.failure, exited.error) == (ERROR, "SystemExit: 4")
    assert good_result == Result()


def test_a_trial_that_dies_is_told_of_and_the_next_one_runs(run, forking, tmp_path):
    slot = forking[0].process.pid
    killed, ended, good_result = run(forking, "be killed", "exit", "report")
    assert (killed.failure, killed.error) == (DIED, "its process ended by signal 9 (SIGKILL)")
    assert (ended.failure, ended.error) == (DIED, "its process ended by exit status 3")
    assert "these are my\nlast words" in ended.traceback
    assert ended.seconds > 0
    assert good_result == Result()
    assert forking[0].process.pid == slot


def test_what_it_wrote_last_is_kept(run, forking, tmp_path):
    folder = layout.trial_folder(tmp_path, "0000")
    folder.mkdir(parents=True)
    (folder / layout.OUTPUT).write_text("".join(f"line {number}\n" for number in range(100)))
    (killed,) = run(forking, "be killed")
    assert killed.traceback == "\n".join(f"line {number}" for number in range(80, 100))


def test_a_kill_for_lack_of_memory_has_its_name(run, forking, monkeypatch):
    counts = iter(range(100))
    monkeypatch.setattr(processes, "oom_kills", lambda: next(counts))
    killed, ended = run(forking, "be killed", "exit")
    assert (killed.failure, killed.error) == (OUT_OF_MEMORY, "the system killed its process for lack of memory")
    assert ended.failure == DIED


def kill_when_it_hangs(directory, pid):
    def kill():
        if (directory / "hangs").exists() and not is_gone(pid()):
            os.kill(pid(), signal.SIGKILL)
            (directory / "hangs").unlink()

    return kill


def test_a_trial_killed_from_outside(run, forking, tmp_path):
    killed, good_result = run(forking, "hang", "report", during=kill_when_it_hangs(tmp_path, lambda: pids(tmp_path)[0]))
    assert (killed.failure, killed.error) == (DIED, "its process ended by signal 9 (SIGKILL)")
    assert good_result == Result()


def test_a_slot_killed_from_outside_starts_anew(run, forking, tmp_path):
    pid_before = forking[0].process.pid
    killed, good_result = run(forking, "hang", "report", during=kill_when_it_hangs(tmp_path, lambda: pid_before))
    assert (killed.failure, killed.error) == (DIED, "its process ended by signal 9 (SIGKILL)")
    assert good_result == Result()
    assert forking[0].process.pid != pid_before
    wait_until(lambda: all(map(is_gone, pids(tmp_path))), "the trial and the process that it had started ended")


def test_a_trial_that_hangs_ends_by_the_limit_and_all_that_it_started(run, forking, tmp_path, monkeypatch):
    """The limit of the one after it counts from when the slot, which has begun anew, is ready for it."""
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.5)
    monkeypatch.setenv("SLOT_SECONDS", "2")
    hung, good_result = run(forking, "hang", "report", trial_timeout=1.0)
    assert (hung.failure, hung.error) == (TIME_OUT, "not done after 1 s")
    assert good_result == Result()
    wait_until(lambda: all(map(is_gone, pids(tmp_path))), "the trial and the process that it had started ended")


def tell_ready(report):
    return "ready"


def test_a_call_returns_or_raises(forking, monkeypatch):
    monkeypatch.setattr(processes, "CALL_ATTEMPTS", 1)

    def refuse(report):
        raise UsageError("workers takes more")

    def fail(value, report):
        raise LookupError(f"no {value}")

    def die(report):
        os._exit(5)

    report_is_ignored = lambda report: report("something") or 7  # noqa: E731
    assert call_in_slot(forking[0], report_is_ignored) == 7
    with pytest.raises(UsageError, match="^workers takes more"):
        call_in_slot(forking[0], refuse)
    with pytest.raises(RuntimeError, match="^LookupError: no luck") as caught:
        call_in_slot(forking[0], fail, "luck")
    assert "raise LookupError" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="a worker process ended by exit status 5 1 times"):
        call_in_slot(forking[0], die)
    assert call_in_slot(forking[0], tell_ready) == "ready"


def test_a_call_outlives_the_death_of_its_process(forking, tmp_path):
    def die_once(report):
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    assert call_in_slot(forking[0], die_once) == "done"


def test_a_slot_begun_early_is_taken_where_its_environment_will_do():
    with early_slot({"OMP_NUM_THREADS": "1"}):
        (early,) = processes._early_slots
        slot = take_slot({"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "5"}, in_process=False)
    assert slot is early
    assert call_in_slot(slot, lambda report: os.environ["CUDA_VISIBLE_DEVICES"]) == "5"
    slot.close()
    with early_slot({"OMP_NUM_THREADS": "1"}):
        (early,) = processes._early_slots
        slot = take_slot({"OMP_NUM_THREADS": "2"}, in_process=False)
    slot.close()
    assert slot is not early
    assert is_gone(early.process.pid)


def test_a_slot_begun_early_that_nobody_takes_ends():
    with contextlib.suppress(UsageError), early_slot({}):
        (early,) = processes._early_slots
        raise UsageError("no such dataset")
    assert is_gone(early.process.pid)


def test_a_killed_driver_leaves_no_process(tmp_path):
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, tmp_path], stderr=subprocess.PIPE)
    wait_until(lambda: driver.poll() is not None or (tmp_path / "trial").exists(), "the trial runs")
    assert driver.poll() is None, driver.stderr.read()
    family = [int((tmp_path / name).read_text()) for name in ("slot", "trial")]
    assert not any(map(is_gone, family))
    driver.kill()
    driver.communicate()
    wait_until(lambda: all(map(is_gone, family)), "the slot and the trial ended")


def test_closing_ends_whatever_runs(slots, tmp_path, monkeypatch):
    """The last one, since it is with the slots of all."""
    monkeypatch.setattr(processes, "trial_task", task)
    executor = ProcessExecutor(tmp_path, slots)
    for number in range(2):
        executor.start(Job(f"{number:04}", {"action": "hang"}, 1))
    wait_until(lambda: (tmp_path / "pids").exists() and len(pids(tmp_path)) == 4, "both trials hang")
    family = [*pids(tmp_path), *(slot.process.pid for slot in slots)]
    start_time = time.monotonic()
    executor.close()
    executor.close()
    assert time.monotonic() - start_time < PATIENCE / 4
    wait_until(lambda: all(map(is_gone, family)), "slots, trials and what they started ended")
