"""One call of a layer: its arguments and outputs."""

from tests.layers.parity.cases import TRAINING, Case
from tests.layers.parity.data import Data
from tests.layers.parity.subjects import Subject


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

    arguments = {**others, **tensors}
    inputs, keywords = arguments["inputs"], {}
    if subject.source is not None:
        inputs = subject.source(inputs)
    if "mask" in arguments:
        keywords["mask"] = arguments["mask"]
    states = [
        arguments[name] for name in sorted(arguments, key=lambda name: (len(name), name)) if name.startswith("state")
    ]
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
