"""What is compared of a call: outputs, and gradients of many kinds."""

import numpy as np

from tests.layers.parity.calls import scaled, wave
from tests.layers.parity.cases import Case
from tests.layers.parity.subjects import Subject


def consume(case: Case, outputs: list, again) -> list:
    """The tensors that a loss is made of; `again()` returns the outputs of a second call."""
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


def observe(subject: Subject, case: Case, call, others: dict, tensors: dict) -> dict:
    """Outputs and gradients by name; a gradient that does not exist is None. `call(tensors)` gives the outputs."""
    import tensorflow as tf

    def differentiable(value):
        return tf.is_tensor(value) and (value.dtype.is_floating or value.dtype.is_complex)

    arguments = {**others, **tensors}
    sources = {
        name: value
        for name, value in arguments.items()
        if differentiable(value) and not (name == "mask" or isinstance(value, list | np.ndarray))
    }
    weights = {f"weight {number}": weight.value for number, weight in enumerate(subject.weights())}
    inputs = sources.get("inputs")

    def loss(outputs, tensors=tensors):
        return loss_of(consume(case, outputs, lambda: call(scaled(tensors, 0.5))))

    def named(outputs):
        return {f"output {number}": output for number, output in enumerate(outputs)}

    def gradients(tape, value, label="gradient", targets=None):
        targets = {**sources, **weights} if targets is None else targets
        result = tape.gradient(value, list(targets.values())) if targets else []
        return {
            f"{label} of {name}": None if one is None else tf.convert_to_tensor(one)
            for name, one in zip(targets, result, strict=True)
        }

    watched = list(sources.values())
    match case.gradient:
        case "none":
            return named(call(tensors))
        case "frozen":
            subject.layer.trainable = False
        case "tf_gradients":
            outputs = call(tensors)
            targets = {**sources, **weights}
            result = tf.gradients(loss(outputs), list(targets.values()))
            return named(outputs) | {
                f"gradient of {name}": None if one is None else tf.convert_to_tensor(one)
                for name, one in zip(targets, result, strict=True)
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
            targets = {"inputs": inputs, "weight 1": weights["weight 1"]}
            return named(outputs) | {
                f"jacobian of {name}": tape.jacobian(outputs[0], targets[name]) for name in targets
            }
        case "jvp" if inputs is not None:
            with tf.autodiff.ForwardAccumulator(inputs, wave(inputs)) as forward:
                outputs = call(tensors)
            return named(outputs) | {f"tangent {number}": forward.jvp(one) for number, one in enumerate(outputs)}
        case "output_gradients":
            with tf.GradientTape() as tape:
                tape.watch(watched)
                outputs = call(tensors)
            targets = {**sources, **weights}
            result = tape.gradient(outputs, list(targets.values()), output_gradients=[tf.cos(one) for one in outputs])
            return named(outputs) | dict(zip([f"gradient of {name}" for name in targets], result, strict=True))

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
    targets = {
        "inputs": {"inputs": inputs} if inputs is not None else {},
        "one_weight": dict(list(weights.items())[1:2]),
    }.get(case.gradient)
    result = gradients(tape, value, targets=targets)
    if case.gradient == "persistent":
        result |= gradients(tape, value, "gradient once more")
    return named(outputs) | result
