"""Runs jobs through an executor without a driver, and checks whether processes have ended."""

import time

import psutil

from keras_rnn.search.executor import TrialEnded

PATIENCE = 120  # seconds, enough for a busy machine


def run_all(executor, jobs, on_event=lambda event: None, each_round=lambda: None, tick=1.0):
    """Runs the jobs as the driver would. Returns the results by id; each must come once, and no event after the last.

    `on_event` is called with each event, and `each_round` at least every `tick` seconds.
    """
    waiting, under_way, results = list(jobs), set(), {}
    deadline = time.monotonic() + PATIENCE
    while waiting or under_way:
        assert time.monotonic() < deadline, f"{under_way} did not end"
        while waiting and len(under_way) < executor.capacity:
            under_way.add(waiting[0].trial_id)
            executor.start(waiting.pop(0))
        for event in executor.wait(tick):
            on_event(event)
            if isinstance(event, TrialEnded):
                under_way.remove(event.trial_id)
                results[event.trial_id] = event.result
        each_round()
    assert executor.wait(0.1) == []
    return results


def wait_until(condition, description, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s: {description}"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
