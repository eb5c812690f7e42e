"""Adam whose steps cost as much as the embedding rows that a batch uses, however large the vocabulary."""

import math

import keras
import tensorflow as tf

from keras_rnn.layers.forms import can_run_machine_code
from keras_rnn.layers.tracing import is_for_xla


@keras.saving.register_keras_serializable("keras_rnn")
class LazyAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that touches only those rows of an embedding that a batch uses.

    It treats a dense gradient as Keras' Adam does. The gradient of an embedding comes as `tf.IndexedSlices`, rows and
    their indices. The gradients of each row that a batch uses are summed, and then

        v = beta_2^(t - s) v + (1 - beta_2) g^2
        w = w - learning_rate sqrt(1 - beta_2^t) g / (sqrt(v) + epsilon)

    for these rows alone, t being the number of the step and s that of the row's last one. This is Adam with a `beta_1`
    of 0: without momentum a row that no batch uses stays where it is, and its v catches up on the decay when the row is
    used again. With momentum Adam takes a tenth of a gradient at once and the rest in the steps that follow, whether or
    not they use the row; the usual lazy variant takes the tenth alone, and so learns rare words ten times as slowly.

    Gradients are clipped, by norm or by value, after their rows are summed, as a dense gradient would be.

    Rows become a dense gradient for Keras' Adam where this step cannot take them:

    - with several replicas: TensorFlow's collectives refuse rows whose number changes from step to step;
    - where XLA compiles the step (`jit_compile=True`);
    - with `amsgrad`, `gradient_accumulation_steps` or `loss_scale_factor`;
    - for a variable that is not float32 or float64 `(rows, features)`, or that occurs twice in one step;
    - for a variable whose gradients were dense before.

    A step in which a variable has no gradient, as while it is frozen, does not count for that variable.

    Args:
        learning_rate, beta_1, beta_2, epsilon, name: as in `keras.optimizers.Adam`.
        global_clipnorm: the largest norm of all gradients together, which are scaled down to it; None bounds nothing.
        kwargs: the other arguments of `keras.optimizers.Adam`. `weight_decay`, `use_ema` and constraints act
            on all rows at every step, as in Keras' Adam.

    Raises:
        ValueError: `keras.optimizers.Adam` has no such argument, or refuses its value.
        tf.errors.InvalidArgumentError: the gradient has a row that the variable does not have.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        global_clipnorm=None,
        name="lazy_adam",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            global_clipnorm=global_clipnorm,
            name=name,
            **kwargs,
        )

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        # The last step of each row of a variable that may be an embedding.
        self._last_steps = [
            self.add_variable((variable.shape[0],), dtype="int64", name="last_step")
            if len(variable.shape) == 2
            else None
            for variable in variables
        ]
        # Variables, by number, that were stepped row by row, and those that never were.
        self._lazy, self._dense = set(), set()

    def apply(self, grads, trainable_variables=None):
        """Updates the variables by their gradients: tensors, `tf.IndexedSlices`, or None to leave one out."""
        if self.loss_scale_factor is not None:  # by which Keras divides, and cannot divide rows
            grads = [_dense(gradient, gradient.dense_shape) if _is_rows(gradient) else gradient for gradient in grads]
        super().apply(grads, trainable_variables)

    def _backend_apply_gradients(self, gradients, variables):
        gradients = self._rows_or_dense(gradients, variables)
        if self._has_machine_code(gradients, variables):
            self._step_in_machine_code([_summed_rows(gradient) for gradient in gradients], variables)
        else:
            super()._backend_apply_gradients(gradients, variables)

    def _rows_or_dense(self, gradients, variables):
        """The gradients, rows made dense where they cannot be stepped as rows."""
        one_replica = self._distribution_strategy.num_replicas_in_sync == 1
        lazy = one_replica and not (self.amsgrad or self.gradient_accumulation_steps or is_for_xla())
        numbers = [self._get_variable_index(variable) for variable in variables]
        if one_replica:
            self._find_lazy()
        step_gradients = []
        for number, gradient, variable in zip(numbers, gradients, variables, strict=True):
            is_embedding = self._last_steps[number] is not None and variable.dtype in ("float32", "float64")
            is_rows, occurs_once = _is_rows(gradient), numbers.count(number) == 1
            if is_rows and lazy and is_embedding and occurs_once and number not in self._dense:
                self._lazy.add(number)
                step_gradients.append(gradient)
                continue
            if number in self._lazy:
                self._catch_up(number)
            else:
                self._dense.add(number)
            step_gradients.append(_dense(gradient, variable.shape) if is_rows else tf.convert_to_tensor(gradient))
        for number in self._lazy.difference(numbers):  # this step does not count for them
            last_step = self._last_steps[number]
            tf.raw_ops.AssignAddVariableOp(resource=last_step.value.handle, value=tf.ones(last_step.shape, tf.int64))
        return step_gradients

    def _find_lazy(self):
        """Notes which variables were stepped row by row before the optimizer was loaded."""
        for number, last_step in enumerate(self._last_steps):
            if last_step is not None and number not in self._lazy and number not in self._dense:
                with tf.init_scope():
                    if tf.reduce_any(last_step.value > 0):
                        self._lazy.add(number)

    def _has_machine_code(self, gradients, variables) -> bool:
        """Whether machine code makes this step: plain variables, and no option but the bound of the global norm."""
        return (
            type(self) is LazyAdam
            and not (self.amsgrad or self.use_ema or self.gradient_accumulation_steps)
            and not (self.clipnorm or self.clipvalue or self.weight_decay is not None)
            and all(variable.dtype == "float32" and len(variable.shape) for variable in variables)
            and all(
                _is_rows(gradient) or gradient.shape.is_compatible_with(variable.shape)  # and is not broadcast
                for gradient, variable in zip(gradients, variables, strict=True)
            )
            and len({self._get_variable_index(variable) for variable in variables}) == len(variables)
            and _machine_code_takes(gradients)
        )

    def _clip_gradients(self, gradients):
        # Keras clips the values of the rows: it would make dense matrices of `tf.IndexedSlices`.
        gradients = [_summed_rows(gradient) for gradient in gradients]
        values = super()._clip_gradients(
            [gradient.values if _is_rows(gradient) else gradient for gradient in gradients]
        )
        return [
            tf.IndexedSlices(value, gradient.indices, gradient.dense_shape) if _is_rows(gradient) else value
            for value, gradient in zip(values, gradients, strict=True)
        ]

    def _step_in_machine_code(self, gradients, variables):
        from keras_rnn.layers.native.adam import DenseVariable, Scalars, VariableRows, adam

        dense, dense_handles, rows, row_updates = [], [], [], []
        for gradient, variable in zip(gradients, variables, strict=True):
            index = self._get_variable_index(variable)
            handles = [_handle(state) for state in (self._momentums[index], self._velocities[index], variable)]
            if _is_rows(gradient):
                rows.append(VariableRows(gradient.values, *self._rows(handles[1:], index, gradient.indices)))
                row_updates.append((handles[1:], gradient.indices, index))
                continue
            values = [tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32) for handle in handles]
            for value in values:
                value.set_shape(variable.shape)
            dense.append(DenseVariable(gradient, *values))
            dense_handles.append(handles)
        rate, powers = tf.cast(self.learning_rate, tf.float32), self._powers(tf.float32)
        row_rate = rate * tf.sqrt(1 - powers[1])
        scalars = Scalars(1 - self.beta_1, 1 - self.beta_2, row_rate / (1 - powers[0]), self.epsilon, row_rate)
        new_dense, new_rows = adam(
            dense, rows, scalars, self.global_clipnorm if (self.global_clipnorm or 0) > 0 else None
        )
        for handles, values in zip(dense_handles, new_dense, strict=True):
            for handle, value in zip(handles, values, strict=True):
                tf.raw_ops.AssignVariableOp(resource=handle, value=value)
        for (handles, indices, index), values in zip(row_updates, new_rows, strict=True):
            self._update_rows(handles, index, indices, values)

    def _powers(self, dtype):
        step = tf.cast(self.iterations + 1, dtype)
        return tf.cast(self.beta_1, dtype) ** step, tf.cast(self.beta_2, dtype) ** step

    def _rows(self, handles, index, indices):
        """The rows of the variables behind `handles`, and the factor by which v decayed since their last step."""
        last_step = self._last_steps[index].value.handle
        skipped_steps = self.iterations - tf.raw_ops.ResourceGather(resource=last_step, indices=indices, dtype=tf.int64)
        skipped_steps = tf.maximum(skipped_steps, 0)  # whatever `iterations` was set to
        dtype = self._velocities[index].dtype
        # tf.pow takes 1 ms for 1,000 rows.
        decay = tf.exp(math.log(self.beta_2 or 1e-38) * tf.cast(skipped_steps, dtype))
        return *(tf.raw_ops.ResourceGather(resource=handle, indices=indices, dtype=dtype) for handle in handles), decay

    def _update_rows(self, handles, index, indices, values):
        step_numbers = tf.fill(tf.shape(indices), self.iterations + 1)
        last_step = self._last_steps[index].value.handle
        for handle, updates in zip([last_step, *handles], [step_numbers, *values], strict=True):
            tf.raw_ops.ResourceScatterUpdate(resource=handle, indices=indices, updates=updates)

    def _catch_up(self, index):
        """Applies the missed decay to v of all rows, before a dense step."""
        handles, all_rows = [_handle(self._velocities[index])], tf.range(self._last_steps[index].shape[0])
        v, decay = self._rows(handles, index, all_rows)
        self._update_rows(handles, index, all_rows, [v * decay[:, tf.newaxis]])

    def update_step(self, gradient, variable, learning_rate):
        """One step of `variable`; `gradient` is a tensor of its shape or `tf.IndexedSlices` of its rows."""
        if not _is_rows(gradient):
            super().update_step(gradient, variable, learning_rate)
            return
        gradient, index = _summed_rows(gradient), self._get_variable_index(variable)
        # The handles are those of this replica's copies.
        weights, velocity = _handle(variable), _handle(self._velocities[index])
        rate, powers = tf.cast(learning_rate, variable.dtype), self._powers(variable.dtype)
        values = tf.cast(gradient.values, variable.dtype)
        v, w, decay = self._rows([velocity, weights], index, gradient.indices)
        v *= decay[:, tf.newaxis]
        v += (tf.square(values) - v) * (1 - self.beta_2)
        w -= rate * tf.sqrt(1 - powers[1]) * values / (tf.sqrt(v) + self.epsilon)
        self._update_rows([velocity, weights], index, gradient.indices, [v, w])


@keras.saving.register_keras_serializable("keras_rnn")
class LazyLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """`keras.optimizers.LossScaleOptimizer` that looks for infinities only in the rows in use."""

    def apply(self, grads, trainable_variables=None):
        """As Keras' own; rows are summed first, for a sum can overflow where its parts do not."""
        super().apply([_summed_rows(gradient) for gradient in grads], trainable_variables)

    def check_finite(self, gradients):
        """Whether all gradients are finite: a bool scalar."""
        return super().check_finite([getattr(gradient, "values", gradient) for gradient in gradients])


def _is_rows(gradient) -> bool:
    return isinstance(gradient, tf.IndexedSlices)


def _handle(variable):
    """The resource handle of a `keras.Variable`, or of the `tf.Variable` in it."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def _dense(rows, shape):
    """The `tf.IndexedSlices` as a dense gradient of this shape; an index outside of it is an error."""
    return tf.scatter_nd(rows.indices[:, tf.newaxis], rows.values, tf.cast(shape, rows.indices.dtype))


def _summed_rows(gradient):
    """A gradient in which each row stands once; a dense one, and one known to be so, come back unchanged."""
    if not _is_rows(gradient) or _each_once(gradient.indices):
        return gradient
    rows, positions = tf.unique(gradient.indices)
    if _machine_code_takes([gradient]):
        from keras_rnn.layers.native.rows import sum_rows

        values = sum_rows(gradient.values, positions, tf.size(rows))
    else:
        shape = tf.concat([tf.shape(rows), tf.shape(gradient.values)[1:]], 0)
        values = tf.scatter_nd(positions[:, tf.newaxis], gradient.values, shape)
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _each_once(indices) -> bool:
    """Whether the graph says so: the indices come from `tf.unique`, as those of a `TokenEmbedding` can."""
    if not isinstance(indices, tf.Tensor) or not hasattr(indices, "graph"):
        return False
    while indices.op.type in ("Reshape", "Identity"):  # the gradient of a gather has them
        indices = indices.op.inputs[0]
    # UniqueV2 of a matrix returns rows, which can share numbers.
    return indices.op.type in ("Unique", "UniqueV2") and indices.value_index == 0 and indices.shape.rank == 1


def _machine_code_takes(gradients) -> bool:
    float32 = all(getattr(gradient, "values", gradient).dtype == tf.float32 for gradient in gradients)
    return float32 and can_run_machine_code() and not tf.config.list_logical_devices("GPU")
