import warnings

import pytest


@pytest.fixture
def without_warnings():
    """keras-tuner and scikit-learn warn of so few trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
