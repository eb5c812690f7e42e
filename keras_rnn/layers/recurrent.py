"""keras.layers.SimpleRNN, LSTM, GRU and Bidirectional that are quick on a CPU, too.

Weights, configs and `.keras` files are those of Keras' layers, so that either loads what the other has saved. A layer
runs in one of three forms, which `keras_rnn.layers.forms` chooses for each call: in Keras' own loop, in graphs of
TensorFlow's operations (`keras_rnn.layers.tf_cells`), which can be saved, or in machine code
(`keras_rnn.layers.native`), which trains. Eager calls, and layers or arguments that are anything but plain, take Keras'
loop; so does a layer whose `fused` is False.
"""

import copyreg
from contextvars import ContextVar

import keras
from keras import ops

from keras_rnn.layers.forms import GRAPH, KERAS, MACHINE_CODE, call_form, machine_code, wants_machine_code
from keras_rnn.layers.rows import rows_of

# Above so many units a layer that predicts alone, and without a mask, is at least as quick in Keras' loop.
KERAS_UNITS = 64


class _PickledByName(type(keras.layers.RNN)):
    """The layers' classes, whose `__module__` is Keras', are pickled as what they are."""


def _reduced_class(layer_class: type):
    if FUSED.get(layer_class.__name__) is layer_class:
        return _class_named, (layer_class.__name__,)
    return layer_class.__qualname__


def _class_named(name: str) -> type:
    return FUSED[name]


copyreg.pickle(_PickledByName, _reduced_class)

_has_zero_states: ContextVar[bool] = ContextVar("has_zero_states", default=False)


class _Fused(metaclass=_PickledByName):
    """What the three layers share; mixed into a class of Keras, whose `inner_loop` it replaces where it can."""

    fused = True
    alone = True  # no other loop runs at the same time
    keras_units = KERAS_UNITS
    keras_beside = False  # whether that holds beside another loop, too

    def call(self, sequences, initial_state=None, mask=None, training=False):
        token = _has_zero_states.set(initial_state is None and not self.stateful)
        try:
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        finally:
            _has_zero_states.reset(token)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        form = call_form(self, sequences, initial_state, mask, training)
        if form == KERAS or (
            form == GRAPH and mask is None and not training and self._quicker_in_keras(sequences.shape[0])
        ):
            return super().inner_loop(sequences, initial_state, mask, training)
        sequences = self._dropped(sequences, training)
        if form == GRAPH:
            return self._in_graph(sequences, initial_state, mask, training)
        outputs, (states,) = _in_machine_code([self], [sequences], [initial_state], mask, _has_zero_states.get())
        if not self.return_sequences:
            return outputs, outputs, states
        if self.go_backwards:
            outputs = ops.flip(outputs, axis=1)  # as Keras has them: in the order of the loop
        return outputs[:, -1], outputs, states

    def _dropped(self, sequences, training):
        if not (training and self.dropout):
            return sequences
        return sequences * ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)

    def _in_graph(self, sequences, initial_state, mask, training):
        from keras_rnn.layers.tf_sequence import Sequences, same_rows

        sequences, initial_state, mask = same_rows(
            sequences, initial_state, mask, self.go_backwards, zero_states=_has_zero_states.get()
        )
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
        from keras_rnn.layers.tracing import is_for_saving

        cell, plain = getattr(tf_cells, self.kind), is_for_saving()  # in a SavedModel TensorFlow differentiates it
        return (cell(steps, kernel, recurrent_kernel, *biases, *states, training, plain),)

    def get_config(self):
        config = super().get_config()
        return config if self.fused else {**config, "fused": False}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        fused = config.pop("fused", True)
        layer = super().from_config(config)
        layer.fused = fused
        return layer

    @classmethod
    def _unpickle_model(cls, buffer):
        with keras.saving.custom_object_scope(FUSED):
            return super()._unpickle_model(buffer)


class SimpleRNN(_Fused, keras.layers.SimpleRNN):
    """keras.layers.SimpleRNN: arguments, shapes, masks and states are its own, and the equation is in `tf_cells`."""

    kind = "simple_rnn"
    keras_units = 0  # measured: of any size


class LSTM(_Fused, keras.layers.LSTM):
    """keras.layers.LSTM: arguments, shapes, masks and states are its own, and the equations are in `tf_cells`."""

    kind = "lstm"

    def _states(self, steps, kernel, recurrent_kernel, biases, states, keep_states, training):
        from keras_rnn.layers.tf_cells import lstm
        from keras_rnn.layers.tracing import is_for_saving

        saved = is_for_saving()
        return lstm(steps, kernel, recurrent_kernel, *biases, *states, keep_states, training, saved=saved)


class GRU(_Fused, keras.layers.GRU):
    """keras.layers.GRU: arguments, shapes, masks and states are its own, and the equations are in `tf_cells`."""

    kind = "gru"
    keras_beside = True  # measured: of 128 rows; of fewer ours would be up to a fifth quicker

    def _biases(self, bias):
        return [bias[0], bias[1]] if self.cell.use_bias else [bias, ops.zeros_like(bias)]


class Bidirectional(keras.layers.Bidirectional, metaclass=_PickledByName):
    """keras.layers.Bidirectional that keeps both directions quick.

    In machine code they are one operation, whose threads go through some rows both ways; in a graph TensorFlow runs two
    loops side by side. `fused` is that of both directions.
    """

    def __init__(self, layer, *args, **kwargs):
        # It copies the layer through its config, which names Keras' class.
        quick = {type(layer).__name__: type(layer)} if type(layer) in FUSED.values() else {}
        with keras.saving.custom_object_scope(quick):
            super().__init__(layer, *args, **kwargs)
        self.forward_layer.alone = self.backward_layer.alone = False

    @property
    def fused(self) -> bool:
        return all(getattr(layer, "fused", False) for layer in (self.forward_layer, self.backward_layer))

    @fused.setter
    def fused(self, value: bool) -> None:
        self.forward_layer.fused = self.backward_layer.fused = value

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = config["layer"], config.get("backward_layer")
        names = {part["class_name"] for part in parts if part and part["module"] == "keras.layers"}
        quick = {name: layer for name, layer in FUSED.items() if name in names}
        return super().from_config(config, {**quick, **(custom_objects or {})})

    @classmethod
    def _unpickle_model(cls, buffer):
        with keras.saving.custom_object_scope(FUSED):
            return super()._unpickle_model(buffer)

    def call(self, sequences, initial_state=None, mask=None, training=None):
        of_mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        layers = self.forward_layer, self.backward_layer
        if not (wants_machine_code(training) and self._can_run_together()):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        states = self._states(sequences, initial_state)
        if any(
            call_form(layer, sequences, of_layer, of_mask, training) != MACHINE_CODE
            for layer, of_layer in zip(layers, states, strict=True)
        ):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        inputs = [layer._dropped(sequences, training) for layer in layers]
        for layer in layers:
            layer.cell.reset_dropout_mask()  # the next call has one of its own
        outputs, states = _in_machine_code(layers, inputs, states, of_mask, initial_state is None)
        return (outputs, *states[0], *states[1]) if self.return_state else outputs

    def _states(self, sequences, initial_state):
        """Those of each direction."""
        if initial_state is None:
            rows = rows_of(sequences)  # which stand for the sequences, that then need not be put in their places
            batch = ops.shape(sequences if rows is None else rows.places)[0]
            return [layer.get_initial_state(batch) for layer in (self.forward_layer, self.backward_layer)]
        states = [ops.convert_to_tensor(state, "float32") for state in initial_state]
        return states[: len(states) // 2], states[len(states) // 2 :]

    def _can_run_together(self) -> bool:
        """Whether both directions are of one form, need no calls of their own, and their outputs stand side by side."""
        layers = forward, backward = self.forward_layer, self.backward_layer
        return (
            self.merge_mode == "concat"
            and self.compute_dtype == "float32"  # a call would cast
            and all(isinstance(layer, _Fused) and not layer.stateful for layer in layers)
            and not any(layer.activity_regularizer for layer in layers)
            and (forward.kind, forward.units) == (backward.kind, backward.units)
            and forward.zero_output_for_mask == backward.zero_output_for_mask
            and all(layer.return_sequences == self.return_sequences for layer in layers)
            and not forward.go_backwards
        )


# Files loaded with these as custom_objects have the quick layers.
FUSED = {layer.__name__: layer for layer in (SimpleRNN, LSTM, GRU, Bidirectional)}
for _layer in FUSED.values():
    _layer.__module__ = "keras.layers"  # so configs and files name Keras' layer, and load without this package


def _in_machine_code(layers, inputs, states, mask, zero_states: bool):
    """Outputs of layers of one form side by side, a step's where its input stands, or the last; and states of each."""
    of_all, rows = layers[0], rows_of(inputs[0])
    if rows is not None and any(x is not inputs[0] for x in inputs):
        rows = None  # dropped, each in its own way
    native = machine_code()
    directions = [
        native.Direction(x if rows is None else rows.vectors, *layer._weights(), of_layer, layer.go_backwards)
        for layer, x, of_layer in zip(layers, inputs, states, strict=True)
    ]
    return native.sequence(
        of_all.kind,
        mask,
        directions,
        indices=None if rows is None else rows.places,
        return_sequences=of_all.return_sequences,
        zero_output_for_mask=of_all.zero_output_for_mask,
        zero_states=zero_states,
    )
