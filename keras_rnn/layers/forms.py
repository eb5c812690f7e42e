"""Chooses the form a recurrent layer runs in: Keras' own loop, a graph of TensorFlow's operations, or machine code.

The two fast forms need a layer with Keras' usual options, and arguments whose dtypes and shapes are known to fit. In
doubt Keras' loop runs. The form is chosen when a `tf.function` is traced, and the function keeps it.
"""

from contextlib import contextmanager
from contextvars import ContextVar

import keras

from keras_rnn.layers import native
from keras_rnn.layers.native.llvm import llvm_problem

KERAS, GRAPH, MACHINE_CODE = "Keras' loop", "TensorFlow's operations", "machine code"
_CELLS = {"simple_rnn": keras.layers.SimpleRNNCell, "lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
# Methods of Keras that an object's attribute may replace.
_METHODS = ("call", "inner_loop", "get_initial_state", "get_dropout_mask")

_in_this_process: ContextVar[bool] = ContextVar("in_this_process", default=False)


def call_form(layer, sequences, initial_state, mask, training) -> str:
    """The form of this call of a layer of `keras_rnn.layers.recurrent`.

    Args:
        sequences, initial_state, mask: as `keras.layers.RNN.inner_loop` takes them.
    """
    if why_keras(layer) is not None:
        return KERAS
    from keras_rnn.layers import tracing

    if (
        not tracing.is_traced()
        or not (training is None or isinstance(training, (bool, int)))
        or not _are_supported(layer, sequences, initial_state, mask)
        or tracing.is_for_xla()
        or tracing.needs_common_operations()
    ):
        return KERAS
    return MACHINE_CODE if wants_machine_code(training) else GRAPH


def why_keras(layer) -> str | None:
    """Why a recurrent layer always runs in Keras' loop; None if its calls decide."""
    kind = getattr(layer, "kind", None)
    if keras.backend.backend() != "tensorflow":
        return f"Keras' backend is {keras.backend.backend()}"
    if kind not in _CELLS or "kind" not in vars(type(layer)):  # a subclass inherits `kind`, but may change anything
        return f"{type(layer).__name__} is no layer of keras_rnn.layers"
    if not layer.fused:
        return "its `fused` is False"
    cell = layer.cell
    if type(cell) is not _CELLS[kind]:
        return f"its cell is a {type(cell).__name__}"
    replaced = [name for owner in (layer, cell) for name in _METHODS if name in vars(owner)]
    if replaced:
        return f"its `{replaced[0]}` was replaced"
    if {layer.compute_dtype, cell.compute_dtype, cell.variable_dtype} != {"float32"}:
        return f"it computes in {cell.compute_dtype}"
    if getattr(cell, "quantization_mode", None) or getattr(layer, "quantization_mode", None):
        return "it is quantized"
    if cell.activation is not keras.activations.tanh:
        return f"its activation is {_name_of(cell.activation)}, not tanh"
    if getattr(cell, "recurrent_activation", keras.activations.sigmoid) is not keras.activations.sigmoid:
        return f"its recurrent activation is {_name_of(cell.recurrent_activation)}, not sigmoid"
    if not getattr(cell, "reset_after", True):
        return "its `reset_after` is False"
    if cell.recurrent_dropout:
        return "it has recurrent dropout"
    if cell.dropout and (cell.dropout >= 1 or getattr(cell, "implementation", 2) != 2):
        return "its dropout is that of `implementation=1`" if cell.dropout < 1 else "its dropout is 1"
    if layer.unroll:
        return "it is unrolled"
    if _is_for_cudnn(layer):
        return "it is for cuDNN"
    return None


def training_form(layer) -> tuple[str, str | None]:
    """The form a recurrent layer trains in if all shapes are known, and the reason why it is not machine code."""
    if reason := why_keras(layer):
        return KERAS, reason
    if reason := why_no_machine_code():
        return GRAPH, reason
    return MACHINE_CODE, None


def _name_of(function) -> str:
    return getattr(function, "__name__", repr(function))


def _are_supported(layer, sequences, initial_state, mask) -> bool:
    """Whether the dtypes and shapes, as far as the traced function knows them, are those the fast forms take."""
    import tensorflow as tf

    cell, gates = layer.cell, {"simple_rnn": 1, "gru": 3, "lstm": 4}[layer.kind]
    if not cell.built:
        return False
    columns = gates * cell.units
    bias = ((2, columns) if layer.kind == "gru" else (columns,)) if cell.use_bias else None

    def is_weight(weight, shape):
        return weight.dtype == "float32" and tuple(weight.shape) == shape

    def is_float32(tensor, *sizes):
        return isinstance(tensor, tf.Tensor) and tensor.dtype == tf.float32 and _has_sizes(tensor, *sizes)

    features = cell.kernel.shape[0]
    return (
        is_weight(cell.kernel, (features, columns))
        and is_weight(cell.recurrent_kernel, (cell.units, columns))
        and (bias is None or is_weight(cell.bias, bias))
        and is_float32(sequences, None, None, features)
        and len(initial_state) == (2 if layer.kind == "lstm" else 1)
        and all(is_float32(state, None, cell.units) for state in initial_state)
        and (mask is None or _is_mask(mask, sequences))
    )


def _has_sizes(tensor, *sizes) -> bool:
    """Whether a tensor has axes of these sizes; None stands for any size, known or not."""
    return tensor.shape.rank == len(sizes) and all(
        size is None or size == actual for size, actual in zip(sizes, tensor.shape, strict=True)
    )


def _is_mask(mask, sequences) -> bool:
    import tensorflow as tf

    if not isinstance(mask, tf.Tensor) or not (mask.dtype.is_bool or mask.dtype.is_integer or mask.dtype.is_floating):
        return False
    if not (_has_sizes(mask, None, None) or _has_sizes(mask, None, None, 1)):
        return False
    steps, mask_steps = sequences.shape[1], mask.shape[1]
    return steps is None or mask_steps is None or mask_steps >= steps


def _is_for_cudnn(layer) -> bool:
    """Whether Keras' layer is to run because it uses cuDNN, or may choose it."""
    import tensorflow as tf

    use_cudnn = getattr(layer, "use_cudnn", "auto")
    return use_cudnn is True or (use_cudnn == "auto" and bool(tf.config.list_logical_devices("GPU")))


def wants_machine_code(training) -> bool:
    """Whether layers run in machine code where they can: in training, and in `for_this_process`."""
    return bool(training or _in_this_process.get()) and can_run_machine_code()


@contextmanager
def for_this_process():
    """A context whose traced functions are never saved, so that layers predict in machine code, too."""
    token = _in_this_process.set(True)
    try:
        yield
    finally:
        _in_this_process.reset(token)


def can_run_machine_code() -> bool:
    """Whether the function that is being traced may contain operations of `keras_rnn.layers.native`."""
    if why_no_machine_code() is not None:
        return False
    from keras_rnn.layers import tracing

    return tracing.is_traced() and not (
        tracing.is_for_xla() or tracing.is_for_saving() or tracing.needs_common_operations()
    )


def why_no_machine_code() -> str | None:
    """Why functions that are traced now contain no machine code; None if they may."""
    if keras.backend.backend() != "tensorflow":
        return f"Keras' backend is {keras.backend.backend()}"
    import tensorflow as tf

    if not native.is_enabled():
        return "keras_rnn.layers.native is switched off"
    if tf.distribute.has_strategy():
        return "a tf.distribute strategy is in use"
    return llvm_problem()


def machine_code():
    """The module of machine code, which can be imported if `why_no_machine_code()` is None."""
    from keras_rnn.layers.native import sequence

    return sequence


def compile_ahead(layers) -> None:
    """Starts a thread that compiles the machine code which those of these layers that have some will train in.

    Without this call the code is compiled while the model is traced.
    """
    cells = {(layer.kind, layer.units) for layer in layers if why_keras(layer) is None}
    if cells and why_no_machine_code() is None:
        machine_code().compile_ahead(cells)
