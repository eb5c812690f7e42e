"""keras.layers.SimpleRNN, LSTM, GRU and Bidirectional that are fast on a CPU, too.

Weights, configs and `.keras` files are those of Keras' layers, so that either loads what the other has saved. A layer
runs in one of three forms, which `keras_rnn.layers.forms` chooses for each call: Keras' own loop, graphs of
TensorFlow's operations (`keras_rnn.layers.tf_cells`), which can be saved, or machine code (`keras_rnn.layers.native`),
which trains. Keras' loop runs eager calls, layers with unusual options, and layers whose `fused` is False.
"""

import copyreg
from contextvars import ContextVar

import keras
from keras import ops

from keras_rnn.layers.forms import GRAPH, KERAS, MACHINE_CODE, call_form, machine_code, wants_machine_code
from keras_rnn.layers.unique_rows import unique_rows_of

# A layer with more units predicts at least as fast in Keras' loop, if it has no mask and runs alone.
KERAS_LOOP_UNITS = 64


class _PickledByName(type(keras.layers.RNN)):  # type: ignore[misc]  # keras has no types
    """The metaclass of the layers here. Their `__module__` is Keras', so pickle needs a name of its own for them."""


def _reduce_class(layer_class: type):
    if layer_class in FUSED.values():
        return _class_named, (layer_class.__name__,)
    return layer_class.__qualname__


def _class_named(name: str) -> type:
    return FUSED[name]


copyreg.pickle(_PickledByName, _reduce_class)

_has_zero_states: ContextVar[bool] = ContextVar("has_zero_states", default=False)


class _Pickled(metaclass=_PickledByName):
    """A mixin for layers that unpickle as classes of this module, and so do the layers inside them."""

    @classmethod
    def _unpickle_model(cls, buffer):
        with keras.saving.custom_object_scope(FUSED):
            return super()._unpickle_model(buffer)


class _Fused(_Pickled):
    """What the three layers share: a mixin for a class of Keras, whose `inner_loop` it replaces where it can."""

    units: int
    stateful: bool
    fused = True
    runs_alone = True  # False inside a Bidirectional layer, where two loops may run at the same time
    keras_loop_units = KERAS_LOOP_UNITS
    prefers_keras_loop_in_bidirectional = False

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
            form == GRAPH and mask is None and not training and self._is_faster_in_keras(sequences.shape[0])
        ):
            return super().inner_loop(sequences, initial_state, mask, training)
        sequences = self._apply_input_dropout(sequences, training)
        if form == GRAPH:
            return self._in_graph(sequences, initial_state, mask, training)
        outputs, (states,) = _in_machine_code([self], [sequences], [initial_state], mask, _has_zero_states.get())
        if not self.return_sequences:
            return outputs, outputs, states
        if self.go_backwards:
            outputs = ops.flip(outputs, axis=1)  # Keras returns outputs in the order of the loop
        return outputs[:, -1], outputs, states

    def _apply_input_dropout(self, sequences, training):
        if not (training and self.dropout):
            return sequences
        return sequences * ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)

    def _in_graph(self, sequences, initial_state, mask, training):
        from keras_rnn.layers.tf_sequence import Sequences, same_rows

        sequences, initial_state, mask = same_rows(
            sequences, initial_state, mask, self.go_backwards, zero_states=_has_zero_states.get()
        )
        ordered_steps = Sequences(sequences, mask, self.go_backwards)
        needs_states = self.return_state or self.stateful
        states = self._step_states(ordered_steps.steps, *self._weights(), initial_state, needs_states, training)
        outputs = last_output = ordered_steps.last_output(states[0], self.zero_output_for_mask)
        if self.return_sequences:
            outputs = ordered_steps.outputs(states[0], self.zero_output_for_mask)
        if needs_states:
            initial_state = [ordered_steps.last_state(*pair) for pair in zip(states, initial_state, strict=True)]
        return last_output, outputs, initial_state

    def _is_faster_in_keras(self, rows: int | None) -> bool:
        """Whether Keras' loop predicts faster.

        It starts a step before the last one has ended, which is more work, but uses a second core. With one row a step
        is too little work for that.
        """
        may_overlap = self.runs_alone or self.prefers_keras_loop_in_bidirectional
        return may_overlap and rows != 1 and self.units > self.keras_loop_units

    def _weights(self):
        """The kernel, the recurrent kernel, and a list of the biases that the products of either get."""
        cell = self.cell
        bias = cell.bias if cell.use_bias else ops.zeros((cell.kernel.shape[1],))
        # Copies, since a gradient derived by hand cannot be that of a variable.
        kernel, recurrent_kernel, bias = (ops.copy(weight) for weight in (cell.kernel, cell.recurrent_kernel, bias))
        return kernel, recurrent_kernel, self._biases(bias)

    def _biases(self, bias):
        return [bias]

    def _step_states(self, steps, kernel, recurrent_kernel, biases, states, needs_states, training):
        """The states after every step, from a graph: at least h, and with `needs_states` all of them."""
        from keras_rnn.layers import tf_cells
        from keras_rnn.layers.tracing import is_for_saving

        gradient = tf_cells.Gradient.FOR_SAVING if is_for_saving() else tf_cells.Gradient.BY_HAND
        options = {"return_cells": needs_states} if self.kind == "lstm" else {}
        function = getattr(tf_cells, self.kind)
        return function(
            steps, kernel, recurrent_kernel, *biases, *states, training=training, gradient=gradient, **options
        )

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


class SimpleRNN(_Fused, keras.layers.SimpleRNN):
    """keras.layers.SimpleRNN: arguments, shapes, masks and states are its own, and the equation is in `tf_cells`."""

    kind = "simple_rnn"
    keras_loop_units = 0  # measured: Keras' loop is faster for any number of units


class LSTM(_Fused, keras.layers.LSTM):
    """keras.layers.LSTM: arguments, shapes, masks and states are its own, and the equations are in `tf_lstm`."""

    kind = "lstm"


class GRU(_Fused, keras.layers.GRU):
    """keras.layers.GRU: arguments, shapes, masks and states are its own, and the equations are in `tf_cells`."""

    kind = "gru"
    prefers_keras_loop_in_bidirectional = True  # measured with 128 rows; with fewer it is up to a fifth slower

    def _biases(self, bias):
        return [bias[0], bias[1]] if self.cell.use_bias else [bias, ops.zeros_like(bias)]


class Bidirectional(_Pickled, keras.layers.Bidirectional):
    """keras.layers.Bidirectional that keeps both directions fast.

    In machine code both directions are one operation, whose threads go through some rows both ways. In a graph
    TensorFlow runs two loops at the same time. `fused` is that of both directions.
    """

    def __init__(self, layer, *args, **kwargs):
        # Keras copies the layer through its config, which names Keras' class.
        scope = {type(layer).__name__: type(layer)} if type(layer) in FUSED.values() else {}
        with keras.saving.custom_object_scope(scope):
            super().__init__(layer, *args, **kwargs)
        self.forward_layer.runs_alone = self.backward_layer.runs_alone = False

    @property
    def fused(self) -> bool:
        return all(getattr(layer, "fused", False) for layer in (self.forward_layer, self.backward_layer))

    @fused.setter
    def fused(self, value: bool) -> None:
        self.forward_layer.fused = self.backward_layer.fused = value

    @classmethod
    def from_config(cls, config, custom_objects=None):
        configs = config["layer"], config.get("backward_layer")
        names = {layer["class_name"] for layer in configs if layer and layer["module"] == "keras.layers"}
        fused_layers = {name: layer for name, layer in FUSED.items() if name in names}
        return super().from_config(config, {**fused_layers, **(custom_objects or {})})

    def call(self, sequences, initial_state=None, mask=None, training=None):
        layer_mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        layers = self.forward_layer, self.backward_layer
        if not (wants_machine_code(training) and self._can_run_together()):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        states = self._initial_states(sequences, initial_state)
        if any(
            call_form(layer, sequences, layer_states, layer_mask, training) != MACHINE_CODE
            for layer, layer_states in zip(layers, states, strict=True)
        ):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        inputs = [layer._apply_input_dropout(sequences, training) for layer in layers]
        for layer in layers:
            layer.cell.reset_dropout_mask()  # the next call draws another one
        outputs, states = _in_machine_code(layers, inputs, states, layer_mask, initial_state is None)
        return (outputs, *states[0], *states[1]) if self.return_state else outputs

    def _initial_states(self, sequences, initial_state):
        """The initial states of each direction."""
        if initial_state is None:
            rows = unique_rows_of(sequences)  # if there are some, the sequences themselves need not be computed
            batch = ops.shape(sequences if rows is None else rows.indices)[0]
            return [layer.get_initial_state(batch) for layer in (self.forward_layer, self.backward_layer)]
        states = [ops.convert_to_tensor(state, "float32") for state in initial_state]
        return states[: len(states) // 2], states[len(states) // 2 :]

    def _can_run_together(self) -> bool:
        """Whether both directions have one form, need no calls of their own, and are concatenated."""
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


# Files that are loaded with these as custom_objects have the layers of this module.
FUSED = {layer.__name__: layer for layer in (SimpleRNN, LSTM, GRU, Bidirectional)}
for _layer in FUSED.values():
    _layer.__module__ = "keras.layers"  # so configs and files name Keras' layer, and load without this package


def _in_machine_code(layers, inputs, states, mask, zero_states: bool):
    """The concatenated outputs of layers with equal options, of all steps or the last one, and the states of each."""
    first_layer, rows = layers[0], unique_rows_of(inputs[0])
    if rows is not None and any(x is not inputs[0] for x in inputs):
        rows = None  # each layer has dropped other inputs
    native = machine_code()
    directions = [
        native.Direction(x if rows is None else rows.values, *layer._weights(), layer_states, layer.go_backwards)
        for layer, x, layer_states in zip(layers, inputs, states, strict=True)
    ]
    return native.sequence(
        first_layer.kind,
        mask,
        directions,
        indices=None if rows is None else rows.indices,
        return_sequences=first_layer.return_sequences,
        zero_output_for_mask=first_layer.zero_output_for_mask,
        zero_states=zero_states,
    )
