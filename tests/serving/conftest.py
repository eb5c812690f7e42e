import pytest
from rich.console import Console

from keras_rnn import train
from tests.support import tiny


@pytest.fixture(scope="package")
def run(tmp_path_factory):
    """A run of two epochs; its predictions need not be good, only the same everywhere."""
    out = tmp_path_factory.mktemp("serving") / "run"
    return train(tiny.dataset(), out=out, console=Console(quiet=True), **tiny.SMALL, bidirectional=True, epochs=2)
