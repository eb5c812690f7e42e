import pytest
from rich.console import Console

from keras_rnn import export, train
from keras_rnn.serving import saved_model_version
from tests.support import tiny
from tests.support.exported import check_here


@pytest.fixture(scope="package")
def run(tmp_path_factory):
    """A run of two epochs. Its predictions need not be good, only the same everywhere."""
    out = tmp_path_factory.mktemp("serving") / "run"
    return train(tiny.dataset(), out=out, console=Console(quiet=True), **tiny.SMALL, bidirectional=True, epochs=2)


@pytest.fixture(scope="package")
def saved_model(run, tmp_path_factory):
    """A model's folder with the run's export as version 1. Tests must not change it."""
    folder = tmp_path_factory.mktemp("saved") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model_version, "check_process", check_here)  # test_check.py starts the fresh process
        export(run, folder)
    return folder
