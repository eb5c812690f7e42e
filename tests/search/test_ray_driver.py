import contextlib
import signal
import sys
from subprocess import PIPE, Popen

import psutil
import pytest

from tests.support.executors import is_gone, wait_until
from tests.support.ray_driver import DRIVER, read_pids


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_ray_of_the_drivers_own_ends_with_it(number, tmp_path):
    """All of it at once where the driver can say so; after SIGKILL its trial, and idle agents within a minute."""
    driver = Popen([sys.executable, "-c", DRIVER, tmp_path, "", "1"], stdout=PIPE, stderr=PIPE, text=True)
    wait_until(lambda: driver.poll() is not None or read_pids([tmp_path / "0000"]), "the trial runs")
    assert driver.poll() is None, driver.stderr.read()
    family = psutil.Process(driver.pid).children(recursive=True)
    assert read_pids([tmp_path / "0000"])[0] in [process.pid for process in family]
    driver.send_signal(number)
    output = driver.communicate()
    if number == signal.SIGTERM:
        assert driver.returncode == 1
        assert output == ("", "")
    waited_for = read_pids([tmp_path / "0000"]) if number == signal.SIGKILL else [process.pid for process in family]
    wait_until(lambda: all(map(is_gone, waited_for)), "what it started has ended")
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
