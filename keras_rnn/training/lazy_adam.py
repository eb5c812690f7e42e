"""Adam whose steps cost what the rows of an embedding cost that a batch uses, however large the vocabulary."""

import math

import keras
import tensorflow as tf

from keras_rnn.layers.forms import can_run_machine_code


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
        if self.global_clipnorm is None or _machine_code_takes(gradients):  # which clips in its step
            return gradients
        return tf.clip_by_global_norm(gradients, self.global_clipnorm)[0]

    def _backend_update_step(self, gradients, variables, learning_rate):
        if _machine_code_takes(gradients):
            self._step_in_machine_code(gradients, variables, learning_rate)
        else:
            super()._backend_update_step(gradients, variables, learning_rate)

    def _step_in_machine_code(self, gradients, variables, learning_rate):
        from keras_rnn.layers.native.adam import Dense, Rates, Rows, adam

        dense, dense_handles, rows, updated = [], [], [], []
        for gradient, variable in zip(gradients, variables, strict=True):
            index = self._get_variable_index(variable)
            handles = [of.value.handle for of in (self._momentums[index], self._velocities[index], variable)]
            if isinstance(gradient, tf.IndexedSlices):
                rows.append(Rows(gradient.values, *self._rows(handles[1:], index, gradient.indices)))
                updated.append((handles[1:], gradient.indices, index))
                continue
            values = [tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32) for handle in handles]
            for value in values:
                value.set_shape(variable.shape)
            dense.append(Dense(gradient, *values))
            dense_handles.append(handles)
        rate, powers = tf.cast(learning_rate, tf.float32), self._powers(tf.float32)
        of_rows = rate * tf.sqrt(1 - powers[1])
        rates = Rates(1 - self.beta_1, 1 - self.beta_2, of_rows / (1 - powers[0]), self.epsilon, of_rows)
        new_dense, new_rows = adam(dense, rows, rates, self.global_clipnorm)
        for handles, values in zip(dense_handles, new_dense, strict=True):
            for handle, value in zip(handles, values, strict=True):
                tf.raw_ops.AssignVariableOp(resource=handle, value=value)
        for (handles, indices, index), values in zip(updated, new_rows, strict=True):
            self._update_rows(handles, index, indices, values)

    def _powers(self, dtype):
        step = tf.cast(self.iterations + 1, dtype)
        return self.beta_1**step, self.beta_2**step

    def _rows(self, handles, index, indices):
        """The rows of v and of the weights, and what is left of v since their last step."""
        last = self._last_steps[index].value.handle
        skipped = self.iterations - tf.raw_ops.ResourceGather(resource=last, indices=indices, dtype=tf.int64)
        dtype = self._velocities[index].dtype
        kept = tf.exp(math.log(self.beta_2 or 1e-38) * tf.cast(skipped, dtype))  # tf.pow takes 1 ms for 1,000 rows
        return *(tf.raw_ops.ResourceGather(resource=of, indices=indices, dtype=dtype) for of in handles), kept

    def _update_rows(self, handles, index, indices, values):
        now = tf.fill(tf.shape(indices), self.iterations + 1)
        for handle, updates in zip([self._last_steps[index].value.handle, *handles], [now, *values], strict=True):
            tf.raw_ops.ResourceScatterUpdate(resource=handle, indices=indices, updates=updates)

    def update_step(self, gradient, variable, learning_rate):
        """One step of `variable`; `gradient` is a tensor of its shape or `tf.IndexedSlices` of its rows."""
        index = self._get_variable_index(variable)
        # By their handles, which are those of this replica's copies.
        weights, momentum, velocity = (
            of_all.handle for of_all in (variable, self._momentums[index].value, self._velocities[index].value)
        )
        dtype = variable.dtype
        rate, powers = tf.cast(learning_rate, dtype), self._powers(dtype)
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
        v, w, kept = self._rows([velocity, weights], index, gradient.indices)
        v *= kept[:, tf.newaxis]
        v += (tf.square(gradient.values) - v) * (1 - self.beta_2)
        w -= rate * tf.sqrt(1 - powers[1]) * gradient.values / (tf.sqrt(v) + self.epsilon)
        self._update_rows([velocity, weights], index, gradient.indices, [v, w])

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
    """A gradient in which each row stands once; one of which that is known, or a dense one, comes back as it is."""
    if not isinstance(gradient, tf.IndexedSlices) or _each_once(gradient.indices):
        return gradient
    rows, place = tf.unique(gradient.indices)
    if _machine_code_takes([gradient]):
        from keras_rnn.layers.native.rows import summed_rows

        values = summed_rows(gradient.values, place, tf.size(rows))
    else:
        shape = tf.concat([tf.shape(rows), tf.shape(gradient.values)[1:]], 0)
        values = tf.scatter_nd(place[:, tf.newaxis], gradient.values, shape)
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _each_once(indices) -> bool:
    """Whether it is known from the graph: they come of `tf.unique`, as those of a `TokenEmbedding` can."""
    if not isinstance(indices, tf.Tensor) or not hasattr(indices, "graph"):
        return False
    while indices.op.type in ("Reshape", "Identity"):  # as the gradient of a gather has them
        indices = indices.op.inputs[0]
    return indices.op.type in ("Unique", "UniqueV2") and indices.value_index == 0


def _machine_code_takes(gradients) -> bool:
    float32 = all(getattr(gradient, "values", gradient).dtype == tf.float32 for gradient in gradients)
    return float32 and can_run_machine_code() and not tf.config.list_logical_devices("GPU")
