"""Where the time of our run of `end_to_end` on AG News goes, and how far matrix products alone would bring it.

A process of its own trains for one epoch by `keras_rnn.train`, as `end_to_end` has it, and says what of the run was
reading and tokenising, tracing, training and the rest. Then it takes steps of that training again, under TensorFlow's
profiler, which says for each kind of operation how long threads were in it; and finds how long the matrix products of
such a step would take at the best rate at which all cores together multiply matrices that stay in their caches.
"""

import json
import sys
import tempfile
from pathlib import Path

from end_to_end import OURS, DataSet, quick_data_set, real_data_sets, task_of
from end_to_end_case import as_json
from measure import measured
from part import Bar, Options


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    with tempfile.TemporaryDirectory() as folder:
        data = quick_data_set(Path(folder)) if options.quick else real_data_sets(options.data)[0]
        answers = [one_run(data, options.seed + turn) for turn in range(options.rounds)]
    answer = sorted(answers, key=lambda answer: sum(answer["run"].values()))[len(answers) // 2]
    rows = [row for kind in ("run", "step") for row in rows_of(kind, answer)]
    products = answer["step"]["its matrix products alone"] * answer["steps"]
    least = sum(answer["run"].values()) - answer["run"]["steps"] + products
    rows.append({"of": "run", "what": "as it is, examples/s", "figure": answer["rows"] / sum(answer["run"].values())})
    rows.append({"of": "run", "what": "of matrix products alone, examples/s", "figure": answer["rows"] / products})
    rows.append({"of": "run", "what": "with steps of them alone, examples/s", "figure": answer["rows"] / least})
    return rows, []


def rows_of(kind: str, answer: dict) -> list[dict]:
    unit, scale = ("s", 1) if kind == "run" else ("ms", 1e3)
    return [
        {"of": kind, "what": f"{what}, {unit}", "figure": scale * seconds} for what, seconds in answer[kind].items()
    ]


def one_run(data: DataSet, seed: int) -> dict:
    task = as_json(task_of(OURS, data, seed))
    output = measured([sys.executable, Path(__file__).with_name("bounds_ours.py"), task]).output
    return json.loads(output.splitlines()[-1])
