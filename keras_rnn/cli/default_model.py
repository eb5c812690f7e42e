"""The model that `keras-rnn predict` takes where none is named."""

import sysconfig
from pathlib import Path

from keras_rnn.errors import UsageError


def default_model() -> Path:
    """The pretrained model: in the working directory, in the source tree, or installed with the package.

    Raises:
        UsageError: it is nowhere.
    """
    model_path = Path("saved_models/negated_reviews")
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    data_folders = [Path(sysconfig.get_path("data", scheme)) / "share" / "keras_rnn" for scheme in schemes]
    for folder in (Path(), Path(__file__).parents[2], *data_folders):
        if (folder / model_path).is_dir():
            return folder / model_path
    raise UsageError(
        f"predict takes {model_path} where no RUN is named, and it is not installed; "
        "name a RUN, which `keras-rnn train` makes in about a minute"
    )
