"""Export formats by name. A format is a function that writes one version of a model."""

from collections.abc import Callable
from pathlib import Path

from keras_rnn.registry import Registry
from keras_rnn.serving.saved_model_version import write_saved_model_version
from keras_rnn.training.run_directory import Run

# write(run, folder, name) writes the model of `run`, as a version of the model `name`, to `folder`, which does not
# exist yet. It raises ExportError where the version does not do what the model does.
Exporter = Callable[[Run, Path, str], None]

_EXPORTERS: Registry[Exporter] = Registry("export format")


def register_exporter(name: str):
    """Decorator that makes an `Exporter` usable as `keras_rnn.export(..., format=name)`.

    Raises:
        UsageError: the name is taken.
    """
    return _EXPORTERS.register(name, lambda write: write)


def list_exporters(pattern: str = "*") -> list[str]:
    """The registered names that match a shell pattern, sorted."""
    return _EXPORTERS.names(pattern)


def get_exporter(name: str) -> Exporter:
    """The exporter of this name; UsageError with near misses where there is none."""
    return _EXPORTERS.get(name)


register_exporter("saved_model")(write_saved_model_version)
