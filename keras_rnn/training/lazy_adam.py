"""Adam whose steps cost what the rows of an embedding cost that a batch uses, however large the vocabulary."""

import keras
import tensorflow as tf

from keras_rnn.layers.recurrent import can_run_machine_code


@keras.saving.register_keras_serializable("keras_rnn")
class LazyAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that touches only those rows of an embedding that a batch uses.

    Of a dense gradient it makes what Keras' Adam makes. The gradient of an embedding comes as `tf.IndexedSlices`, rows
    and where they belong; of a row that a batch uses once or more the gradients are summed, and then

        v = beta_2^(t - s) v + (1 - beta_2) g^2
        w = w - learning_rate sqrt(1 - beta_2^t) g / (sqrt(v) + epsilon)

    for these rows alone, t being the number of the step and s that of the row's last one. This is what Adam does
    whose `beta_1` is 0: without momentum a row that no batch uses stays where it is, and what its v would have lost
    meanwhile it loses when it is used again. With momentum Adam takes a tenth of a gradient at once and the rest in the
    steps that follow, a batch's use of the row or not; the usual lazy variant takes the tenth alone, and so learns rare
    words ten times as slowly.

    The gradients' global norm is that of the summed rows, which is that of the dense gradient.

    Several replicas make dense gradients first, and so take the steps of Adam: TensorFlow's collectives refuse rows
    whose number changes from step to step.

    Args:
        learning_rate, beta_1, beta_2, epsilon, name: as in `keras.optimizers.Adam`.
        global_clipnorm: the largest norm of all gradients together, which are scaled down to it; None bounds nothing.
    """

    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, global_clipnorm=None, name="lazy_adam"
    ):
        super().__init__(
            learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, global_clipnorm=global_clipnorm, name=name
        )

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        # The last step of each row of what may be an embedding.
        self._last_steps = [
            self.add_variable((variable.shape[0],), dtype="int64", name="last_step")
            if len(variable.shape) == 2
            else None
            for variable in variables
        ]

    def _clip_gradients(self, gradients):
        # What Keras does here would make dense matrices of IndexedSlices.
        several = self._distribution_strategy.num_replicas_in_sync > 1
        gradients = [tf.convert_to_tensor(gradient) if several else _summed_rows(gradient) for gradient in gradients]
        if self.global_clipnorm is None:
            return gradients
        return tf.clip_by_global_norm(gradients, self.global_clipnorm)[0]

    def update_step(self, gradient, variable, learning_rate):
        """One step of `variable`; `gradient` is a tensor of its shape or `tf.IndexedSlices` of its rows."""
        index = self._get_variable_index(variable)
        # By their handles, which are those of this replica's copies.
        weights, momentum, velocity = (
            of_all.handle for of_all in (variable, self._momentums[index].value, self._velocities[index].value)
        )
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        rate = tf.cast(learning_rate, dtype)
        powers = self.beta_1**step, self.beta_2**step
        if not isinstance(gradient, tf.IndexedSlices):
            # Keras' equations in one op: a model's first step is traced in half the time.
            tf.raw_ops.ResourceApplyAdam(
                var=weights,
                m=momentum,
                v=velocity,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )
            return
        rows, values = gradient.indices, gradient.values
        last = self._last_steps[index].value.handle
        skipped = self.iterations - tf.raw_ops.ResourceGather(resource=last, indices=rows, dtype=tf.int64)
        of_rows = [
            tf.raw_ops.ResourceGather(resource=of_all, indices=rows, dtype=dtype) for of_all in (velocity, weights)
        ]
        kept = tf.pow(tf.constant(self.beta_2, dtype), tf.cast(skipped, dtype))
        adam_rows = _adam_rows
        if _machine_code_takes(values):
            from keras_rnn.layers.native.rows import adam_rows
        v, w = adam_rows(values, *of_rows, kept, 1 - self.beta_2, rate * tf.sqrt(1 - powers[1]), self.epsilon)
        now = tf.fill(tf.shape(rows), self.iterations + 1)
        for of_all, updates in ((last, now), (velocity, v), (weights, w)):
            tf.raw_ops.ResourceScatterUpdate(resource=of_all, indices=rows, updates=updates)

    def get_config(self):
        taken = ("name", "learning_rate", "beta_1", "beta_2", "epsilon", "global_clipnorm")
        return {name: value for name, value in super().get_config().items() if name in taken}


@keras.saving.register_keras_serializable("keras_rnn")
class LazyLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """`keras.optimizers.LossScaleOptimizer` that looks for infinities in the rows in use alone."""

    def check_finite(self, gradients):
        """Whether all gradients are finite: a bool scalar."""
        return super().check_finite([getattr(gradient, "values", gradient) for gradient in gradients])


def _summed_rows(gradient):
    """A gradient in which each row stands once; one that is no `tf.IndexedSlices` comes back as it is."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, place = tf.unique(gradient.indices)
    if _machine_code_takes(gradient.values):
        from keras_rnn.layers.native.rows import summed_rows

        values = summed_rows(gradient.values, place, tf.size(rows))
    else:
        shape = tf.concat([tf.shape(rows), tf.shape(gradient.values)[1:]], 0)
        values = tf.scatter_nd(place[:, tf.newaxis], gradient.values, shape)
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _adam_rows(gradients, v, weights, kept, fresh, rate, epsilon):
    """As `keras_rnn.layers.native.rows.adam_rows`, in TensorFlow's operations."""
    v *= kept[:, tf.newaxis]
    v += (tf.square(gradients) - v) * fresh
    return v, weights - rate * gradients / (tf.sqrt(v) + epsilon)


def _machine_code_takes(values) -> bool:
    return values.dtype == tf.float32 and can_run_machine_code() and not tf.config.list_logical_devices("GPU")
