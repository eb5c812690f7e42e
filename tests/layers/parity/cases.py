"""One comparison as data: a `Case`, and the values that its fields take."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[3]


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
    "none tensor numpy one_row vector dense int32 float64 variable reassigned fewer_rows more_rows narrow alone "
    "too_few too_many zeros tuple"
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
# WHOLE are runners that trace all of the work, gradients too; INNER are those that trace the layer's call alone.
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
    """One or more calls of one layer. The fields take the values of the lists above.

    `width` is that of the inputs, if it is not the one the layer was built for. `calls` of one layer come in a row, a
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
