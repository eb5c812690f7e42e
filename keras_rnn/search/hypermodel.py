"""The models of `keras_rnn.train` as a keras-tuner HyperModel."""

from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner

from keras_rnn.search.space_values import trial_options
from keras_rnn.tasks import DEFAULT_TASK, Task, get_task
from keras_rnn.tasks.prepared import PreparedData
from keras_rnn.tasks.task import Batches, Network
from keras_rnn.training.averaging import averaged_weights
from keras_rnn.training.config import RunConfig, run_config
from keras_rnn.training.history import should_stop
from keras_rnn.training.token_model import compile_model, prepared_model


class RunHyperModel(keras_tuner.HyperModel):
    """Builds and trains what `keras_rnn.train(**options)` would, with a trial's hyperparameters among the options.

    Args:
        options: the options of `keras_rnn.train` that all trials share.
    """

    data: PreparedData | None = None  # set before `build` is called
    resumable = True  # `fit` depends on the model and the number of the epoch only

    def __init__(self, options: Mapping[str, Any]):
        super().__init__(name="keras_rnn")
        self.options = dict(options)

    @property
    def task(self) -> Task:
        return get_task(self.options.get("task", DEFAULT_TASK))

    def config(self, values: Mapping[str, Any]) -> RunConfig:
        """The config of a run with a trial's hyperparameters."""
        return run_config(**{**self.options, **trial_options(values)})

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """The compiled training model."""
        config = self.config(hp.values)
        model = self.task.network.training_model(prepared_model(config, self.data), config.training)
        compile_model(model, config, self._batches(config, model).steps)
        return model

    def fit(self, hp, model, *, epochs: int, initial_epoch: int, callbacks: list, **_) -> keras.callbacks.History:
        """Trains as `keras_rnn.train` does; the logs of an epoch hold the task's `reported_metrics`."""
        config = self.config(hp.values)
        batches = self._batches(config, model)
        return model.fit(
            batches.dataset,
            epochs=epochs,
            initial_epoch=initial_epoch,
            callbacks=[batches, _Validation(self.task.network, self.data), *callbacks],
            shuffle=False,  # the batches are shuffled already
            verbose=0,
        )

    def should_stop(self, hp, history: list[dict]) -> bool:
        """True once as many epochs as the config's patience have passed without a better one."""
        return should_stop(history, self.config(hp.values).training.patience, self.task.objective)

    def _batches(self, config: RunConfig, model: keras.Model) -> Batches:
        return self.task.network.batches(self.data.splits["train"], model, config.training)


class _Validation(keras.callbacks.Callback):
    """Adds the figures of the validation split to an epoch's logs, for the callbacks after it."""

    def __init__(self, network: Network, data: PreparedData):
        super().__init__()
        self.network, self.data = network, data

    def on_train_begin(self, logs=None):
        self.figures = self.network.figures_function(self.model, self.data.facts)

    def on_epoch_end(self, epoch, logs=None):
        with averaged_weights(self.model):
            figures = self.figures(self.data.splits["validation"])
        logs.update({f"val_{name}": value for name, value in figures.items()})
