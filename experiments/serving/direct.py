"""A process that calls a SavedModel's signature directly, one text at a time.

    python experiments/serving/direct.py SAVED_MODEL_VERSION

Reads JSON lines `{"kind": "function" or "session", "seconds": S, "texts": [...]}`: by the function that
tf.saved_model.load returns, or by a session, as servers do. Answers each with the median, in milliseconds, of the time
that a call takes from Python string to numpy arrays, the texts called in turn for S seconds.
"""

import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

SIGNATURE = "serving_default"


def by_function(directory: str) -> Callable[[str], list]:
    saved_model = tf.saved_model.load(directory)
    serve = saved_model.signatures[SIGNATURE]

    def call(text: str, _keep=saved_model) -> list:  # the signature does not keep alive what it calls
        return [output.numpy() for output in serve(text=tf.constant([text])).values()]

    return call


def by_session(directory: str) -> Callable[[str], list]:
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        saved_model = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], directory)
    signature = saved_model.signature_def[SIGNATURE]
    outputs = [output.name for output in signature.outputs.values()]
    run = session.make_callable(outputs, [signature.inputs["text"].name])
    return lambda text: run([text])


def p50_ms(call: Callable[[str], list], texts: list[str], seconds: float) -> float:
    milliseconds = []
    end = time.perf_counter() + seconds
    texts = itertools.cycle(texts)
    while (start_time := time.perf_counter()) < end:
        call(next(texts))
        milliseconds.append(1e3 * (time.perf_counter() - start_time))
    return statistics.median(milliseconds)


def main() -> None:
    calls = {"function": by_function(sys.argv[1]), "session": by_session(sys.argv[1])}
    for call in calls.values():
        p50_ms(call, ["a first call builds what the next ones use"], 0.5)
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(p50_ms(calls[job["kind"]], job["texts"], job["seconds"]), flush=True)


if __name__ == "__main__":
    main()
