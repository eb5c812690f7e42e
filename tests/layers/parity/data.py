"""The arrays of a case."""

from typing import NamedTuple

import numpy as np

from tests.layers.parity.cases import VOCABULARY, Case


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


def form_mask(mask: np.ndarray, form: str):
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


def make_states(case: Case, random) -> list[np.ndarray] | None:
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


def make_data(case: Case) -> Data:
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
        return Data(ids.astype(case.dtype), None, make_states(case, random), random)
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
    mask = mask if mask is None else form_mask(mask, case.mask_form)
    return Data(values.astype(numpy_dtype(case.dtype)), mask, make_states(case, random), random)


def numpy_dtype(name: str):
    import ml_dtypes

    return ml_dtypes.bfloat16 if name == "bfloat16" else np.dtype(name)
