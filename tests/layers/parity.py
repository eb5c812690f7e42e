"""Keras' recurrent layers and ours on one case: both get the same weights and inputs, and the numbers are compared.

A `Case` is data: its repr is all that is needed to run it again. Cases run in a worker process, so that one that
crashes is a failure like any other.

    python -m tests.layers.parity --examples 20000 --seed 0
    python -m tests.layers.parity --case "Case(kind='GRU', mask='holes')"
"""

import argparse
import collections
import contextlib
import dataclasses
import faulthandler
import gc
import json
import os
import queue
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
OUTPUT_TOLERANCE = 1e-5  # absolute, or relative to the largest expected number
GRADIENT_TOLERANCE = 1e-4  # relative to the largest expected number
HALF_TOLERANCE = 5e-2  # of either, where numbers have 8 or 11 bits
SMALLEST_GRADIENT = 1e-6  # where all expected gradients are zero, or nearly so
CASE_SECONDS = 120  # a case that takes longer hangs
CASES_PER_WORKER = 1500
VOCABULARY = 7

KINDS = ["SimpleRNN", "LSTM", "GRU"]
DIRECTIONS = ["forward", "backward", "concat", "sum", "mul", "ave", "separate"]
OPTIONS = {
    "plain": {},
    "relu": {"activation": "relu"},
    "linear": {"activation": None},
    "hard_sigmoid": {"recurrent_activation": "hard_sigmoid"},
    "reset_before": {"reset_after": False},
    "recurrent_dropout": {"recurrent_dropout": 0.4},
    "unroll": {"unroll": True},
    "implementation_1": {"implementation": 1},
    "no_unit_forget_bias": {"unit_forget_bias": False},
    "no_cudnn": {"use_cudnn": False},
    "regularized": {"kernel_regularizer": "l2", "recurrent_regularizer": "l2", "bias_regularizer": "l1"},
    "activity_regularized": {"activity_regularizer": "l2"},
    "constrained": {"kernel_constraint": "non_neg"},
}
OPTIONS_OF_KIND = {
    "SimpleRNN": {"hard_sigmoid", "reset_before", "implementation_1", "no_unit_forget_bias", "no_cudnn"},
    "LSTM": {"reset_before"},
    "GRU": {"no_unit_forget_bias"},
}  # those that a kind does not take
POLICIES = ["float32", "float64", "mixed_float16", "mixed_bfloat16"]
DTYPES = "float32 float64 float16 bfloat16 int32 int64 uint8 bool complex64".split()
CONTAINERS = ["tensor", "numpy", "variable", "list"]
MASKS = "none right left holes nothing everything empty_row".split()
MASK_FORMS = (
    "bool numpy int32 int64 uint8 float32 twos halves one_row one_step last_axis longer much_longer shorter more_rows "
    "fewer_rows list in_list variable"
).split()
UNDER_MASK = ["values", "nan", "inf"]
STATES = (
    "none given numpy one_row vector dense int32 float64 variable reassigned fewer_rows more_rows narrow alone too_few "
    "too_many zeros tuple"
).split()
TRAINING = {
    "true": True,
    "false": False,
    "none": None,
    "omitted": "omitted",
    "numpy_true": np.bool_(True),
    "numpy_false": np.bool_(False),
    "one": 1,
    "zero": 0,
}
# Runners that trace all of the work, gradients as well, and those that trace the layer's call alone.
WHOLE = "eager function dynamic unknown jit mirrored functions_eagerly keras_file clone copy".split()
INNER = (
    "outside outside_dynamic outside_jit while_loop cond vectorized_map map_fn saved_model functional stateless remat "
    "threads dataset"
).split()
MODELS = "predict train train_jit fit fit_eagerly".split()
RUNNERS = [*WHOLE, *INNER, *MODELS]
OFTEN = (
    "function functions_eagerly threads stateless functional remat outside outside_dynamic while_loop cond map_fn "
    "dataset clone copy"
).split()  # those whose cases take little time
SELDOM = "jit outside_jit vectorized_map keras_file saved_model mirrored predict train fit fit_eagerly".split()
TRACED_ONCE = ["dynamic", "unknown"]  # one traced function serves cases of any shape
CONSUMERS = (
    "all slice last_row gather gather_nd embedding_lookup boolean_mask two_calls states state_row last_step first "
    "unstack constant"
).split()
GRADIENTS = (
    "none tape persistent penalty jacobian batch_jacobian jvp hessian_product recompute weights_reassigned "
    "output_gradients tf_gradients inputs frozen one_weight through_calls"
).split()
CHANGES = "nothing cell_call cell_class cell_activation return_sequences initial_state dropout".split()
SOURCES = ["plain", "embedding", "embedding_without_mask", "masking"]
IDS = ["plain", "repeated", "out_of_range", "negative"]
SIZES = [0, 1, 2, 3, 4, 5, 9]
WIDTHS = [1, 3, 8, 17, 33, 64, 65]


@dataclass(frozen=True)
class Case:
    """One call, or several, of one layer. The fields' values are those of the lists above.

    `width` is that of the inputs where it is not what the layer was built for. `calls` of one layer come in a row, a
    stateful one being reset before the last. `change` is what its user does to a built layer. `magnitude` multiplies
    inputs and weights.
    """

    kind: str = "LSTM"
    direction: str = "forward"
    batch: int = 4
    time: int = 5
    features: int = 3
    units: int = 3
    width: int | None = None
    return_sequences: bool = False
    return_state: bool = False
    zero_output_for_mask: bool = False
    use_bias: bool = True
    stateful: bool = False
    dropout: float = 0.0
    option: str = "plain"
    policy: str = "float32"
    autocast: bool = True
    dtype: str = "float32"
    container: str = "tensor"
    source: str = "plain"
    ids: str = "plain"
    mask: str = "none"
    mask_form: str = "bool"
    under_mask: str = "values"
    state: str = "none"
    training: str = "true"
    runner: str = "eager"
    consumer: str = "all"
    gradient: str = "tape"
    calls: int = 1
    change: str = "nothing"
    magnitude: float = 1.0
    seed: int = 0

    def __repr__(self):
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"Case({', '.join(changed)})"

    @property
    def bidirectional(self) -> bool:
        return self.direction not in ("forward", "backward")

    @property
    def must_raise(self) -> bool:
        """Whether no number could be right where Keras raises."""
        return (
            self.width not in (None, self.features)
            or (self.mask_form in ("longer", "much_longer", "shorter", "more_rows", "fewer_rows") and self.time > 0)
            or (self.state in ("fewer_rows", "more_rows", "narrow", "too_few", "too_many") and self.batch > 0)
            or (self.ids in ("out_of_range", "negative") and self.batch * self.time > 0)
            or self.dtype == "complex64"
        )


class Verdict(NamedTuple):
    """What a comparison says.

    `status` is "same", "both raise" or one of FAILURES; or "lenient" where ours gives a number and Keras raises, or
    "static shape" where numbers are the same, and a traced function knows less of an output's shape.
    """

    status: str
    details: str = ""


FAILURES = ("different", "ours raises", "ours must raise", "crash", "hang", "harness")


# Data


class Data(NamedTuple):
    """Numpy arrays of a case: inputs or token ids, the mask, states, and weights in the order of a layer's."""

    inputs: np.ndarray
    mask: np.ndarray | list | None
    states: list[np.ndarray] | None
    random: np.random.Generator


def sequence_mask(case: Case, random) -> np.ndarray | None:
    """Bool `(batch, time)`."""
    rows, steps = case.batch, case.time
    lengths = random.integers(1, steps + 1, (rows, 1)) if steps else np.zeros((rows, 1), int)
    ordinal = np.arange(steps)[np.newaxis]
    match case.mask:
        case "none":
            return None
        case "right":
            return ordinal < lengths
        case "left":
            return ordinal >= steps - lengths
        case "holes":
            return random.random((rows, steps)) < 0.5
        case "nothing":
            return np.zeros((rows, steps), bool)
        case "everything":
            return np.ones((rows, steps), bool)
        case "empty_row":
            mask = ordinal < lengths
            mask[:1] = False
            return mask
    raise ValueError(case.mask)


def formed_mask(mask: np.ndarray, form: str):
    """The mask as its caller writes it."""
    match form:
        case "int32" | "int64" | "uint8" | "float32":
            return mask.astype(form)
        case "twos":
            return mask.astype("int32") * 2
        case "halves":
            return mask.astype("float32") / 2
        case "one_row":
            return mask[:1]
        case "one_step":
            return mask[:, :1]
        case "last_axis":
            return mask[..., np.newaxis]
        case "longer" | "much_longer":
            more = np.ones((mask.shape[0], 1 if form == "longer" else 100), bool)
            return np.concatenate([mask, more], 1)
        case "shorter":
            return mask[:, :-1]
        case "more_rows":
            return np.concatenate([mask, mask[:1]], 0)
        case "fewer_rows":
            return mask[:-1]
        case "list":
            return mask.tolist()
        case "bool" | "numpy" | "in_list" | "variable":
            return mask
    raise ValueError(form)


def made_states(case: Case, random) -> list[np.ndarray] | None:
    """The initial states' numbers, those of the forward direction first."""
    if case.state == "none":
        return None
    count = (2 if case.kind == "LSTM" else 1) * (2 if case.bidirectional else 1)
    count += {"too_few": -1, "too_many": 1}.get(case.state, 0)
    rows = case.batch + {"fewer_rows": -1, "more_rows": 1}.get(case.state, 0)
    units = case.units + {"narrow": -1}.get(case.state, 0)
    shape = {"one_row": (1, units), "vector": (units,)}.get(case.state, (max(rows, 0), units))
    if case.state == "zeros":
        return [np.zeros(shape, "float32") for _ in range(count)]
    states = [random.normal(size=shape) * 0.5 for _ in range(count)]
    dtype = case.state if case.state in ("int32", "float64") else "float32"
    return [np.round(state * 3).astype(dtype) if dtype == "int32" else state.astype(dtype) for state in states]


def made_data(case: Case) -> Data:
    """The same numbers whenever it is asked for them."""
    random = np.random.default_rng([case.seed, case.batch, case.time])
    mask = sequence_mask(case, random)
    if case.source.startswith("embedding"):
        ids = random.integers(1, VOCABULARY, (case.batch, case.time))
        if mask is not None and case.source == "embedding":
            ids = np.where(mask, ids, 0)
            ids[:, :1] = np.maximum(ids[:, :1], 1)
        if case.ids == "repeated":
            ids = np.minimum(ids, 1)
        if case.ids in ("out_of_range", "negative") and ids.size:
            ids[-1, -1] = VOCABULARY + 3 if case.ids == "out_of_range" else -2
        # An embedding's own mask is the only one.
        return Data(ids.astype(case.dtype), None, made_states(case, random), random)
    shape = (case.batch, case.time, case.features if case.width is None else case.width)
    values = random.normal(size=shape) * case.magnitude
    if mask is not None and case.under_mask != "values":
        values = np.where(mask[..., np.newaxis], values, np.nan if case.under_mask == "nan" else np.inf)
    if case.source == "masking" and mask is not None:
        values = np.where(mask[..., np.newaxis], values, 0)
        mask = None
    if case.dtype == "complex64":
        values = values + 1j * random.normal(size=shape)
    elif case.dtype in ("int32", "int64", "uint8", "bool"):
        values = np.abs(np.round(values * 2)) if case.dtype in ("uint8", "bool") else np.round(values * 2)
        values = np.nan_to_num(values, posinf=3.0)
    mask = mask if mask is None else formed_mask(mask, case.mask_form)
    return Data(values.astype(numpy_dtype(case.dtype)), mask, made_states(case, random), random)


def numpy_dtype(name: str):
    import ml_dtypes

    return ml_dtypes.bfloat16 if name == "bfloat16" else np.dtype(name)


# Layers


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
        self.kept = [(variable, np.array(variable)) for variable in self.others()]
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
        for variable, value in self.kept:
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
                "Halved", (type(cell),), {"call": lambda self, *given, **named: halved(*given, **named)}
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


# One call


class Feed:
    """The arguments of a call: `tensors` that a traced function takes, and `others` that it captures."""

    def __init__(self, case: Case, data: Data):
        import tensorflow as tf

        self.tensors, self.others = {}, {}
        inputs = data.inputs
        if case.container == "tensor" or case.runner not in ("eager", "function", "functions_eagerly"):
            self.tensors["inputs"] = tf.convert_to_tensor(inputs)
        elif case.container == "variable":
            self.others["inputs"] = tf.Variable(inputs)
        else:
            self.others["inputs"] = inputs.tolist() if case.container == "list" else inputs
        if data.mask is not None:
            match case.mask_form:
                case "list" | "numpy":
                    self.others["mask"] = data.mask
                case "variable":
                    self.others["mask"] = tf.Variable(data.mask)
                case "in_list":
                    self.others["mask"] = [tf.constant(data.mask)]
                case _:
                    self.tensors["mask"] = tf.convert_to_tensor(data.mask)
        for number, state in enumerate(data.states or ()):
            if case.state in ("variable", "reassigned"):
                self.others[f"state {number}"] = tf.Variable(state)
            elif case.state == "numpy":
                self.others[f"state {number}"] = state
            elif case.state != "dense":
                self.tensors[f"state {number}"] = tf.convert_to_tensor(state)

    def signature(self, case: Case):
        """Specifications of the tensors with every size unknown; but for `unknown` widths are known."""
        import tensorflow as tf

        def spec(name, tensor):
            if case.runner == "unknown":
                return tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)
            if name == "inputs" and len(tensor.shape) == 3:
                return tf.TensorSpec([None, None, tensor.shape[2]], tensor.dtype)
            if name.startswith("state"):
                return tf.TensorSpec([*[None] * (len(tensor.shape) - 1), tensor.shape[-1]], tensor.dtype)
            return tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)

        return {name: spec(name, tensor) for name, tensor in self.tensors.items()}


def layer_call(subject: Subject, case: Case, others: dict, tensors: dict) -> list:
    """All outputs of a call."""
    import tensorflow as tf

    given = {**others, **tensors}
    inputs, keywords = given["inputs"], {}
    if subject.source is not None:
        inputs = subject.source(inputs)
    if "mask" in given:
        keywords["mask"] = given["mask"]
    states = [given[name] for name in sorted(given, key=lambda name: (len(name), name)) if name.startswith("state")]
    if subject.dense is not None:
        count = (2 if case.kind == "LSTM" else 1) * (2 if case.bidirectional else 1)
        first = inputs[:, 0] if subject.source is None else tf.convert_to_tensor(inputs)[:, 0]
        states = [subject.dense(first) * (number + 1) for number in range(count)]
    if states:
        keywords["initial_state"] = states
        if case.state == "alone":
            keywords["initial_state"] = states[0]
        elif case.state == "tuple":
            keywords["initial_state"] = tuple(states)
    if case.training != "omitted":
        keywords["training"] = TRAINING[case.training]
    if case.runner == "stateless":
        return stateless_outputs(subject.layer, inputs, keywords)
    return tf.nest.flatten(subject.layer(inputs, **keywords))


def stateless_outputs(layer, inputs, keywords):
    import tensorflow as tf

    trainable = [variable.value * 2 for variable in layer.trainable_variables]
    other = [tf.convert_to_tensor(variable.value) for variable in layer.non_trainable_variables]
    outputs, _ = layer.stateless_call(trainable, other, inputs, **keywords)
    return tf.nest.flatten(outputs)


def consumed(case: Case, outputs: list, again) -> list:
    """What of the outputs a loss is made of; `again()` gives those of a second call."""
    import tensorflow as tf

    tensors = outputs
    state_count = (2 if case.kind == "LSTM" else 1) * (2 if case.bidirectional else 1) if case.return_state else 0
    match case.consumer:
        case "slice":
            return [tensor[1:3] for tensor in tensors]
        case "last_row":
            return [tensor[-1] for tensor in tensors]
        case "gather":
            return [tf.gather(tensor, [0, 0]) for tensor in tensors]
        case "gather_nd":
            return [tf.gather_nd(tensor, [[0, 0], [0, -1 + min(1, case.time, case.units)]]) for tensor in tensors]
        case "embedding_lookup":
            return [tf.nn.embedding_lookup(tensor, [0, 1, 0]) for tensor in tensors]
        case "boolean_mask":
            return [tf.boolean_mask(tensor, tf.range(tf.shape(tensor)[0]) % 2 == 0) for tensor in tensors]
        case "two_calls":
            return [tf.concat(pair, 0) for pair in zip(tensors, again(), strict=True)]
        case "states" if state_count:
            return tensors[-state_count:]
        case "state_row" if state_count:
            return [tf.gather(tensors[-1], [0])]
        case "last_step" if case.return_sequences:
            return [tensor[:, -1] for tensor in tensors]
        case "first":
            return tensors[:1]
        case "unstack" if case.batch and case.runner not in ("dynamic", "unknown", "outside_dynamic"):
            return tf.unstack(tensors[0])[:1]
        case "constant":
            return [tf.stop_gradient(tensor) for tensor in tensors[:-1]] + [tensors[-1]]
    return tensors


def loss_of(tensors: list):
    import tensorflow as tf

    total = 0.0
    for number, tensor in enumerate(tensors):
        if tensor.dtype.is_complex:
            tensor = tf.math.real(tensor)
        if not tensor.dtype.is_floating:
            continue
        tensor = tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)
        total += tf.cast(tf.reduce_sum(tf.sin(tensor * (number + 1.0) + 0.5)), tf.float32)
    return total


def observed(subject: Subject, case: Case, call, others: dict, tensors: dict) -> dict:
    """Outputs and gradients by name; a gradient that does not exist is None. `call(tensors)` gives the outputs."""
    import tensorflow as tf

    def differentiable(value):
        return tf.is_tensor(value) and (value.dtype.is_floating or value.dtype.is_complex)

    givens = {**others, **tensors}
    sources = {
        name: value
        for name, value in givens.items()
        if differentiable(value) and not (name == "mask" or isinstance(value, list | np.ndarray))
    }
    weights = {f"weight {number}": weight.value for number, weight in enumerate(subject.weights())}
    inputs = sources.get("inputs")

    def loss(outputs, tensors=tensors):
        return loss_of(consumed(case, outputs, lambda: call(scaled(tensors, 0.5))))

    def named(outputs):
        return {f"output {number}": output for number, output in enumerate(outputs)}

    def gradients(tape, value, label="gradient", of=None):
        of = {**sources, **weights} if of is None else of
        found = tape.gradient(value, list(of.values())) if of else []
        return {
            f"{label} of {name}": None if one is None else tf.convert_to_tensor(one)
            for name, one in zip(of, found, strict=True)
        }

    watched = list(sources.values())
    match case.gradient:
        case "none":
            return named(call(tensors))
        case "frozen":
            subject.layer.trainable = False
        case "tf_gradients":
            outputs = call(tensors)
            of = {**sources, **weights}
            found = tf.gradients(loss(outputs), list(of.values()))
            return named(outputs) | {
                f"gradient of {name}": None if one is None else tf.convert_to_tensor(one)
                for name, one in zip(of, found, strict=True)
            }
        case "penalty" | "hessian_product" if inputs is not None:
            with tf.GradientTape() as outer:
                outer.watch(watched)
                with tf.GradientTape() as inner:
                    inner.watch(watched)
                    outputs = call(tensors)
                    value = loss(outputs)
                slope = inner.gradient(value, inputs)
                norm = tf.sqrt(tf.reduce_sum(tf.square(slope)) + 1e-3)
                if case.gradient == "hessian_product":
                    norm = tf.reduce_sum(slope * wave(slope))
            return named(outputs) | gradients(outer, norm, "second gradient")
        case "jacobian" | "batch_jacobian" if inputs is not None:
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(watched)
                outputs = call(tensors)
            if case.gradient == "batch_jacobian":
                return named(outputs) | {"batch jacobian": tape.batch_jacobian(outputs[0], inputs)}
            of = {"inputs": inputs, "weight 1": weights["weight 1"]}
            return named(outputs) | {f"jacobian of {name}": tape.jacobian(outputs[0], of[name]) for name in of}
        case "jvp" if inputs is not None:
            with tf.autodiff.ForwardAccumulator(inputs, wave(inputs)) as forward:
                outputs = call(tensors)
            return named(outputs) | {f"tangent {number}": forward.jvp(one) for number, one in enumerate(outputs)}
        case "output_gradients":
            with tf.GradientTape() as tape:
                tape.watch(watched)
                outputs = call(tensors)
            of = {**sources, **weights}
            found = tape.gradient(outputs, list(of.values()), output_gradients=[tf.cos(one) for one in outputs])
            return named(outputs) | dict(zip([f"gradient of {name}" for name in of], found, strict=True))

    with tf.GradientTape(persistent=case.gradient == "persistent") as tape:
        tape.watch(watched)
        if case.gradient == "recompute":
            names = list(tensors)
            again = tf.recompute_grad(lambda *values: tuple(call(dict(zip(names, values, strict=True)))))
            outputs = list(again(*tensors.values()))
        else:
            outputs = call(tensors)
        value = loss(outputs)
        if case.gradient == "through_calls":
            following = call(scaled(tensors, 0.5))
            value += loss(following)
            outputs = [*outputs, *following]
    if case.gradient == "weights_reassigned":
        for weight in subject.weights():
            weight.assign(weight * 3 + 1)
    if case.state == "reassigned":
        for name, state in others.items():
            if name.startswith("state"):
                state.assign(state * 3 + 1)
    of = {
        "inputs": {"inputs": inputs} if inputs is not None else {},
        "one_weight": dict(list(weights.items())[1:2]),
    }.get(case.gradient)
    found = gradients(tape, value, of=of)
    if case.gradient == "persistent":
        found |= gradients(tape, value, "gradient once more")
    return named(outputs) | found


def wave(tensor):
    """Numbers of the tensor's shape and type, no two the same."""
    import tensorflow as tf

    values = tf.sin(tf.cast(tf.range(tf.size(tensor)), tf.float32))
    return tf.cast(tf.reshape(values, tf.shape(tensor)), tensor.dtype)


def scaled(tensors: dict, factor: float) -> dict:
    """The tensors, with inputs that are floats multiplied."""
    import tensorflow as tf

    inputs = tensors.get("inputs")
    if inputs is None or not inputs.dtype.is_floating:
        return tensors
    return {**tensors, "inputs": inputs * tf.cast(factor, inputs.dtype)}


# Ways of running


def inner_call(subject: Subject, case: Case, feed: Feed):
    """`call(tensors)`, as the runner has it run."""
    import tensorflow as tf

    def plain(tensors):
        return layer_call(subject, case, feed.others, tensors)

    match case.runner:
        case "outside":
            return tf.function(plain)
        case "outside_jit":
            return tf.function(plain, jit_compile=True)
        case "outside_dynamic":
            return tf.function(plain, input_signature=[feed.signature(case)])
        case "while_loop":

            def looped(tensors):
                first = plain(tensors)

                def body(number, *sums):
                    more = plain(scaled(tensors, 0.5))
                    return (number + 1, *[total + one for total, one in zip(sums, more, strict=True)])

                return tf.while_loop(lambda number, *_: number < 2, body, (0, *first))[1:]

            return tf.function(looped)
        case "cond":

            def either(tensors):
                return tf.cond(
                    tf.size(tensors["inputs"]) % 2 == 0, lambda: plain(tensors), lambda: plain(scaled(tensors, 0.5))
                )

            return tf.function(either)
        case "vectorized_map" | "map_fn":

            def mapped(tensors):
                inputs = tf.stack([tensors["inputs"], scaled(tensors, 0.5)["inputs"]])
                if case.runner == "vectorized_map":
                    return tf.vectorized_map(lambda one: plain({**tensors, "inputs": one}), inputs)
                one = plain(tensors)
                return tf.map_fn(
                    lambda each: plain({**tensors, "inputs": each}),
                    inputs,
                    [tf.TensorSpec(o.shape, o.dtype) for o in one],
                )

            return tf.function(mapped)
        case "saved_model":
            module = tf.Module()
            module.parts = [part for part in (subject.layer, subject.source, subject.dense) if part is not None]
            module.kept = list(feed.others.values())
            module.serve = tf.function(lambda tensors: {str(n): o for n, o in enumerate(plain(tensors))})
            module.serve.get_concrete_function(feed.signature(case))
            with tempfile.TemporaryDirectory() as folder:
                tf.saved_model.save(module, folder)
                loaded = tf.saved_model.load(folder)

            def served(tensors, loaded=loaded):
                outputs = loaded.serve(tensors)
                return [outputs[str(number)] for number in range(len(outputs))]

            return served
        case "functional":
            model = functional_model(subject, case, feed)
            return lambda tensors: tf.nest.flatten(model(tensors, **training_keyword(case)))
        case "threads":

            def threaded(tensors):
                with ThreadPoolExecutor(4) as pool:
                    list(pool.map(lambda _: plain(tensors), range(8)))
                return plain(tensors)

            return threaded
        case "dataset":

            def from_dataset(tensors):
                dataset = tf.data.Dataset.from_tensors(tensors).map(lambda each: tuple(plain(each)))
                return list(next(iter(dataset)))

            return from_dataset
    return plain


def training_keyword(case: Case) -> dict:
    return {} if case.training == "omitted" else {"training": TRAINING[case.training]}


def functional_model(subject: Subject, case: Case, feed: Feed):
    """A keras.Model whose inputs are the feed's tensors by name."""
    import keras

    inputs = {}
    for name, tensor in feed.tensors.items():
        rows = case.batch if case.stateful else None
        shape = [None] * len(tensor.shape)
        if name != "mask" and len(shape) > 1 and not (name == "inputs" and case.source.startswith("embedding")):
            shape[-1] = tensor.shape[-1]
        inputs[name] = keras.Input(batch_shape=(rows, *shape[1:]), dtype=tensor.dtype.name, name=name.replace(" ", "_"))
    # Whether a model trains is for its call to say.
    outputs = layer_call(subject, dataclasses.replace(case, training="omitted"), feed.others, inputs)
    return keras.Model(inputs, outputs)


def model_results(subject: Subject, case: Case, feed: Feed) -> dict:
    """What a model predicts, or its weights after two steps."""
    import keras

    model = functional_model(subject, case, feed)
    arrays = {name: tensor.numpy() for name, tensor in feed.tensors.items()}
    if case.runner == "predict":
        return {f"output {n}": one for n, one in enumerate(keras.tree.flatten(model.predict_on_batch(arrays)))}
    targets = [np.full(np.shape(one), 0.3, "float32") for one in keras.tree.flatten(model.predict_on_batch(arrays))]
    for variable, value in subject.kept:
        variable.assign(value)
    model.compile(
        keras.optimizers.SGD(0.5),
        ["mse"] * len(targets),
        run_eagerly=case.runner == "fit_eagerly",
        jit_compile=case.runner == "train_jit",
    )
    if case.runner.startswith("fit"):
        losses = model.fit(arrays, targets, batch_size=2, epochs=2, shuffle=False, verbose=0).history["loss"]
    else:
        losses = [np.ravel(model.train_on_batch(arrays, targets))[0] for _ in range(2)]
    return {"loss": np.array(losses)} | {f"weight {n}": np.array(one) for n, one in enumerate(subject.weights())}


def results(subject: Subject, case: Case, feed: Feed) -> dict:
    """Numbers by name, of one call as the runner has it."""
    import tensorflow as tf

    if case.runner in MODELS:
        return model_results(subject, case, feed)
    if case.runner in ("keras_file", "clone", "copy"):
        subject = reloaded(subject, case)
        return observed(subject, case, inner_call(subject, case, feed), feed.others, feed.tensors)

    shapes = {}

    def whole(tensors):
        # Functions by themselves are traced anew in each call, but for those that are kept.
        found = observed(subject, case, call, feed.others, tensors)
        if not tf.executing_eagerly():
            for name, value in found.items():
                shapes[name] = None if value is None else value.shape
        return found

    call = inner_call(subject, case, feed)
    if case.runner == "function":
        found = tf.function(whole)(feed.tensors)
    elif case.runner == "jit":
        found = tf.function(whole, jit_compile=True)(feed.tensors)
    elif case.runner in TRACED_ONCE:
        key = None if feed.others else trace_key(case)
        function, shapes = subject.functions.get(key, (None, shapes))
        if function is None:
            function = tf.function(whole, input_signature=[feed.signature(case)])
            if key:
                subject.functions[key] = function, shapes
        found = function(feed.tensors)
    elif case.runner == "mirrored":
        strategy = tf.distribute.get_strategy()
        both = tf.function(lambda tensors: strategy.run(whole, [tensors]))(feed.tensors)
        found = {
            f"{name} on {number}": one
            for name, value in both.items()
            for number, one in enumerate(strategy.experimental_local_results(value))
        }
    elif case.runner == "functions_eagerly":
        tf.config.run_functions_eagerly(True)
        try:
            found = tf.function(whole)(feed.tensors)
        finally:
            tf.config.run_functions_eagerly(False)
    else:
        found = whole(feed.tensors)
    outcome = {name: None if value is None else numbers(value) for name, value in found.items()}
    outcome |= {f"static shape of {name}": shape for name, shape in shapes.items() if name.startswith("output")}
    outcome |= {
        f"loss {number}": numbers(loss)
        for number, loss in enumerate(subject.layer.losses)
        if tf.is_tensor(loss) and isinstance(loss, tf.__internal__.EagerTensor)
    }
    return outcome


def trace_key(case: Case) -> Case:
    """The case without what one traced function leaves open."""
    mask = "right" if case.mask != "none" and case.source == "plain" else "none"
    return dataclasses.replace(case, batch=1, time=1, seed=0, magnitude=1.0, under_mask="values", mask=mask)


def numbers(value) -> np.ndarray:
    import tensorflow as tf

    return np.asarray(tf.convert_to_tensor(value))


def reloaded(subject: Subject, case: Case) -> Subject:
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


# Comparison

_subjects = collections.OrderedDict()
LAYER_FIELDS = (
    "kind direction features units return_sequences return_state zero_output_for_mask use_bias stateful dropout option "
    "policy autocast source change"
).split()
REUSED = "eager function dynamic unknown outside outside_dynamic threads functions_eagerly".split()


def subject_key(module, case: Case) -> tuple:
    key = (module.__name__, *(getattr(case, name) for name in LAYER_FIELDS), case.state == "dense")
    return key + ((case.batch, case.time) if case.stateful or case.option == "unroll" else ())


def subject_of(module, case: Case) -> Subject:
    """A layer of the case, the one of a case before if that is no different."""
    if case.runner not in REUSED or case.gradient == "frozen":
        return Subject(module, case)
    key = subject_key(module, case)
    if key not in _subjects:
        _subjects[key] = Subject(module, case)
        if len(_subjects) > 32:
            _subjects.popitem(last=False)
    return _subjects[key]


def clear() -> None:
    """Forgets layers and what was traced of them."""
    import keras

    _subjects.clear()
    keras.backend.clear_session()
    gc.collect()


def run(module, case: Case) -> dict:
    """Numbers by name; raises what the layer raises."""
    import tensorflow as tf

    data = made_data(case)
    scope = contextlib.nullcontext()
    if case.runner == "mirrored":
        devices = tf.config.list_logical_devices("CPU")
        if len(devices) < 2:
            raise RuntimeError("no two logical CPUs are configured")
        scope = tf.distribute.MirroredStrategy([device.name for device in devices]).scope()
    with scope:
        subject = subject_of(module, case)
        found = {}
        for number in range(case.calls):
            if not number:
                subject.prepare(case)
            if number and number == case.calls - 1 and case.stateful:
                subject.layer.reset_state()
            feed = Feed(case, data)
            label = f" of call {number}" if number else ""
            found |= {name + label: value for name, value in results(subject, case, feed).items()}
            found |= {f"variable {n} after call {number}": np.array(one) for n, one in enumerate(subject.others())}
    return found


def is_half(case: Case) -> bool:
    return "16" in case.policy or (case.dtype in ("float16", "bfloat16") and not case.autocast)


def difference(name: str, expected, actual, case: Case) -> str | None:
    """How `actual` is not what is expected, or None."""
    if isinstance(expected, np.ndarray) or isinstance(actual, np.ndarray):
        if expected is None:
            return None  # a gradient of nothing, and Keras has none
        if actual is None:
            return None if not np.any(expected) else f"{name} is None"
        if expected.dtype != actual.dtype:
            return f"{name} is {actual.dtype}, expected {expected.dtype}"
        if expected.shape != actual.shape:
            return f"{name} has shape {actual.shape}, expected {expected.shape}"
        expected, actual = (
            one.astype("complex128" if one.dtype.kind == "c" else "float64") for one in (expected, actual)
        )
        finite = np.isfinite(expected)
        if not np.all(np.isfinite(actual[finite])):
            return f"{name} is not finite at {np.sum(~np.isfinite(actual[finite]))} of {expected.size} numbers"
        if not np.any(finite):
            return None
        largest = np.abs(expected[finite]).max()
        error = np.abs(expected[finite] - actual[finite]).max()
        if is_half(case):
            tolerance = HALF_TOLERANCE * max(1.0, largest)
        elif name.startswith(("output", "variable", "loss", "weight")):
            tolerance = OUTPUT_TOLERANCE * max(1.0, largest)
        else:
            tolerance = max(GRADIENT_TOLERANCE * largest, SMALLEST_GRADIENT)
        return None if error <= tolerance else f"{name} is off by {error:.2g}, largest expected {largest:.2g}"
    if name.startswith("static shape"):
        if expected is None or actual is None or expected.rank is None:
            return None
        if actual.rank is None or any(e is not None and e != a for e, a in zip(expected, actual, strict=True)):
            return f"{name} is {actual}, expected {expected}"
    return None


def differences(expected: dict, actual: dict, case: Case) -> list[str]:
    """All that is not as expected."""
    found = [] if set(expected) == set(actual) else [f"names differ: {sorted(set(expected) ^ set(actual))}"]
    found += [difference(name, expected[name], actual[name], case) for name in expected if name in actual]
    return [one for one in found if one]


def excused(case: Case, expected: dict, actual: dict) -> bool:
    """Whether ours is as near to Keras' layer in float64 as Keras' layer in float32 is."""
    import keras

    if case.policy != "float32" or case.runner in MODELS or case.gradient == "none":
        return False
    exact_case = dataclasses.replace(case, policy="float64", runner="eager", container="tensor")
    try:
        exact = run(keras.layers, exact_case)
    except Exception:
        return False

    def error(found, name):
        distance = np.abs(found[name].astype("float64") - exact[name].astype("float64"))
        return np.nan_to_num(distance, nan=0.0).max(initial=0.0)

    for name in expected:
        if difference(name, expected[name], actual.get(name), case) is None:
            continue
        if exact.get(name) is None or not isinstance(actual.get(name), np.ndarray):
            return False
        if actual[name].shape != exact[name].shape or np.any(np.isnan(actual[name]) & ~np.isnan(expected[name])):
            return False
        if error(actual, name) > 4 * error(expected, name):
            return False
    return True


def attempt(module, case: Case):
    try:
        return run(module, case)
    except Exception as error:
        _subjects.pop(subject_key(module, case), None)  # a call that fails may leave a layer with its dropout masks
        return error


def said(error: Exception) -> str:
    """The error's message without what Keras and TensorFlow put around it, and where in `keras_rnn` it came from."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    places = re.findall(r'keras_rnn/layers/(\S+\.py)", line (\d+)', text)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/keras_rnn/layers/" in frame.filename]
    places += [(frame.filename.split("/keras_rnn/layers/")[1], frame.lineno) for frame in frames]
    message = " ".join(text.split()).split("Arguments received by")[0]
    message = re.sub(r"Exception encountered when calling \S+\s*|\{\{.*?\}\} *|\[\[.*?\]\]|File \"\S+\", ", "", message)
    message = message if len(message) < 300 else f"{message[:60]} ... {message[-240:]}"
    return f"{type(error).__name__}: {message}" + (f" ({places[-1][0]}:{places[-1][1]})" if places else "")


def verdict(case: Case) -> Verdict:
    """Compares Keras' layer and ours, in this process."""
    import keras

    import keras_rnn.layers as ours

    expected, actual = attempt(keras.layers, case), attempt(ours, case)
    if isinstance(expected, Exception):
        if isinstance(actual, Exception):
            return Verdict("both raise", f"{said(expected)} | {said(actual)}")
        return Verdict("ours must raise" if case.must_raise else "lenient", said(expected))
    if isinstance(actual, Exception):
        return Verdict("ours raises", said(actual))
    found = differences(expected, actual, case)
    shapes = [one for one in found if one.startswith("static shape")]
    if found == shapes and found:
        return Verdict("static shape", "; ".join(found)[:600])
    if found and not excused(case, expected, actual):
        return Verdict("different", "; ".join(found)[:600])
    return Verdict("same")


# Workers


class Worker:
    """A process that compares cases one at a time, and is started again where one of them ended it.

    Args:
        logical_cpus: how many devices TensorFlow makes of the CPU.
    """

    def __init__(self, logical_cpus: int = 1):
        self.logical_cpus = logical_cpus
        self.process = None
        self.count = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.layers.parity", "--worker", "--logical-cpus", str(self.logical_cpus)]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )
        self.count = 0

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def verdict(self, case: Case) -> Verdict:
        """What `verdict` says, or that the process ended or did not answer."""
        if self.count >= CASES_PER_WORKER:
            self.close()
        if self.process is None:
            self.start()
        self.count += 1
        try:
            self.process.stdin.write(f"{case!r}\n".encode())
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], CASE_SECONDS)
            line = self.process.stdout.readline() if ready else None
        except BrokenPipeError:
            line = b""
        if line:
            return Verdict(*json.loads(line))
        if line is None:
            self.close()
            return Verdict("hang", f"no answer in {CASE_SECONDS} seconds")
        code = self.process.wait()
        self.log.seek(0)
        lines = [one for one in self.log.read().decode(errors="replace").splitlines() if one.strip()]
        self.close()
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        said_last = [one for one in lines if "Fatal" in one or "File" in one or "corrupt" in one or "free" in one][:8]
        return Verdict("crash", f"{name}: {' | '.join(said_last)}"[:600])


def work(logical_cpus: int) -> None:
    """Reads cases from standard input, a line each, and writes a verdict for each to standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    faulthandler.enable()
    configure(logical_cpus)
    for number, line in enumerate(sys.stdin):
        case = eval(line, {"Case": Case})
        try:
            found = verdict(case)
        except Exception as error:
            found = Verdict("harness", said(error))
        answers.write(json.dumps(list(found)) + "\n")
        answers.flush()
        if number % 100 == 99:
            clear()


def configure(logical_cpus: int = 1) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    if logical_cpus > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * logical_cpus)


class Workers:
    """A worker for cases on one logical CPU, and one for those on two."""

    def __init__(self):
        self.one, self.two = Worker(1), Worker(2)

    def verdict(self, case: Case) -> Verdict:
        return (self.two if case.runner == "mirrored" else self.one).verdict(case)

    def close(self) -> None:
        self.one.close()
        self.two.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pool:
    """Several workers that go through cases of which all are known, in their order.

    `verdict(case)` waits for that of one of them.
    """

    def __init__(self, cases, count: int = 2):
        self.free = queue.SimpleQueue()
        for _ in range(count):
            self.free.put(Workers())
        self.threads = ThreadPoolExecutor(count)
        self.futures = {case: self.threads.submit(self._verdict, case) for case in dict.fromkeys(cases)}

    def _verdict(self, case: Case) -> Verdict:
        workers = self.free.get()
        try:
            return workers.verdict(case)
        finally:
            self.free.put(workers)

    def verdict(self, case: Case) -> Verdict:
        return self.futures[case].result()

    def close(self) -> None:
        self.threads.shutdown(cancel_futures=True)
        while not self.free.empty():
            self.free.get().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# Random cases


def random_cases(seed: int):
    """Cases without an end, those that share what was traced next to each other."""
    random = np.random.default_rng(seed)

    def one_of(values):
        return values[random.integers(len(values))]

    def chance(share) -> bool:
        return bool(random.random() < share)

    def rarely(values, share):
        """The first value, but for a share of the cases."""
        return one_of(values[1:]) if chance(share) else values[0]

    def shape():
        return {
            "batch": one_of([1, 2, 3, 4, 5, 9]) if random.random() > 0.04 else 0,
            "time": one_of([1, 2, 3, 5, 7]) if random.random() > 0.06 else one_of([0, 17]),
        }

    def mask():
        pattern = rarely(MASKS, 0.65)
        form, under_mask = rarely(MASK_FORMS, 0.3), rarely(UNDER_MASK, 0.15)
        return {"mask": pattern} | ({} if pattern == "none" else {"mask_form": form, "under_mask": under_mask})

    def layer():
        """The fields of a layer and of the runner, and how many cases there are of it."""
        kind, direction = one_of(KINDS), rarely(DIRECTIONS, 0.6)
        way = random.random()
        runners = ["eager"] if way < 0.2 else TRACED_ONCE if way < 0.66 else OFTEN if way < 0.96 else SELDOM
        runner = one_of(runners)
        of_one_size = runner in (*TRACED_ONCE, *MODELS, "outside_dynamic", "functional", "keras_file")
        seeded = kind != "SimpleRNN" or direction in ("forward", "backward")
        option = rarely([name for name in OPTIONS if name not in OPTIONS_OF_KIND[kind]], 0.15)
        if (option == "recurrent_dropout" and not seeded) or (option == "unroll" and of_one_size):
            option = "plain"
        stateful = chance(0.1) and not of_one_size and runner != "threads"  # which would race for the states
        fields = {
            "kind": kind,
            "direction": direction,
            "units": one_of(WIDTHS if chance(0.3) else [1, 3, 4, 8]),
            "features": one_of(WIDTHS if chance(0.25) else [1, 3, 5]),
            "return_sequences": chance(0.5),
            "return_state": chance(0.4),
            "zero_output_for_mask": chance(0.3),
            "use_bias": chance(0.8),
            "stateful": stateful,
            "calls": 3 if stateful and chance(0.7) else 1,
            "dropout": 0.4 if seeded and chance(0.15) and runner != "threads" else 0.0,  # which race for the seeds
            "option": option,
            "policy": rarely(POLICIES, 0.1),
            "autocast": chance(0.95),
            "source": rarely(SOURCES, 0.2),
            "change": rarely(CHANGES, 0.04),
            "runner": runner,
        }
        return fields, 96 if runner in TRACED_ONCE else 6 if runner == "eager" else 1

    def call(fields):
        """The fields of a call, but for sizes."""
        gradient = "none" if chance(0.2) else rarely(GRADIENTS[1:], 0.3)
        graph = fields["runner"] in ("function", *TRACED_ONCE, "jit")
        if (gradient == "tf_gradients" and not graph) or (gradient.endswith("jacobian") and fields["stateful"]):
            gradient = "tape"
        dtypes = ["int32", "int64", "uint8", "float32"] if fields["source"].startswith("embedding") else DTYPES
        return {
            "training": one_of(list(TRAINING)),
            "gradient": gradient,
            "consumer": rarely(CONSUMERS, 0.35),
            "state": rarely(STATES, 0.35),
            "dtype": rarely(dtypes, 0.12),
            "container": rarely(CONTAINERS, 0.12),
            **mask(),
        }

    while True:
        fields, count = layer()
        of_call, sizes = call(fields), shape()
        for _ in range(count):
            if fields["runner"] not in TRACED_ONCE:
                of_call = call(fields)
            elif of_call["mask"] != "none":
                of_call["mask"] = one_of(MASKS[1:])
            if not fields["stateful"] and fields["option"] != "unroll":
                sizes = shape()
            yield Case(
                **fields,
                **of_call,
                **sizes,
                width=one_of([1, 2, 4, 9]) if chance(0.03) and fields["source"] == "plain" else None,
                ids=rarely(IDS, 0.2) if fields["source"].startswith("embedding") else "plain",
                magnitude=30.0 if chance(0.04) else 1.0,
                seed=int(random.integers(1000)),
            )


def failing_examples(
    count: int, seed: int, *, report=None, stop_after: int | None = None, plain=()
) -> list[tuple[Case, Verdict]]:
    """The failures among so many random cases; `report(number, case, verdict)` hears of each case.

    `plain` names fields that have their defaults, `mask`, or have them instead of one value, `dtype=bool`.
    """
    failures, raised = [], collections.Counter()
    defaults = {field.name: field.default for field in dataclasses.fields(Case)}
    with Workers() as workers:
        for number, case in zip(range(count), random_cases(seed), strict=False):
            held = {
                name: defaults[name]
                for name, _, value in (entry.partition("=") for entry in plain)
                if value in ("", str(getattr(case, name)))
            }
            case = dataclasses.replace(case, **held)
            if raised[trace_key(case)] > 1:
                continue  # what cannot be traced cannot be for any shape
            found = workers.verdict(case)
            if case.runner in TRACED_ONCE and "raise" in found.status:
                raised[trace_key(case)] += 1
            if report:
                report(number, case, found)
            if found.status in FAILURES:
                failures.append((case, found))
                if stop_after and len(failures) >= stop_after:
                    break
    return failures


def cause(found: Verdict) -> str:
    """What failures of one cause have in common: their message without its numbers."""
    if found.status == "different":
        kinds = dict.fromkeys(
            re.sub(r" \d+| of call| by \S+| expected .*", "", one) for one in found.details.split("; ")
        )
        return f"different: {'; '.join(list(kinds)[:2])}"
    return f"{found.status}: {re.sub(r'[0-9]+', '#', found.details.split(' | ')[0])[:200]}"


def shrunk(case: Case, found: Verdict, workers: Workers) -> tuple[Case, Verdict]:
    """The case with every field at its default that need not be another for the case to fail in the same way."""
    fields = {field.name: field.default for field in dataclasses.fields(case)}
    simpler = True
    while simpler:
        simpler = False
        for name, default in fields.items():
            if getattr(case, name) == default:
                continue
            candidate = dataclasses.replace(case, **{name: default})
            verdict_now = workers.verdict(candidate)
            if verdict_now.status == found.status and (
                found.status == "different" or cause(verdict_now) == cause(found)
            ):
                case, found, simpler = candidate, verdict_now, True
    return case, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stop-after", type=int, help="end after so many failures")
    parser.add_argument("--plain", default="", help="fields that keep their defaults: mask,dtype=bool,dtype=int32")
    parser.add_argument("--shrink", action="store_true", help="group failures by cause, and simplify a case of each")
    parser.add_argument("--case", help="run this case alone")
    parser.add_argument("--verbose", action="store_true", help="name every case")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--logical-cpus", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.logical_cpus)
        return
    if options.case:
        with Workers() as workers:
            found = workers.verdict(eval(options.case, {"Case": Case}))
        print(f"{found.status}: {found.details}")
        sys.exit(found.status in FAILURES)
    counts, started = collections.Counter(), time.perf_counter()

    def report(number, case, found):
        counts[found.status] += 1
        if options.verbose or found.status not in ("same", "both raise"):
            print(f"{found.status}\t{case!r}\t{found.details}", flush=True)
        if (number + 1) % 500 == 0:
            print(f"{number + 1} examples, {time.perf_counter() - started:.0f} s", file=sys.stderr)

    failures = failing_examples(
        options.examples,
        options.seed,
        report=report,
        stop_after=options.stop_after,
        plain=[entry for entry in options.plain.split(",") if entry],
    )
    seconds = time.perf_counter() - started
    print(f"{sum(counts.values())} examples in {seconds:.0f} s: {dict(counts)}")
    if options.shrink:
        print_causes(failures)
    sys.exit(bool(failures))


def print_causes(failures: list[tuple[Case, Verdict]]) -> None:
    """A line for each cause: how many cases it has, and the simplest."""
    groups = collections.defaultdict(list)
    for case, found in failures:
        groups[cause(found)].append((case, found))
    simplest = collections.defaultdict(list)
    with Workers() as workers:
        for group in groups.values():
            case, found = shrunk(*min(group, key=lambda one: len(repr(one[0]))), workers)
            simplest[case].append((len(group), found))
    for case, same in sorted(simplest.items(), key=lambda item: -sum(count for count, _ in item[1])):
        print(f"{sum(count for count, _ in same)}\t{same[0][1].status}\t{case!r}\t{same[0][1].details}")


if __name__ == "__main__":
    main()
