from dataclasses import asdict

import pytest

from keras_rnn.errors import UsageError
from keras_rnn.search.settings import Settings


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("workers", 0, "workers takes a whole number of at least 1, got 0"),
        ("workers", 1.5, "workers takes a whole number of at least 1, got 1.5"),
        ("max_trials", 0, "max_trials takes a whole number of at least 1, got 0"),
        ("gpus", -1, "gpus takes a whole number of at least 0, got -1"),
        ("retries", -1, "retries takes a whole number of at least 0, got -1"),
        ("retries", True, "retries takes a whole number of at least 0, got True"),
        ("trial_timeout", 0, "trial_timeout takes a number above 0, got 0"),
        ("trial_timeout", float("inf"), "trial_timeout takes a number above 0, got inf"),
        ("executor", "processes", "unknown executor 'processes'; did you mean 'process'?"),
        ("executor", "slurm", "unknown executor 'slurm'; it takes one of: process, ray"),
        ("ray_address", "auto", "ray_address takes executor 'ray' beside it, got 'process'"),
        ("reuse_workers", "no", "reuse_workers takes True or False, got 'no'"),
    ],
)
def test_a_bad_value_is_named_with_what_it_takes(option, value, message):
    with pytest.raises(UsageError) as caught:
        Settings(**{option: value})
    assert str(caught.value) == message


def test_ends_of_what_is_allowed():
    values = {"max_trials": 1, "workers": 1, "gpus": 0, "executor": "ray", "ray_address": "auto", "retries": 0}
    settings = Settings(**values, trial_timeout=0.1)
    assert asdict(settings) == {**values, "reuse_workers": False, "trial_timeout": 0.1}
    defaults = dict.fromkeys(asdict(settings)) | {"executor": "process", "retries": 1, "reuse_workers": False}
    assert asdict(Settings()) == defaults
