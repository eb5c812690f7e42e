"""The whole train step of a classifier beside Keras' and PyTorch's, and how long the first step takes.

A 20,000 x 128 embedding, two bidirectional LSTM layers of 64 and four classes; texts of 24 to 48 tokens, padded to 48
and masked; Adam with clipped gradients. Ours is what `text_classifier` builds and `keras-rnn train` compiles, Keras'
is of stock layers and the stock optimizer; what is timed is the function that `fit` calls for each step, on batches
that lie ready in a tf.data cache. Ours as deterministic as `keras-rnn train` has it stands beside it. PyTorch trains
padded and packed, with its default and its fused Adam, and the best of the four counts.

The first step is that of a fresh process which has imported everything: the seconds from the first layer, over
building, compiling and tracing, to the end of the first step.
"""

from contextlib import ExitStack
from dataclasses import asdict
from functools import partial

import numpy as np
from against import bars, beside
from part import Bar, Options
from peer import Peer, installed
from step_case import StepCase
from turns import take_turns, turn_of

SIZES = {"vocabulary_size": 20_000, "hidden_size": 64, "num_layers": 2, "time": 48, "shortest": 24}
QUICK_SIZES = {"vocabulary_size": 50, "hidden_size": 4, "num_layers": 1, "time": 6, "shortest": 3}
BATCHES, QUICK_BATCHES = [16, 64, 128], [2]
FIRST_STEP_BATCH = 64
PEERS, QUICK_PEERS = ["ours", "ours deterministic", "keras"], ["ours", "keras"]
TORCH_VARIANTS = {
    "torch padded": {"packed": False, "fused": False},
    "torch padded, fused Adam": {"packed": False, "fused": True},
    "torch packed": {"packed": True, "fused": False},
    "torch packed, fused Adam": {"packed": True, "fused": True},
}
TRAIN_STEP, FIRST_STEP = "train step", "first step"
TOLERANCE = 1e-4  # of logits in float32, summed in another order


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    sizes = QUICK_SIZES if options.quick else SIZES
    cases = [StepCase(batch, seed=options.seed, **sizes) for batch in (QUICK_BATCHES if options.quick else BATCHES)]
    steps = train_steps(cases, options)
    return [*steps, first_step(StepCase(FIRST_STEP_BATCH, seed=options.seed, **sizes), options)], bars(steps, steps)


def train_steps(cases: list[StepCase], options: Options) -> list[dict]:
    rows = []
    with ExitStack() as stack:
        names = QUICK_PEERS if options.quick else PEERS
        keras_peers = {name: stack.enter_context(Peer("step_tensorflow.py", *name.split())) for name in names}
        torch = stack.enter_context(Peer("step_torch.py")) if installed("torch") else None
        for case in cases:
            for name, peer in keras_peers.items():
                peer.ask("build", name=name, case=asdict(case))
            check_alike({name: np.array(peer.ask("logits", name=name)["logits"]) for name, peer in keras_peers.items()})
            contenders = {name: turn_of(peer, options.quick, name=name) for name, peer in keras_peers.items()}
            if torch:
                for name, variant in TORCH_VARIANTS.items():
                    torch.ask("build", name=name, case=asdict(case), **variant)
                    contenders[name] = turn_of(torch, options.quick, name=name)
            rows.append({"what": TRAIN_STEP, "batch": case.batch, **beside(take_turns(contenders, options.rounds))})
    return rows


def check_alike(logits: dict[str, np.ndarray]) -> None:
    for name, theirs in logits.items():
        difference = np.abs(theirs - logits["ours"]).max()
        if not difference < TOLERANCE:
            raise ValueError(f"the logits of ours differ from those of {name} by {difference:.1e}")


def first_step(case: StepCase, options: Options) -> dict:
    def of_fresh_process(name: str) -> float:
        with Peer("step_tensorflow.py", name) as peer:
            return peer.ask("build", name=FIRST_STEP, case=asdict(case))["first_step_seconds"]

    contenders = {name: partial(of_fresh_process, name) for name in ("ours", "keras")}
    return {"what": FIRST_STEP, "batch": case.batch, **beside(take_turns(contenders, options.rounds))}
