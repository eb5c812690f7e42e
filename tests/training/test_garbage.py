import gc

import pytest

from keras_rnn.training.garbage import frozen_gc


@pytest.fixture
def nothing_frozen():
    frozen_count = gc.get_freeze_count()
    gc.unfreeze()
    yield
    if frozen_count:
        gc.freeze()


@pytest.mark.usefixtures("nothing_frozen")
def test_objects_are_frozen_meanwhile_even_if_it_fails():
    def fail_within():
        with frozen_gc():
            assert gc.get_freeze_count()
            raise KeyError

    with pytest.raises(KeyError):
        fail_within()
    assert not gc.get_freeze_count()
    assert gc.isenabled()


@pytest.mark.usefixtures("nothing_frozen")
def test_what_others_froze_stays_frozen():
    gc.freeze()
    with frozen_gc():
        frozen_count = gc.get_freeze_count()
    assert gc.get_freeze_count() == frozen_count > 0
