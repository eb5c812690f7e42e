"""One side of a comparison: a layer of Keras or ours, with what stands in front of it."""

import contextlib
import tempfile

import numpy as np

from tests.layers.parity.cases import OPTIONS, VOCABULARY, Case


def layer_options(case: Case) -> dict:
    options = {
        "return_sequences": case.return_sequences,
        "return_state": case.return_state,
        "zero_output_for_mask": case.zero_output_for_mask,
        "use_bias": case.use_bias,
        "stateful": case.stateful,
        "go_backwards": case.direction == "backward",
        "kernel_initializer": "zeros",
        "recurrent_initializer": "zeros",
        "dtype": case.policy,
        "seed": 5,
        **OPTIONS[case.option],
    }
    if case.dropout:
        options["dropout"] = case.dropout
    if not case.autocast:
        options["autocast"] = False
    return options


class Subject:
    """One side of a comparison: a layer with its sources, of Keras or ours, with weights set from a case."""

    def __init__(self, module, case: Case):
        import keras

        self.module, self.case = module, case
        remat = keras.RematScope(mode="full") if case.runner == "remat" else contextlib.nullcontext()
        with remat:
            layer = getattr(module, case.kind)(case.units, **layer_options(case))
            if case.bidirectional:
                merge_mode = None if case.direction == "separate" else case.direction
                dtype = {"dtype": case.policy} | ({} if case.autocast else {"autocast": False})
                layer = module.Bidirectional(layer, merge_mode=merge_mode, **dtype)
        rows = case.batch if case.stateful else None
        layer.build((rows, case.time if case.option == "unroll" else None, case.features))
        self.layer = layer
        for one in (layer.forward_layer, layer.backward_layer) if case.bidirectional else (layer,):
            change_layer(one, case.change)
        self.source = self.dense = None
        if case.source.startswith("embedding"):
            embedding = getattr(module, "TokenEmbedding", None) or module.Embedding
            self.source = embedding(VOCABULARY, case.features, mask_zero=case.source == "embedding", dtype=case.policy)
            self.source.build((None, None))
        elif case.source == "masking":
            self.source = keras.layers.Masking(0.0, dtype=case.policy)
        if case.state == "dense":
            self.dense = keras.layers.Dense(case.units, dtype=case.policy)
            self.dense.build((None, case.features))
        self.initial_values = [(variable, np.array(variable)) for variable in self.others()]
        self.functions = {}

    def others(self) -> list:
        """Variables that a call may change: those of random generators, and states."""
        unseeded = self.case.bidirectional and self.case.kind == "SimpleRNN"  # its config, which is copied, has no seed
        return [*(() if unseeded else self.layer.non_trainable_variables), *self.state_variables()]

    def state_variables(self) -> list:
        layers = [getattr(self.layer, name, None) for name in ("forward_layer", "backward_layer")]
        return [state for layer in layers or () if layer is not None for state in layer.states or ()] + list(
            getattr(self.layer, "states", None) or ()
        )

    def weights(self) -> list:
        parts = [self.layer, self.source, self.dense]
        return [weight for part in parts if part is not None for weight in part.trainable_variables]

    def prepare(self, case: Case) -> None:
        """Weights of the case, and everything else as it was when the layer was built."""
        random = np.random.default_rng([case.seed, case.features, case.units])
        self.layer.trainable = True
        for weight in self.weights():
            scale = 0.7 / max(1, weight.shape[0]) ** 0.5 if len(weight.shape) == 2 else 0.3
            weight.assign(random.normal(size=weight.shape) * scale * case.magnitude)
        for variable, value in self.initial_values:
            variable.assign(value)


def change_layer(layer, change: str) -> None:
    """What a user may do to a recurrent layer after it is built."""
    import keras

    cell = layer.cell

    def halved(inputs, states, training=False, call=cell.call):
        output, states = call(inputs, states, training=training)
        return output, [state / 2 for state in states]

    match change:
        case "cell_call":
            cell.call = halved
        case "cell_class":
            cell.__class__ = type(
                "Halved", (type(cell),), {"call": lambda self, *args, **kwargs: halved(*args, **kwargs)}
            )
        case "cell_activation":
            cell.activation = keras.activations.relu
        case "return_sequences":
            layer.return_sequences = not layer.return_sequences
        case "initial_state":
            zeros = layer.get_initial_state
            layer.get_initial_state = lambda batch_size: [state + 0.5 for state in zeros(batch_size)]
        case "dropout":
            cell.dropout = 0.5


def reload(subject: Subject, case: Case) -> Subject:
    """The subject, its layer being what was saved and loaded, or made anew from its config, or copied."""
    import copy

    import keras

    import keras_rnn.layers as ours

    same = copy.copy(subject)
    if case.runner == "keras_file":
        rows = case.batch if case.stateful else None
        inputs = keras.Input(batch_shape=(rows, None, case.features))
        model = keras.Model(inputs, subject.layer(inputs))
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/model.keras"
            model.save(path)
            custom_objects = ours.FUSED if subject.module is ours else None
            same.layer = keras.saving.load_model(path, custom_objects=custom_objects).layers[-1]
    elif case.runner == "clone":
        with keras.saving.custom_object_scope(ours.FUSED if subject.module is ours else {}):
            same.layer = type(subject.layer).from_config(subject.layer.get_config())
        same.layer.build((case.batch if case.stateful else None, None, case.features))
        same.layer.set_weights(subject.layer.get_weights())
    else:
        same.layer = copy.deepcopy(subject.layer)
    expected = subject.module.Bidirectional if case.bidirectional else getattr(subject.module, case.kind)
    if type(same.layer) is not expected and case.runner != "copy":
        raise AssertionError(f"{type(same.layer)} is not {expected}")
    return same
