"""Checks that a version answers as its model did, in a fresh process without a GPU, Keras and the model's code.

    python -m keras_rnn.serving.check [DIRECTORY]

Without an argument it reads the directory from standard input. It prints one line of JSON and exits with 0, or prints
what differs on standard error and exits with 1.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from keras_rnn.errors import UsageError
from keras_rnn.quiet import quiet_stderr
from keras_rnn.serving.examples import call_examples
from keras_rnn.serving.integrity import ExportError, verify_files
from keras_rnn.serving.layout import CHECK, MODEL_CARD, SAVED_MODEL, latest_version
from keras_rnn.tasks import get_contract, task_name_of
from keras_rnn.tasks.contract import TOLERANCE, Call, Signature


@dataclass(frozen=True)
class Check:
    """The number of signatures and texts compared, and the largest difference of a number."""

    version: Path
    signatures: int
    texts: int
    largest_difference: float


def check_export(directory: str | Path) -> Check:
    """Reloads a version in a fresh process without a GPU and compares its answers with those of the model exported.

    It compares the hashes of the files, the names, dtypes and shapes of the signatures, and every answer to the texts
    in assets.extra/check.json.

    Args:
        directory: a version's folder, or the model's folder, which stands for its latest version.

    Raises:
        UsageError: there is no version, or it has no check.json.
        ExportError: something differs.
    """
    version = latest_version(Path(directory))
    if version is None:
        raise UsageError(f"{directory} is no version of a SavedModel, nor a folder of versions")
    if not (version / CHECK).is_file():
        raise UsageError(f"{version} has no {CHECK}, so there is nothing to compare it with")
    with check_process() as check:
        return check(version)


@contextmanager
def check_process() -> Iterator[Callable[[Path], Check]]:
    """Starts a fresh process, which imports TensorFlow at once, and yields a function that has it check one version.

    The function raises ExportError as `check_export` does. The process is killed when the context ends.
    """
    command = [sys.executable, "-m", "keras_rnn.serving.check"]
    source_root = Path(__file__).parents[2]  # the process imports this keras_rnn, not one of the working directory
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, cwd=source_root, **pipes) as process:

        def check(version: Path) -> Check:
            stdout, stderr = process.communicate(os.fsencode(version.resolve()))
            if process.returncode:
                lines = stderr.decode(errors="replace").strip().splitlines()
                raise ExportError(lines[-1] if lines else f"the check of {version} ended with {process.returncode}")
            return Check(version, **json.loads(stdout))

        try:
            yield check
        finally:
            process.kill()


def check_version(version: Path) -> Check:
    """Checks a version in this process, as `check_export` does in a fresh one."""
    verify_files(version)
    contract, card, answers = _read_contract(version)
    import tensorflow as tf

    try:
        loaded_model = tf.saved_model.load(str(version))  # the signatures do not keep alive what they call
    except Exception as error:  # TensorFlow raises many types for a damaged directory
        raise ExportError(f"{version} does not load: {str(error).strip().splitlines()[0]}") from error
    if cudnn := sorted(op for op in graph_ops(version) if "Cudnn" in op):
        raise ExportError(f"{version}: the graph holds cuDNN ops: {', '.join(cudnn)}")
    signatures = contract.signatures(card)
    for name, expected in signatures.items():
        if name not in loaded_model.signatures:
            raise ExportError(f"{version} has no signature {name}")
        if (actual := _read_signature(loaded_model.signatures[name])) != expected:
            raise ExportError(f"{version}: signature {name} has {actual}, not {expected}")
    largest = 0.0
    for call in contract.calls(card, answers):
        difference = _largest_difference(version, call, loaded_model.signatures[call.signature])
        if call.tolerance == TOLERANCE:
            largest = max(largest, difference)
    return Check(version, len(signatures), len(answers), largest)


def graph_ops(version: Path) -> set[str]:
    """Returns the names of all ops of a SavedModel and of its functions."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved_model = SavedModel.FromString((version / SAVED_MODEL).read_bytes())
    graphs = [meta.graph_def for meta in saved_model.meta_graphs]
    nodes = [node.op for graph in graphs for node in graph.node]
    function_nodes = [node.op for graph in graphs for function in graph.library.function for node in function.node_def]
    return {*nodes, *function_nodes}


def _read_contract(version: Path) -> tuple[ModuleType, dict, list[dict]]:
    """Returns the contract of the version's task, its model card, and the answers in check.json."""
    try:
        card = json.loads((version / MODEL_CARD).read_text(encoding="utf-8"))
        contract = get_contract(task_name_of(card))
        answers = json.loads((version / CHECK).read_text(encoding="utf-8"))
        contract.check_answers(card, answers)
        if not answers:
            raise ValueError("no texts")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ExportError(f"{version}: {MODEL_CARD} or {CHECK} is damaged: {error}") from error
    return contract, card, answers


def _read_signature(function) -> Signature:
    sides = function.structured_input_signature[1], function.structured_outputs
    return Signature(
        *({name: (spec.dtype.name, spec.shape.as_list()) for name, spec in side.items()} for side in sides)
    )


def _largest_difference(version: Path, call: Call, function: Callable) -> float:
    """Returns the largest difference of the outputs of a call; raises ExportError if it is over the tolerance."""
    import tensorflow as tf

    inputs = {name: tf.constant(value) for name, value in call.inputs.items()}
    if call.method == "classify":
        inputs = {"inputs": tf.constant([example.SerializeToString() for example in call_examples(call)])}
    outputs = function(**inputs)
    largest = 0.0
    for name, expected_rows in call.outputs.items():
        actual_rows = outputs[name].numpy()
        if expected_rows.dtype == object:
            # A text that a model writes may end within a character.
            actual_rows = np.vectorize(lambda text: text.decode(errors="replace"), otypes=[object])(actual_rows)
        if actual_rows.shape != expected_rows.shape:
            raise ExportError(f"{version}: {name} has the shape {actual_rows.shape}, not {expected_rows.shape}")
        for row, expected, actual in zip(call.rows, expected_rows, actual_rows, strict=True):
            difference = _difference(expected, actual)
            if not difference <= call.tolerance:  # NaN is a difference
                output = f"{version}: {name}{call.condition}"
                raise ExportError(f"{output} of {row[:40]!r} should be {expected}, by {CHECK}, got {actual}")
            largest = max(largest, difference)
    return largest


def _difference(expected: np.ndarray | str, actual: np.ndarray | str) -> float:
    """Returns the largest difference of two rows: of numbers relative above 1, of unequal strings infinity."""
    if isinstance(expected, np.ndarray) and expected.dtype != object:
        return float((np.abs(actual - expected) / np.maximum(1, np.abs(expected))).max(initial=0.0))
    return 0.0 if np.array_equal(expected, actual) else np.inf


def main() -> None:
    """Checks the directory in the argument or on standard input. It changes the process, which must be a fresh one."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # TensorFlow would import Keras, which takes seconds and is not needed here.
    sys.modules["keras"] = None  # type: ignore[assignment]
    with quiet_stderr():
        import tensorflow  # noqa: F401, while the parent writes the version
    directory = os.fsencode(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin.buffer.read()
    if not directory:
        return  # the parent has gone
    try:
        result = asdict(check_version(Path(os.fsdecode(directory))))
        print(json.dumps({name: value for name, value in result.items() if name != "version"}))
    except ExportError as error:
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main()
