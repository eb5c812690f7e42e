"""One recurrent layer beside Keras' and PyTorch's: forward, and a train step without an optimizer.

Every output of the sequence is returned; nothing is masked. A train step is the forward pass in training, a loss, and
its gradients for the weights and for the inputs. All have the same weights and inputs; their outputs and the
gradients of their inputs are compared before anything is timed. PyTorch is timed with the batch first and with time
first, and the better of the two counts.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
from against import bars, beside
from layer_case import GATES, Case
from part import Bar, Options
from peer import Peer, installed
from rich.progress import track
from turns import take_turns, turn_of

SHAPES = [(1, 32, 64, 64), (16, 40, 64, 16), (32, 64, 128, 128), (128, 64, 128, 128), (64, 64, 256, 512)]
QUICK_CASES = [("LSTM", True, (2, 3, 4, 5)), ("GRU", False, (2, 3, 4, 5)), ("SimpleRNN", False, (2, 3, 4, 5))]
FORWARD, TRAIN_STEP = "forward", "train_step"
SAME = "the same operations as Keras"  # so what differs in time is chance
# Of the largest number: float32, summed in another order through up to 64 steps.
TOLERANCE = 1e-4


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        peers = {name: stack.enter_context(Peer("layers_tensorflow.py", name)) for name in ("ours", "keras")}
        if installed("torch"):
            peers["torch"] = stack.enter_context(Peer("layers_torch.py"))
        rows = []
        for case in track(list(cases(options)), "layers", transient=True):
            same = check_alike(peers, case, Path(folder))
            rows += timed(peers, case, same, options)
    steps = [row for row in rows if row["what"] == TRAIN_STEP]
    return rows, bars(steps, [row for row in rows if not row["note"]])


def cases(options: Options) -> Iterator[Case]:
    all_cases = [
        (cell, is_bidirectional, shape) for shape in SHAPES for cell in GATES for is_bidirectional in (False, True)
    ]
    for cell, is_bidirectional, shape in QUICK_CASES if options.quick else all_cases:
        yield Case(cell, is_bidirectional, *shape, seed=options.seed)


def check_alike(peers: dict[str, Peer], case: Case, folder: Path) -> bool:
    """Builds the case everywhere, and compares what comes out; whether ours and Keras' forward graphs are the same."""
    made_arrays, graphs = {}, {}
    for name, peer in peers.items():
        file = folder / f"{name}.npz"
        graphs[name] = peer.ask("build", case=asdict(case), results=str(file)).get("forward")
        with np.load(file) as arrays:
            made_arrays[name] = dict(arrays)
    for name, arrays in made_arrays.items():
        for what, theirs in arrays.items():
            difference = np.abs(theirs - made_arrays["ours"][what]).max() / np.abs(theirs).max()
            if not difference < TOLERANCE:
                raise ValueError(f"{what} of {case}: ours differ from those of {name} by {difference:.1e}")
    return graphs["ours"] == graphs.get("keras")


def timed(peers: dict[str, Peer], case: Case, same: bool, options: Options) -> Iterator[dict]:
    for what in (FORWARD, TRAIN_STEP):
        contenders = {name: turn_of(peers[name], options.quick, what=what) for name in ("ours", "keras")}
        if "torch" in peers:
            for layout in ("batch first", "time first"):
                contenders[f"torch {layout}"] = turn_of(peers["torch"], options.quick, what=what, layout=layout)
        yield {
            "layer": f"Bi{case.cell}" if case.bidirectional else case.cell,
            "batch": case.batch,
            "time": case.time,
            "in": case.features,
            "hidden": case.units,
            "what": what,
            **beside(take_turns(contenders, options.rounds)),
            "note": SAME if same and what == FORWARD else "",
        }
