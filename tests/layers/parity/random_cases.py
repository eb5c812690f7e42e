"""Random cases."""

import numpy as np

from tests.layers.parity.cases import (
    CHANGES,
    CONSUMERS,
    CONTAINERS,
    DIRECTIONS,
    DTYPES,
    GRADIENTS,
    IDS,
    KINDS,
    MASK_FORMS,
    MASKS,
    MODELS,
    OFTEN,
    OPTIONS,
    OPTIONS_OF_KIND,
    POLICIES,
    SELDOM,
    SOURCES,
    STATES,
    TRACED_ONCE,
    TRAINING,
    UNDER_MASK,
    WIDTHS,
    Case,
)


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
        call_fields, sizes = call(fields), shape()
        for _ in range(count):
            if fields["runner"] not in TRACED_ONCE:
                call_fields = call(fields)
            elif call_fields["mask"] != "none":
                call_fields["mask"] = one_of(MASKS[1:])
            if not fields["stateful"] and fields["option"] != "unroll":
                sizes = shape()
            yield Case(
                **fields,
                **call_fields,
                **sizes,
                width=one_of([1, 2, 4, 9]) if chance(0.03) and fields["source"] == "plain" else None,
                ids=rarely(IDS, 0.2) if fields["source"].startswith("embedding") else "plain",
                magnitude=30.0 if chance(0.04) else 1.0,
                seed=int(random.integers(1000)),
            )
