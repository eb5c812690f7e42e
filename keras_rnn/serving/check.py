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

import numpy as np

from keras_rnn.errors import UsageError
from keras_rnn.quiet import quiet_stderr
from keras_rnn.serving.integrity import ExportError, verify_files
from keras_rnn.serving.layout import CHECK, MODEL_CARD, SAVED_MODEL, latest_version

TOLERANCE = 1e-5  # absolute for values up to 1, relative above
SINGLE_ROW_TOLERANCE = 1e-3  # float16 layers round differently for one row than for several


@dataclass(frozen=True)
class Check:
    """The number of signatures and texts compared, and the largest difference of a probability or logit."""

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
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
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
    class_names, rows = _read_expected(version)
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(version))  # the signatures do not keep alive what they call
    except Exception as error:  # TensorFlow raises many types for a damaged directory
        raise ExportError(f"{version} does not load: {str(error).strip().splitlines()[0]}") from error
    if cudnn := sorted(op for op in graph_ops(version) if "Cudnn" in op):
        raise ExportError(f"{version}: the graph holds cuDNN ops: {', '.join(cudnn)}")
    expected_specs = _expected_specs(len(class_names))
    for signature, specs in expected_specs.items():
        if signature not in loaded.signatures:
            raise ExportError(f"{version} has no signature {signature}")
        if (actual_specs := _signature_specs(loaded.signatures[signature])) != specs:
            raise ExportError(f"{version}: signature {signature} has {actual_specs}, not {specs}")
    largest = 0.0
    for output_name, actual_rows, expected_rows in _compared_outputs(loaded.signatures, class_names, rows):
        for row, expected, actual in zip(rows, expected_rows, actual_rows, strict=True):
            difference = _checked_difference(f"{version}: {output_name}", row, expected, actual, TOLERANCE)
            largest = max(largest, difference)
    row, expected, actual = _longest_text_alone(loaded.signatures, rows)
    _checked_difference(f"{version}: probabilities, asked alone,", row, expected, actual, SINGLE_ROW_TOLERANCE)
    return Check(version, len(expected_specs), len(rows), largest)


def graph_ops(version: Path) -> set[str]:
    """Returns the names of all ops of a SavedModel and of its functions."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((version / SAVED_MODEL).read_bytes())
    graphs = [meta.graph_def for meta in saved.meta_graphs]
    nodes = [node.op for graph in graphs for node in graph.node]
    inside = [node.op for graph in graphs for function in graph.library.function for node in function.node_def]
    return {*nodes, *inside}


def _read_expected(version: Path) -> tuple[list[str], list[dict]]:
    """Returns the class names and the rows of check.json, whose types and lengths are those of `answers`."""
    try:
        class_names = json.loads((version / MODEL_CARD).read_text(encoding="utf-8"))["class_names"]
        rows = json.loads((version / CHECK).read_text(encoding="utf-8"))
        for row in rows:
            row["text"].encode(), row["label"].encode(), np.array(row["token_ids"], np.int32)
            if not len(row["probabilities"]) == len(row["logits"]) == len(class_names):
                raise ValueError(f"not a number for each of {len(class_names)} classes")
        if not rows:
            raise ValueError("no texts")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ExportError(f"{version}: {MODEL_CARD} or {CHECK} is damaged: {error}") from error
    return class_names, rows


def _expected_specs(classes: int) -> dict[str, list[dict]]:
    """Returns inputs and outputs of each signature: (dtype, shape) by name."""
    strings, numbers = ("string", [None]), ("float32", [None, classes])
    return {
        "serving_default": [{"text": strings}, {"probabilities": numbers, "label": strings}],
        "tokens": [{"token_ids": ("int32", [None, None])}, {"logits": numbers}],
        "classify": [{"inputs": strings}, {"classes": ("string", [None, classes]), "scores": numbers}],
    }


def _signature_specs(signature) -> list[dict]:
    sides = signature.structured_input_signature[1], signature.structured_outputs
    return [{name: (spec.dtype.name, spec.shape.as_list()) for name, spec in side.items()} for side in sides]


def _checked_difference(
    output_name: str, row: dict, expected: np.ndarray | str, actual: np.ndarray | str, tolerance: float
) -> float:
    """Returns the difference of two rows; raises ExportError if it is more than `tolerance`."""
    difference = _difference(expected, actual)
    if not difference <= tolerance:  # NaN is a difference
        raise ExportError(f"{output_name} of {row['text'][:40]!r} should be {expected}, by {CHECK}, got {actual}")
    return difference


def _difference(expected: np.ndarray | str, actual: np.ndarray | str) -> float:
    """Returns the largest difference of two rows: of numbers relative above 1, of unequal strings infinity."""
    if isinstance(expected, np.ndarray) and expected.dtype != object:
        return float((np.abs(actual - expected) / np.maximum(1, np.abs(expected))).max())
    return 0.0 if np.array_equal(expected, actual) else np.inf


def _compared_outputs(
    signatures, class_names: list[str], rows: list[dict]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields the name of each output, its actual and its expected values: a row for each text, strings as objects."""
    import tensorflow as tf

    texts = [row["text"] for row in rows]
    probabilities = np.array([row["probabilities"] for row in rows], np.float32)
    actual = signatures["serving_default"](text=tf.constant(texts))
    yield "probabilities", actual["probabilities"].numpy(), probabilities
    yield "label", _strings(actual["label"]), np.array([row["label"] for row in rows], object)

    token_ids = tf.ragged.constant([row["token_ids"] for row in rows], tf.int32).to_tensor()
    logits = np.array([row["logits"] for row in rows], np.float32)
    yield "logits", signatures["tokens"](token_ids=token_ids)["logits"].numpy(), logits

    examples = [tf.train.Example() for _ in rows]
    for example, text in zip(examples, texts, strict=True):
        example.features.feature["text"].bytes_list.value.append(text.encode())
    actual = signatures["classify"](inputs=tf.constant([example.SerializeToString() for example in examples]))
    yield "classes", _strings(actual["classes"]), np.array([class_names] * len(rows), object)
    yield "scores", actual["scores"].numpy(), probabilities


def _longest_text_alone(signatures, rows: list[dict]) -> tuple[dict, np.ndarray, np.ndarray]:
    """Returns the row of the longest text, its expected probabilities, and those of a call with this text alone.

    A graph may have a separate branch for one text. The longest text has no padding in the batch either.
    """
    import tensorflow as tf

    row = max(rows, key=lambda row: len(row["token_ids"]))
    actual = signatures["serving_default"](text=tf.constant([row["text"]]))["probabilities"].numpy()
    return row, np.array(row["probabilities"], np.float32), actual[0]


def _strings(tensor) -> np.ndarray:
    return np.vectorize(bytes.decode, otypes=[object])(tensor.numpy())


def main() -> None:
    """Checks the directory in the argument or on standard input. It changes the process, which must be a fresh one."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.modules["keras"] = None  # TensorFlow would import Keras, which takes seconds and is not needed here
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
