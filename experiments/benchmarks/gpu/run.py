"""Train steps on a GPU: our token model on TensorFlow and on JAX, beside torch.nn.LSTM with cuDNN.

    python experiments/benchmarks/gpu/run.py [--quick] [--rounds 3]

Prints, and writes to results.json beside this file, the real tokens a second of an epoch of training. `--quick` runs
everything at a tiny size on whatever device there is and writes nothing. A system that is not installed is left out.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path += [str(HERE.parent), str(HERE.parents[1])]

from measure import environment  # noqa: E402
from peer import Peer, installed  # noqa: E402
from turns import take_turns  # noqa: E402

SIZES = {"vocabulary_size": 20_000, "hidden_size": 256, "batch": 256, "time": 64, "steps": 100}
QUICK_SIZES = {"vocabulary_size": 50, "hidden_size": 4, "batch": 2, "time": 6, "steps": 2}
PEERS = {
    "keras on tensorflow": ("tensorflow", "train_keras.py", "tensorflow"),
    "keras on jax": ("jax", "train_keras.py", "jax"),
    "torch": ("torch", "train_torch.py"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shows that all works, and measures nothing")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each contender (%(default)s)")
    arguments = parser.parse_args()
    sizes = QUICK_SIZES if arguments.quick else SIZES
    rows = []
    for padded in (False, True):
        for name, (package, *command) in PEERS.items():
            if not installed(package):
                continue
            with Peer(HERE / command[0], *command[1:]) as peer:  # alone, since it may take all of a GPU's memory
                device = peer.ask("build", padded=padded, **sizes)["device"]
                if not arguments.quick and "cpu" in device.lower():
                    sys.exit(f"{name} sees no GPU; --quick runs without one")
                epochs = take_turns({name: lambda: peer.ask("epoch")["tokens_per_second"]}, arguments.rounds)[name]
            row = {"what": name, "padded": padded, "device": device, "tokens_per_second": statistics.median(epochs)}
            print(json.dumps(row), flush=True)
            rows.append(row)
    if not arguments.quick:
        packages = [package for package, *_ in PEERS.values() if installed(package)]
        result = {"sizes": sizes, "rounds": arguments.rounds, **environment(["keras", *packages]), "rows": rows}
        (HERE / "results.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
