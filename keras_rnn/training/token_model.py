"""The token model that a run's config describes, ready to be trained."""

import keras

from keras_rnn.models import create_model
from keras_rnn.tasks import get_task
from keras_rnn.tasks.prepared import PreparedData
from keras_rnn.training.config import RunConfig
from keras_rnn.training.lazy_adam import LazyAdam, LazyLossScaleOptimizer

FINAL_LEARNING_RATE = 0.05  # share of the initial one at the end of a cosine decay
# Steps that Python starts at once: more save little, and Ctrl-C, a time limit and the progress wait for all of them.
STEPS_PER_EXECUTION = 8


def check_hyperparameters(config: RunConfig) -> keras.Model:
    """UsageError where no model can be built from the config's hyperparameters; needs no data.

    Returns:
        The model, with the smallest sizes where the data would give them.
    """
    return prepared_model(config, None)


def prepared_model(config: RunConfig, prepared: PreparedData | None) -> keras.Model:
    """The token model of a config for this data, not compiled; None stands for the smallest possible data."""
    arguments = get_task(config.task).network.builder_arguments(prepared)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if config.training.mixed_precision else "float32")
    try:
        return create_model(config.model.model, name="token_model", **arguments, **config.model.hyperparameters)
    finally:
        keras.config.set_dtype_policy(policy)


def compile_model(model: keras.Model, config: RunConfig, steps: int) -> None:
    """Compiles a training model as the config says; an epoch has `steps` steps."""
    learning_rate = config.training.learning_rate
    if config.training.learning_rate_decay == "cosine":
        learning_rate = keras.optimizers.schedules.CosineDecay(
            learning_rate, decay_steps=steps * config.training.epochs, alpha=FINAL_LEARNING_RATE
        )
    averaging = config.training.averaging
    options = {"use_ema": True, "ema_momentum": averaging} if averaging else {}
    optimizer = LazyAdam(learning_rate, global_clipnorm=config.training.clip_norm, **options)
    if config.training.mixed_precision:
        optimizer = LazyLossScaleOptimizer(optimizer)
    loss, metrics = get_task(config.task).network.loss_and_metrics(model)
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=metrics,
        jit_compile=False,  # XLA would take the place of cuDNN
        # Keras' loop over steps does not run replicas.
        steps_per_execution=1 if config.training.multi_gpu else STEPS_PER_EXECUTION,
    )
    # A first step that creates variables would be traced twice, which takes seconds for a deep stack.
    model.optimizer.build(model.trainable_variables)
