"""Dropout of recurrent weights."""

import keras
from keras.src.backend.common.stateless_scope import get_stateless_scope

from keras_rnn.checks import rate as checked_rate
from keras_rnn.errors import UsageError
from keras_rnn.layers.recurrent import FUSED


@keras.saving.register_keras_serializable("keras_rnn")
class WeightDropout(keras.layers.Wrapper):
    """A recurrent layer whose recurrent kernel loses a share of its weights in each training step.

    One mask is drawn a call and holds for all of its rows and steps; the weights that stay are divided by `1 - rate`.
    DropConnect (Wan et al. 2013) on the recurrent kernel, as Merity et al. 2018, arXiv 1708.02182, section 3. The
    layer runs in the form that it would run in by itself. Arguments, shapes, masks and states are those of the layer.

    Args:
        layer: a layer like keras.layers.RNN, with one or more weights called "recurrent_kernel".
        rate: the share, from 0 up to, but not including, 1.
        seed: of the generator; None draws one.

    Raises:
        UsageError: the layer has no such weight; raised when it is built.
    """

    def __init__(self, layer, rate: float, seed: int | None = None, **kwargs):
        super().__init__(layer, **kwargs)
        self.rate = checked_rate("weight_dropout", rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, sequences_shape, initial_state_shape=None):
        if not self.layer.built:
            self.layer.build(sequences_shape)
            self.layer.built = True
        if not self._recurrent_kernels():
            names = ", ".join(weight.name for weight in self.layer.weights)
            raise UsageError(
                f"weight_dropout takes a cell with a weight called recurrent_kernel; {self.layer.name!r} has {names}"
            )

    def _recurrent_kernels(self):
        return [weight for weight in self.layer.weights if weight.name == "recurrent_kernel"]

    def call(self, sequences, initial_state=None, mask=None, training=False):
        def outputs():
            return self.layer(sequences, initial_state=initial_state, mask=mask, training=training)

        if not (training and self.rate):
            return outputs()
        kernels = [
            (kernel, keras.random.dropout(kernel.value, self.rate, seed=self.seed_generator))
            for kernel in self._recurrent_kernels()
        ]
        return _with_values(kernels, self.layer.variables, outputs)

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        return self.layer.compute_output_shape(sequences_shape, initial_state_shape)

    def compute_mask(self, inputs, mask=None):
        return self.layer.compute_mask(inputs, mask)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # The layer's config names Keras' class.
        return super().from_config(dict(config), {**FUSED, **(custom_objects or {})})


def _with_values(values, variables, function):
    """What `function()` returns while some variables have other values.

    Args:
        values: pairs of a variable and a tensor.
        variables: all variables that the function reads. What it assigns to the others stays assigned.
    """
    replaced = {id(variable) for variable, _ in values}
    others = [variable for variable in variables if id(variable) not in replaced]
    scope, outer = keras.StatelessScope(values), get_stateless_scope()
    if outer is not None:  # the inner scope hides it
        for variable in others:
            if (value := outer.get_current_value(variable)) is not None:
                scope.add_update((variable, value))
    before = {id(variable): scope.get_current_value(variable) for variable in others}
    with scope:
        outputs = function()
    for variable in others:
        if (value := scope.get_current_value(variable)) is not before[id(variable)]:
            variable.assign(value)
    return outputs
