"""Depth and width on AG News: simple_rnn, lstm and gru, 1 to 3 layers of 32, 64 and 128 units, by one `keras-rnn tune`.

    python experiments/depth_width_ag_news/run.py --data ../shared/data/ag_news [--quick]

Prints the command, runs it, and copies the sweep's results.csv, heatmap.png and importance.png into results/, with the
machine, the versions and the time it took beside them. `--quick` runs four trials of seconds and copies nothing.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from measure import environment, measured  # noqa: E402

SPACE = "--cell simple_rnn,lstm,gru --num-layers 1,2,3 --hidden-size 32,64,128"
QUICK_SPACE = "--cell simple_rnn,lstm --num-layers 1 --hidden-size 16,32"
TRAINING = "--validation-fraction 0.2 --max-length 100 --seed 0"
SIZE, QUICK_SIZE = "--limit 18000 --epochs 3", "--limit 1000 --epochs 1"
SWEEP = "--model lstm_64 --algorithm grid --workers 2"
FILES = ["results.csv", "heatmap.png", "importance.png"]
PACKAGES = ["tensorflow", "keras", "keras-tuner", "numpy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    space, size = (QUICK_SPACE, QUICK_SIZE) if arguments.quick else (SPACE, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder, "sweep")
        options = f"{SWEEP} {space} {size} {TRAINING}".split()
        command = ["keras-rnn", "tune", "--data", arguments.data, *options]
        print(" ".join(map(str, command)), flush=True)
        start_date = time.strftime("%Y-%m-%d")
        run = measured([sys.executable, "-m", "keras_rnn.cli.main", *command[1:], "--out", sweep])
        print(run.output)
        facts = {
            "command": " ".join(map(str, command)),
            "date": start_date,
            "seconds": round(run.seconds),
            "peak_mib": round(run.peak_bytes / 2**20),
            **environment(PACKAGES),
        }
        print(json.dumps(facts, indent=2))
        if not arguments.quick:
            (HERE / "results").mkdir(exist_ok=True)
            for name in FILES:
                shutil.copy(sweep / name, HERE / "results" / name)
            (HERE / "results" / "environment.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
