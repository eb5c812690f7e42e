"""From string to probabilities: the exported SavedModel beside plain Keras' export, PyTorch and ONNX Runtime.

Two bidirectional layers of LSTM or GRU over an embedding of 20,000 words, their last states, four classes; the same
weights everywhere. SavedModels are loaded by `tf.saved_model.load` and asked by their signature; beside that, for
information, by the function that `load` gives and, ours, by `keras_rnn.load_predictor`, as `keras-rnn predict` does.
PyTorch and ONNX Runtime have a tokeniser in plain Python before them. Texts have 40 tokens on average, from 10 to 100.

What is timed is one text at a time, the median and the 99th percentile, and 64 texts at a time, the mean. All must
first give the same probabilities, to 1e-5.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial

import numpy as np
from against import AGAINST_KERAS, AGAINST_TORCH, beside
from inference_case import InferenceCase
from part import Bar, Options
from peer import Peer, installed
from turns import take_turns

MODELS = [("lstm", 64), ("gru", 64), ("lstm", 128)]
QUICK_MODELS = [("lstm", 4)]
WORDS, QUICK_WORDS = 20_000, 50
BATCHES = {1: 100, 64: 8}  # texts a call, and how many different calls
TURN, QUICK_TURN = {"seconds": 1.5, "calls": 3}, {"seconds": 0.0, "calls": 1}
CHECKED = 16  # texts whose probabilities are compared
TOLERANCE = 1e-5
BATCH_1_KERAS, BATCH_1_TORCH, BATCH_64_KERAS = 2.0, 1.0, 1.5


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    rows = []
    with ExitStack() as stack:
        peers = {name: stack.enter_context(Peer("inference_tensorflow.py", name)) for name in ("ours", "keras")}
        if installed("torch"):
            peers["torch"] = stack.enter_context(Peer("inference_torch.py"))
        if installed("onnxruntime") and installed("onnx"):
            peers["onnxruntime"] = stack.enter_context(Peer("inference_onnx.py"))
        for cell, hidden_size in QUICK_MODELS if options.quick else MODELS:
            words = QUICK_WORDS if options.quick else WORDS
            case = InferenceCase(cell, hidden_size, words, options.seed)
            probabilities = {name: peer.ask("build", checked=CHECKED, **asdict(case)) for name, peer in peers.items()}
            check_alike(probabilities)
            ways = {f"{name} {way}".strip(): (name, way) for name, ways in probabilities.items() for way in ways}
            rows += rows_of(
                case, {name: partial(turn, peers[peer], way) for name, (peer, way) in ways.items()}, options
            )
    return rows, bars(rows)


def turn(peer: Peer, way: str, batch: int, quick: bool) -> dict:
    batches = 2 if quick else BATCHES[batch]
    return peer.ask("turn", name=way, batch=batch, batches=batches, **(QUICK_TURN if quick else TURN))


def rows_of(case: InferenceCase, turns: Mapping, options: Options) -> list[dict]:
    rows = []
    for batch, figures in ((1, ("p50", "p99")), (64, ("mean",))):
        # Of one text there is nothing to pack.
        ways = {name: turn for name, turn in turns.items() if batch > 1 or name != "torch packed"}
        turn_results = take_turns(
            {name: partial(turn, batch, options.quick) for name, turn in ways.items()}, options.rounds
        )
        for figure in figures:
            times = {name: [result[figure] for result in results] for name, results in turn_results.items()}
            model = f"2 x Bi{case.cell.upper()}({case.hidden_size})"
            rows.append({"model": model, "texts": batch, "figure": figure, **beside(times)})
    return rows


def check_alike(probabilities: Mapping[str, Mapping[str, list]]) -> None:
    """ValueError unless all ways of all peers give the same."""
    expected = np.array(probabilities["ours"][""])
    for name, ways in probabilities.items():
        for way, found in ways.items():
            difference = np.abs(np.array(found) - expected).max()
            if not difference < TOLERANCE:
                raise ValueError(f"the probabilities of ours differ from those of {name} {way} by {difference:.1e}")


def bars(rows: Sequence[dict]) -> list[Bar]:
    """Of the first model, two layers of BiLSTM(64)."""
    one, _, many = rows[:3]
    found = [
        _bar(f"one text at least {BATCH_1_KERAS} x plain Keras, p50", one[AGAINST_KERAS], BATCH_1_KERAS),
        _bar(f"64 texts at least {BATCH_64_KERAS} x plain Keras", many[AGAINST_KERAS], BATCH_64_KERAS),
    ]
    if one[AGAINST_TORCH]:
        found.append(_bar(f"one text at least {BATCH_1_TORCH} x PyTorch, p50", one[AGAINST_TORCH], BATCH_1_TORCH))
    return found


def _bar(what: str, figure: float, least: float) -> Bar:
    return Bar(what, figure, figure >= least)
