"""The whole train step of a classifier beside Keras' and PyTorch's, and how long the first step takes.

A 20,000 x 128 embedding, two bidirectional LSTM layers of 64 and four classes; texts of 24 to 48 tokens, padded to 48
and masked; Adam with clipped gradients. Ours is what `text_classifier` builds and `keras-rnn train` compiles, Keras'
is of stock layers and the stock optimizer; what is timed is the function that `fit` calls for each step, on batches
that lie ready in a tf.data cache. Ours as deterministic as `keras-rnn train` has it stands beside it. PyTorch trains
padded and packed, with its default and its fused Adam, and the best of the four counts.

The first step is that of a fresh process which has imported everything: the seconds from the first layer, over
building, compiling and tracing, to the end of the first step, at the smallest batch; or of the first few steps, where
a model takes several at a time. Of those, a step's time is a share.
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
    with ExitStack() as stack:
        peers = {}
        first_step_rows = first_step(cases[0], peers, stack, options)
        if not options.quick:
            peers["ours deterministic"] = stack.enter_context(Peer("step_tensorflow.py", "ours", "deterministic"))
        torch = stack.enter_context(Peer("step_torch.py")) if installed("torch") else None
        steps = [train_step(case, peers, torch, options) for case in cases]
    return [*steps, first_step_rows], bars(steps, steps)


def first_step(case: StepCase, peers: dict[str, Peer], stack: ExitStack, options: Options) -> dict:
    """Leaves the processes of the last round in `peers`, to go on with the other steps."""

    def of_fresh_process(name: str) -> float:
        if name in peers:
            peers[name].close()
        peers[name] = stack.enter_context(Peer("step_tensorflow.py", name))
        return peers[name].ask("build", name=FIRST_STEP, case=asdict(case))["first_step_seconds"]

    contenders = {name: partial(of_fresh_process, name) for name in ("ours", "keras")}
    return {"what": FIRST_STEP, "batch": case.batch, **beside(take_turns(contenders, options.rounds))}


def train_step(case: StepCase, peers: dict[str, Peer], torch: Peer | None, options: Options) -> dict:
    for peer in peers.values():
        peer.ask("build", name=TRAIN_STEP, case=asdict(case))
    check_alike({name: np.array(peer.ask("logits", name=TRAIN_STEP)["logits"]) for name, peer in peers.items()})
    contenders = {name: turn_of(peer, options.quick, name=TRAIN_STEP) for name, peer in peers.items()}
    if torch:
        for name, variant in TORCH_VARIANTS.items():
            torch.ask("build", name=name, case=asdict(case), **variant)
            contenders[name] = turn_of(torch, options.quick, name=name)
    return {"what": TRAIN_STEP, "batch": case.batch, **beside(take_turns(contenders, options.rounds))}


def check_alike(logits: dict[str, np.ndarray]) -> None:
    for name, theirs in logits.items():
        difference = np.abs(theirs - logits["ours"]).max()
        if not difference < TOLERANCE:
            raise ValueError(f"the logits of ours differ from those of {name} by {difference:.1e}")
