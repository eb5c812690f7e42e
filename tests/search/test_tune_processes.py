import contextlib
import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest

from keras_rnn.cli import main as cli
from keras_rnn.search import layout
from keras_rnn.search.journal import read_journal
from tests.support import tiny
from tests.support.executors import wait_until

PATIENCE = 240  # seconds, on a machine that is busy with other things


# As in a notebook: a class of __main__, data of one's own, no `if __name__ == "__main__"`.
SCRIPT = """
import sys
import keras, keras_tuner, numpy as np
import keras_rnn

x = np.linspace(-1, 1, 64, dtype="float32").reshape(32, 2)
scale = 2

class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.layers.Dense(scale * hp.Choice("units", [1, 2])), keras.layers.Dense(1)])
        model.compile("sgd", loss="mse", run_eagerly=True)
        return model

    def fit(self, hp, model, *arguments, **further):
        if hp.get("units") == 2:
            raise ValueError("not two")
        return model.fit(*arguments, **further)

sweep = keras_rnn.tune(
    hypermodel=Mine(), fit_arguments={"x": x, "y": x[:, :1], "validation_split": 0.5}, objective="val_loss",
    algorithm="grid", epochs=2, retries=1, out=sys.argv[1],
)
assert [trial.status for trial in sweep.trials] == ["completed", "failed"], sweep.trials
assert sweep.trials[1].attempts == 2 and sweep.trials[1].result.error == "ValueError: not two"
assert sweep.trials[0].result.parameters == 2 * 2 + 2 + 3
assert len(sweep.trials[0].result.history) == 2 and sweep.direction == "min"
"""


def test_a_script_of_one_s_own(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.run([sys.executable, script, tmp_path / "s"], capture_output=True, text=True, timeout=PATIENCE)
    assert process.returncode == 0, process.stderr
    assert "Traceback" in (tmp_path / "s" / "trials" / "0001" / "error.txt").read_text()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write_csv(tmp_path_factory.mktemp("data") / "tiny.csv", tiny.split(300, 0))


@pytest.fixture
def family(monkeypatch):
    """A function that finds the processes that the test has begun, and all that these have. Its end kills them."""
    marker = uuid.uuid4().hex
    monkeypatch.setenv("KERAS_RNN_TEST", marker)

    def family():
        processes = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("KERAS_RNN_TEST") == marker:
                    processes.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return processes

    yield family
    for _ in range(10):  # a driver that is killed may just have begun another process
        if not (left := family()):
            break
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)


@pytest.fixture
def tune_command(data, tmp_path):
    """The words of a command whose sweep may take long."""
    sizes = ["--hidden-size", "4,8", "--embedding-size", "4"]
    return ["tune", str(tmp_path / "s"), "--data", str(data), *sizes, "--cell", "simple_rnn"]


@pytest.mark.slow
def test_a_sweep_that_is_ended_leaves_no_process_and_can_be_gone_on_with(tune_command, family, tmp_path):
    command = [sys.executable, "-m", "keras_rnn.cli.main", *tune_command, "--max-trials", "1"]
    command += ["--epochs", "100000", "--patience", "100000"]
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
        driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        checkpoint = tmp_path / "s" / "trials" / "0000" / layout.CHECKPOINT
        start_time = time.time()
        deadline = time.monotonic() + PATIENCE
        while not checkpoint.exists() or checkpoint.stat().st_mtime <= start_time:
            assert driver.poll() is None, driver.stderr.read()
            assert time.monotonic() < deadline, "the trial has not come to an epoch's end"
            time.sleep(0.1)
        assert len(family()) >= 3  # the driver, the slot, the trial
        driver.send_signal(number)
        _, output = driver.communicate(timeout=60)
        assert driver.returncode == status
        assert "Traceback" not in output
        wait_until(lambda: not family(), f"all processes ended after {number}", 10)
        assert len(read_journal(tmp_path / "s" / layout.JOURNAL)) == 1


@pytest.mark.slow
def test_a_command_whose_trials_all_fail_has_status_1(tune_command, family, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["keras-rnn", *tune_command, "--trial-timeout", "0.001", "--max-trials", "2"])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 1
    last_line = capfd.readouterr().err.splitlines()[-1]
    assert last_line.startswith("keras-rnn: error: all 2 trials failed, the last of them: time-out: ")
    wait_until(lambda: not family(), "all processes ended", 10)
