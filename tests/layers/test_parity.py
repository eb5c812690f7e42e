"""What Keras' recurrent layers give, ours give: named cases, each once, and random ones.

Every case runs in a worker process, so one that crashes fails alone. `tests.layers.parity` says how to run one by hand.
"""

import dataclasses
import itertools
import os

import pytest

from tests.layers.parity import cases, comparison, random_cases, search, workers
from tests.layers.parity.cases import Case

EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "150"))
SEED = int(os.environ.get("PARITY_SEED", "0"))
TRAINING = ["true", "false"]
BOTH = ["forward", "concat"]
SEQUENCES = {"return_sequences": True, "return_state": True}
FLAGS = ["return_sequences", "return_state", "zero_output_for_mask"]

# By name. With PARITY_ALL in the environment all of them are tests, and without it those in `CHOSEN`, which have each
# value of each field once, of one kind, direction and mode after the other.
CASES: dict[str, Case] = {}
CHOSEN: set[str] = set()


def add(name, *, chosen=True, **fields):
    """A case in a traced function, where layers of ours may be quick, unless its runner is named."""
    name = "-".join(str(part) for part in name)
    CASES.setdefault(name, Case(**{"runner": "function", **fields}))
    if chosen:
        CHOSEN.add(name)


def every(field, values, directions=("forward",), training=TRAINING, **fields):
    """A case of each kind for each value of a field."""
    ways = list(itertools.product(cases.KINDS, directions, training))
    for number, value in enumerate(values):
        turn = (number + len(CASES)) % len(ways)
        for kind, direction, mode in ways[turn:] + ways[:turn]:
            fields_now = {**fields, field: value}
            if fields_now.get("option", "plain") in cases.OPTIONS_OF_KIND[kind]:
                continue
            labels = [f"{key}={one}" for key, one in fields.items() if key not in SEQUENCES]
            add(
                [field, value, *labels, kind, direction, f"training_{mode}"],
                chosen=(kind, direction, mode) == ways[turn],
                kind=kind,
                direction=direction,
                training=mode,
                **fields_now,
            )


def in_turn(field, values, training=TRAINING, **fields):
    """A case of one kind for each value of a field, the kinds taking turns."""
    for number, (value, mode) in enumerate(itertools.product(values, training)):
        kind = cases.KINDS[(number // len(training) + number) % 3]
        labels = [f"{key}={one}" for key, one in fields.items() if key not in SEQUENCES]
        add([field, value, *labels, kind, f"training_{mode}"], kind=kind, training=mode, **{**fields, field: value})


def flags(number):
    return {name: bool(number >> bit & 1) for bit, name in enumerate(FLAGS)}


product = itertools.product(cases.KINDS, cases.DIRECTIONS, cases.MASKS, TRAINING)
for number, (kind, direction, mask, training) in enumerate(product):
    if direction in cases.DIRECTIONS[3:] and mask not in ("none", "empty_row"):
        continue  # what they merge is what concat puts side by side
    add(
        ["plain", kind, direction, mask, f"training_{training}"],
        chosen=number % 11 == 0,
        kind=kind,
        direction=direction,
        mask=mask,
        training=training,
        seed=number,
        **flags(number // 2 + number),
    )
for kind, number in itertools.product(cases.KINDS, range(8)):
    fields = {"kind": kind, "mask": "holes", "use_bias": number % 2 == 0, "training": TRAINING[number // 2 % 2]}
    add(["flags", kind, number], chosen=cases.KINDS.index(kind) == number % 3, **fields, **flags(number))

every("dtype", cases.DTYPES)
every("dtype", cases.DTYPES[1:4], autocast=False, training=["true"])
every("dtype", ["int32"], ["concat"])
every("policy", cases.POLICIES)
in_turn("container", cases.CONTAINERS)
in_turn("container", cases.CONTAINERS, direction="concat")
every("mask_form", cases.MASK_FORMS, mask="holes", return_sequences=True)
every("mask_form", ["int32", "one_row", "longer", "shorter", "last_axis"], ["concat"], mask="right")
every("under_mask", ["nan", "inf"], BOTH, mask="right", return_sequences=True)
every("under_mask", ["nan", "inf"], mask="holes", zero_output_for_mask=True)
every("state", cases.STATES, mask="empty_row", return_state=True)
every("state", ["tensor", "dense", "one_row", "float64", "variable"], ["concat"], return_state=True)

for kind, training in itertools.product(cases.KINDS, cases.TRAINING):
    add(["training", kind, training], kind=kind, training=training, mask="right")
every("option", list(cases.OPTIONS)[1:], mask="right")
every("option", ["activity_regularized", "regularized", "implementation_1"], ["concat"])
every("change", cases.CHANGES[1:])
every("change", cases.CHANGES[1:], ["concat"], training=["true"])
every("consumer", cases.CONSUMERS, **SEQUENCES)
every("consumer", ["gather", "gather_nd", "embedding_lookup"], runner="eager", **SEQUENCES)
every("dtype", ["int32", "bool", "float64"], runner="eager")
every("mask_form", ["int32", "longer", "shorter"], runner="eager", mask="right")
every("state", ["reassigned"], runner="eager")
every("calls", [2], runner="eager", stateful=True)
every("gradient", ["penalty", "jvp"], runner="eager")
every("consumer", ["gather", "boolean_mask"])
every("consumer", ["gather", "states", "state_row"], ["concat", "separate"], **SEQUENCES)
seldom = {"tf_gradients", "jacobian", "batch_jacobian"}
every("gradient", [one for one in cases.GRADIENTS if one not in seldom], mask="right", return_sequences=True)
every("gradient", ["persistent", "penalty", "jvp", "weights_reassigned"], ["concat"])
in_turn("gradient", ["jacobian", "batch_jacobian"], time=2, mask="right")
in_turn("gradient", ["jacobian"], training=["true"], time=2, runner="function")
in_turn("gradient", ["penalty", "jvp", "recompute", "tf_gradients"], runner="function")
in_turn("gradient", ["penalty", "jvp", "recompute"], runner="outside")
every("batch", [0, 1, 2, 9], mask="right", return_sequences=True)
every("batch", [33], mask="right", mask_form="much_longer")
in_turn("batch", [0], runner="dynamic")
for direction in BOTH:
    add(["no_rows", direction], direction=direction, batch=0, runner="dynamic", training="false")
for kind, (batch, time, units) in itertools.product(cases.KINDS, ((128, 20, 100), (1, 100, 256), (700, 2, 1))):
    add(["large", kind, batch, time, units], kind=kind, batch=batch, time=time, units=units, mask="right")
every("time", [0, 1, 2, 17], mask="right", return_sequences=True)
every("time", [1, 2], BOTH, return_state=True)
every("magnitude", [30.0], BOTH, mask="right")
widths = zip(cases.WIDTHS, cases.WIDTHS[::-1], strict=True)
for number, (kind, (features, units), training) in enumerate(itertools.product(cases.KINDS, widths, TRAINING)):
    fields = {"kind": kind, "features": features, "units": units, "training": training}
    add(["width", kind, features, units, f"training_{training}"], chosen=number % 5 == 0, **fields)
every("width", [1, 2, 5, 64], BOTH)
in_turn("width", [2, 5], runner="function")
in_turn("width", [2, 5], runner="unknown", mask="right")
in_turn("width", [2, 5], runner="unknown")
in_turn("width", [2, 5], runner="outside_dynamic")
every("calls", [2, 3], ["forward", "backward", "concat"], stateful=True, return_sequences=True)
every("gradient", ["through_calls", "persistent"], BOTH, stateful=True, calls=2)
every("mask", ["right", "empty_row"], stateful=True, calls=3)
in_turn("runner", ["function", "while_loop", "keras_file", "predict"], stateful=True)
for kind, direction, training in itertools.product(cases.KINDS, BOTH, TRAINING):
    if kind == "SimpleRNN" and direction == "concat":
        continue
    for runner in ("eager", "function"):
        fields = {"kind": kind, "direction": direction, "training": training, "runner": runner}
        chosen = runner == "function" and training == "true"
        add(["dropout", *fields.values()], chosen=chosen, dropout=0.4, mask="right", **fields)
in_turn("option", ["recurrent_dropout"], dropout=0.3)
every("source", cases.SOURCES[1:], BOTH, mask="right", dtype="int32")
every("source", ["masking"], BOTH, mask="holes")
every("ids", cases.IDS[1:], source="embedding", dtype="int32")
in_turn("dtype", ["int64", "uint8", "float32"], source="embedding")
in_turn("source", ["embedding", "masking"], runner="function", mask="right", dtype="int32")
in_turn("runner", cases.RUNNERS)
in_turn("runner", ["function", "dynamic", "unknown", "outside_dynamic", "saved_model"], mask="holes", **SEQUENCES)
in_turn("runner", ["dynamic", "mirrored", "saved_model", "predict", "train"], direction="concat", training=["true"])
in_turn("runner", ["saved_model"], training=["false"], state="tensor", mask="right")
every("runner", ["jit"], training=["false"])
for kind, runner in itertools.product(cases.KINDS, cases.TRACED_ONCE):
    for mask, batch, time in (("right", 4, 5), ("left", 2, 9), ("nothing", 1, 1), ("holes", 9, 3), ("right", 4, 0)):
        fields = {"kind": kind, "runner": runner, "mask": mask, "batch": batch, "time": time}
        chosen = (batch, time) != (4, 5) and kind == cases.KINDS[(batch + time) % 3]
        add(["sizes", *fields.values()], chosen=chosen, direction="concat", return_sequences=True, **fields)

for number, (kind, runner, mask, training) in enumerate(
    itertools.product(cases.KINDS, cases.TRACED_ONCE, ["none", "holes"], TRAINING)
):
    for bits in range(8):
        fields = {"kind": kind, "runner": runner, "mask": mask, "training": training, "time": 0, **flags(bits)}
        add(["no_step", *fields.values()], chosen=bits == 2 and number % 3 == 0, state="tensor", **fields)


@pytest.fixture(scope="module")
def pool(request):
    """Works at the cases of all tests that are selected, ahead of them."""
    selected = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    with workers.Pool([CASES[item.callspec.params["name"]] for item in selected]) as pool:
        yield pool


@pytest.mark.parametrize("name", [name for name in CASES if name in CHOSEN or "PARITY_ALL" in os.environ])
def test_numbers_are_those_of_keras(name, pool):
    result = pool.verdict(CASES[name])
    assert result.status not in comparison.FAILURES, f"{CASES[name]!r}\n{result.status}: {result.details}"


def test_a_case_is_its_repr():
    for case in CASES.values():
        assert eval(repr(case), {"Case": Case}) == case


def test_random_cases_are_the_same_for_a_seed():
    first, second = (list(itertools.islice(random_cases.random_cases(3), 200)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 190


def test_a_difference_is_found():
    import numpy as np

    case, expected = Case(), np.ones((2, 2), "float32")
    assert comparison.difference("output 0", expected, expected + 1e-6, case) is None
    assert "off by" in comparison.difference("output 0", expected, expected + 1e-4, case)
    assert "shape" in comparison.difference("output 0", expected, expected[:1], case)
    assert "float64" in comparison.difference("output 0", expected, expected.astype("float64"), case)
    assert "not finite" in comparison.difference("gradient of inputs", expected, expected * np.nan, case)
    assert comparison.difference("output 0", expected * np.nan, expected, case) is None
    assert "None" in comparison.difference("gradient of inputs", expected, None, case)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_numbers_of_random_cases_are_those_of_keras():
    failures = search.failing_examples(EXAMPLES, SEED)
    lines = [f"{result.status}: {case!r}: {result.details}" for case, result in failures]
    assert not failures, "\n".join([f"{len(failures)} of {EXAMPLES} cases", *lines[:50]])


def test_every_field_of_a_case_has_a_value_that_is_not_its_default():
    changed = {
        field.name
        for field in dataclasses.fields(Case)
        if any(getattr(case, field.name) != field.default for case in CASES.values())
    }
    assert changed == {field.name for field in dataclasses.fields(Case)}
