"""keras.layers.SimpleRNN, LSTM, GRU and Bidirectional that are quick on a CPU, too.

Weights, configs and `.keras` files are those of Keras' layers, so that either loads what the other has saved. Where
TensorFlow has a GPU, or a layer is anything but plain, they are Keras' layers; on a CPU whole sequences run at once, in
float32, with the activations tanh and sigmoid and without recurrent dropout: in training in machine code
(`keras_rnn.layers.native`), and otherwise, and under a tf.distribute strategy, in graphs of TensorFlow's own operations
(`keras_rnn.layers.tf_cells`), which can be saved. `layer.fused = False` keeps a layer to Keras' loop, which gradients
of gradients and XLA take.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import keras
from keras import ops

from keras_rnn.layers.rows import rows_of

# Above so many units a layer that predicts alone, and without a mask, is at least as quick in Keras' loop.
KERAS_UNITS = 64

_in_this_process: ContextVar[bool] = ContextVar("in_this_process", default=False)


class _Fused:
    """What the three layers share; mixed into a class of Keras, whose `inner_loop` it replaces where it can."""

    fused = True
    alone = True  # no other loop runs at the same time
    keras_units = KERAS_UNITS
    keras_beside = False  # whether that holds beside another loop, too

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if not _can_fuse(self):
            return super().inner_loop(sequences, initial_state, mask, training)
        in_machine_code = wants_machine_code(training)
        if mask is None and not training and not in_machine_code and self._quicker_in_keras(sequences.shape[0]):
            return super().inner_loop(sequences, initial_state, mask, training)
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        self.supports_jit = False  # machine code, a mask's order and the op for an LSTM are not for XLA
        sequences = self._dropped(sequences, training)
        if in_machine_code:
            outputs, (states,) = _in_machine_code([self], [sequences], [initial_state], mask)
            last = self._last_output(states, mask)
            if outputs is not None and self.go_backwards:
                outputs = ops.flip(outputs, axis=1)  # as Keras has them: in the order of the loop
            return last, last if outputs is None else outputs, states
        return self._in_graph(sequences, initial_state, mask, training)

    def _dropped(self, sequences, training):
        if not (training and self.dropout):
            return sequences
        return sequences * ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)

    def _last_output(self, states, mask):
        """From machine code's states after the last step."""
        if mask is None:
            return states[0]
        last_mask = mask[:, :1] if self.go_backwards else mask[:, -1:]
        real = last_mask if self.zero_output_for_mask else ops.any(mask, axis=1, keepdims=True)
        return ops.where(real, states[0], 0.0)

    def _in_graph(self, sequences, initial_state, mask, training):
        from keras_rnn.layers.tf_sequence import Sequences

        ordered = Sequences(sequences, mask, self.go_backwards)
        keep_states = self.return_state or self.stateful
        states = self._states(ordered.steps, *self._weights(), initial_state, keep_states, training)
        outputs = last = ordered.last_output(states[0], self.zero_output_for_mask)
        if self.return_sequences:
            outputs = ordered.outputs(states[0], self.zero_output_for_mask)
        if keep_states:
            initial_state = [ordered.last_state(*both) for both in zip(states, initial_state, strict=True)]
        return last, outputs, initial_state

    def _quicker_in_keras(self, rows: int | None) -> bool:
        """Keras' loop begins a step before the last has ended: more work in all, but on two cores, if there are two.

        Of one row a step is too little work for that.
        """
        return (self.alone or self.keras_beside) and rows != 1 and self.units > self.keras_units

    def _weights(self):
        """The kernel, the recurrent kernel, and what is added to the products of either that has a bias."""
        cell = self.cell
        bias = cell.bias if cell.use_bias else ops.zeros((cell.kernel.shape[1],))
        # Read here, since a gradient by hand cannot be that of a variable.
        kernel, recurrent_kernel, bias = (ops.copy(weight) for weight in (cell.kernel, cell.recurrent_kernel, bias))
        return kernel, recurrent_kernel, self._biases(bias)

    def _biases(self, bias):
        return [bias]

    def _states(self, steps, kernel, recurrent_kernel, biases, states, keep_states, training):
        """From a graph, after every step: of a cell with one state, that."""
        from keras_rnn.layers import tf_cells

        return (getattr(tf_cells, self.kind)(steps, kernel, recurrent_kernel, *biases, *states, training),)


class SimpleRNN(_Fused, keras.layers.SimpleRNN):
    """keras.layers.SimpleRNN: arguments, shapes, masks and states are its own, and the equation is in `tf_cells`."""

    kind = "simple_rnn"
    keras_units = 0  # measured: of any size


class LSTM(_Fused, keras.layers.LSTM):
    """keras.layers.LSTM: arguments, shapes, masks and states are its own, and the equations are in `tf_cells`."""

    kind = "lstm"

    def _states(self, steps, kernel, recurrent_kernel, biases, states, keep_states, training):
        from keras_rnn.layers.tf_cells import lstm

        return lstm(steps, kernel, recurrent_kernel, *biases, *states, keep_states, training)


class GRU(_Fused, keras.layers.GRU):
    """keras.layers.GRU: arguments, shapes, masks and states are its own, and the equations are in `tf_cells`."""

    kind = "gru"
    keras_beside = True  # measured: of 128 rows; of fewer ours would be up to a fifth quicker

    def _biases(self, bias):
        return [bias[0], bias[1]] if self.cell.use_bias else [bias, ops.zeros_like(bias)]


class Bidirectional(keras.layers.Bidirectional):
    """keras.layers.Bidirectional that keeps both directions quick.

    In machine code they are one operation, whose threads go through some rows both ways; in a graph TensorFlow runs two
    loops side by side.
    """

    def __init__(self, layer, *args, **kwargs):
        with keras.saving.custom_object_scope(FUSED):  # it copies the layer through its config
            super().__init__(layer, *args, **kwargs)
        self.forward_layer.alone = self.backward_layer.alone = False

    def call(self, sequences, initial_state=None, mask=None, training=None):
        layers = self.forward_layer, self.backward_layer
        if not (wants_machine_code(training) and self._can_run_together()):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        self.supports_jit = False
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if initial_state is None:
            # Of the mask, where there is one: rows that stand for the sequences then need not be put in their places.
            batch = ops.shape(sequences if mask is None else mask)[0]
            states = [layer.get_initial_state(batch) for layer in layers]
        else:
            given = [ops.cast(state, "float32") for state in initial_state]
            states = given[: len(given) // 2], given[len(given) // 2 :]
        inputs = [layer._dropped(sequences, training) for layer in layers]
        for layer in layers:
            layer.cell.reset_dropout_mask()  # the next call has one of its own
        outputs, states = _in_machine_code(layers, inputs, states, mask)
        if outputs is None:
            last = [layer._last_output(of_layer, mask) for layer, of_layer in zip(layers, states, strict=True)]
            outputs = ops.concatenate(last, axis=-1)
        return (outputs, *states[0], *states[1]) if self.return_state else outputs

    def _can_run_together(self) -> bool:
        """Whether both directions are of one form, need no calls of their own, and their outputs stand side by side."""
        layers = forward, backward = self.forward_layer, self.backward_layer
        return (
            self.merge_mode == "concat"
            and self.compute_dtype == "float32"  # a call would cast
            and all(isinstance(layer, _Fused) and _can_fuse(layer) and not layer.stateful for layer in layers)
            and not any(layer.activity_regularizer for layer in layers)
            and (forward.kind, forward.units) == (backward.kind, backward.units)
            and forward.zero_output_for_mask == backward.zero_output_for_mask
            and not forward.go_backwards
        )


# Files loaded with these as custom_objects have the quick layers.
FUSED = {layer.__name__: layer for layer in (SimpleRNN, LSTM, GRU, Bidirectional)}
for _layer in FUSED.values():
    _layer.__module__ = "keras.layers"  # so configs and files name Keras' layer, and load without this package


def _can_fuse(layer) -> bool:
    return (
        layer.fused
        and keras.backend.backend() == "tensorflow"
        and layer.compute_dtype == "float32"
        and layer.activation is keras.activations.tanh
        and getattr(layer, "recurrent_activation", keras.activations.sigmoid) is keras.activations.sigmoid
        and getattr(layer, "reset_after", True)
        and not layer.recurrent_dropout
        and not layer.unroll
        and not _for_cudnn(layer)
    )


def wants_machine_code(training) -> bool:
    """Whether layers run in it that can: they train, or predict in `for_this_process`."""
    return bool(training or _in_this_process.get()) and can_run_machine_code()


def _in_machine_code(layers, inputs, states, mask):
    """Outputs of layers of one form side by side, a step's where its input stands, or None; and the states of each."""
    native, of_all, rows = _native(), layers[0], rows_of(inputs[0])
    if rows is not None and any(x is not inputs[0] for x in inputs):
        rows = None  # dropped, each in its own way
    directions = [
        native.Direction(x if rows is None else rows.vectors, *layer._weights(), of_layer, layer.go_backwards)
        for layer, x, of_layer in zip(layers, inputs, states, strict=True)
    ]
    return native.sequence(
        of_all.kind,
        mask,
        directions,
        places=None if rows is None else rows.places,
        return_sequences=of_all.return_sequences,
        zero_output_for_mask=of_all.zero_output_for_mask,
    )


@contextmanager
def for_this_process():
    """What is traced in it need not be saved: layers predict in machine code, too, where they train in it."""
    token = _in_this_process.set(True)
    try:
        yield
    finally:
        _in_this_process.reset(token)


def can_run_machine_code() -> bool:
    """Whether operations of `keras_rnn.layers.native` run here: there is LLVM, and no tf.distribute strategy."""
    import tensorflow as tf

    return _native() is not None and not tf.distribute.has_strategy()


def compile_ahead(layers) -> None:
    """Begins to compile, in a thread, the machine code that these layers, whichever they are, will train in.

    They do so anyway while a model is traced, and wait for what is being compiled then.
    """
    if not can_run_machine_code():
        return
    forms = {(layer.kind, layer.units) for layer in layers if isinstance(layer, _Fused) and _can_fuse(layer)}
    if forms:
        _native().compile_ahead(forms)


@cache
def _native():
    """The module that runs machine code, or None where there is no LLVM for it."""
    try:
        from keras_rnn.layers.native import sequence
    except ImportError:
        return None
    return sequence


def _for_cudnn(layer) -> bool:
    """Whether Keras is to choose: it was asked for cuDNN, or could take it."""
    import tensorflow as tf

    use_cudnn = getattr(layer, "use_cudnn", "auto")
    return use_cudnn is True or (use_cudnn == "auto" and bool(tf.config.list_logical_devices("GPU")))
