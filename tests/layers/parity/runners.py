"""The ways in which a call runs: eagerly, in functions, in models, saved and loaded."""

import dataclasses
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tests.layers.parity.calls import Feed, layer_call, scaled
from tests.layers.parity.cases import MODELS, TRACED_ONCE, TRAINING, Case
from tests.layers.parity.observation import observe
from tests.layers.parity.subjects import Subject, reload


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
            module.captured = list(feed.others.values())
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
    for variable, value in subject.initial_values:
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


def run_once(subject: Subject, case: Case, feed: Feed) -> dict:
    """Numbers by name, of one call as the runner has it."""
    import tensorflow as tf

    if case.runner in MODELS:
        return model_results(subject, case, feed)
    if case.runner in ("keras_file", "clone", "copy"):
        subject = reload(subject, case)
        return observe(subject, case, inner_call(subject, case, feed), feed.others, feed.tensors)

    shapes = {}

    def whole(tensors):
        # Functions by themselves are traced anew in each call, but for those that are kept.
        result = observe(subject, case, call, feed.others, tensors)
        if not tf.executing_eagerly():
            for name, value in result.items():
                shapes[name] = None if value is None else value.shape
        return result

    call = inner_call(subject, case, feed)
    if case.runner == "function":
        result = tf.function(whole)(feed.tensors)
    elif case.runner == "jit":
        result = tf.function(whole, jit_compile=True)(feed.tensors)
    elif case.runner in TRACED_ONCE:
        key = None if feed.others else trace_key(case)
        function, shapes = subject.functions.get(key, (None, shapes))
        if function is None:
            function = tf.function(whole, input_signature=[feed.signature(case)])
            if key:
                subject.functions[key] = function, shapes
        result = function(feed.tensors)
    elif case.runner == "mirrored":
        strategy = tf.distribute.get_strategy()
        both = tf.function(lambda tensors: strategy.run(whole, [tensors]))(feed.tensors)
        result = {
            f"{name} on {number}": one
            for name, value in both.items()
            for number, one in enumerate(strategy.experimental_local_results(value))
        }
    elif case.runner == "functions_eagerly":
        tf.config.run_functions_eagerly(True)
        try:
            result = tf.function(whole)(feed.tensors)
        finally:
            tf.config.run_functions_eagerly(False)
    else:
        result = whole(feed.tensors)
    outcome = {name: None if value is None else numbers(value) for name, value in result.items()}
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
