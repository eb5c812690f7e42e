"""Whether a version does what the model did: compared by a fresh process without a GPU, Keras and the model's code.

    python -m keras_rnn.serving.check [DIRECTORY]

reads the directory from standard input where it is no argument,
prints one line of JSON and exits with 0, or says on standard error what differs and exits with 1.
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

TOLERANCE = 1e-5  # largest difference of a probability, or of a logit as a share of it where that is above 1
TOLERANCE_ALONE = 1e-3  # layers of float16 round otherwise for one row than for several


@dataclass(frozen=True)
class Check:
    """What was compared, and the largest difference of a probability or logit, within the tolerance."""

    version: Path
    signatures: int
    texts: int
    largest_difference: float


def check_export(directory: str | Path) -> Check:
    """Reloads a version in a fresh process without a GPU and compares its answers with those of the model exported.

    Compared are the hashes of its files, the names, dtypes and shapes of its signatures, and every answer to the
    texts in assets.extra/check.json.

    Args:
        directory: a version's folder, or the model's folder, whose latest version is then taken.

    Raises:
        UsageError: there is no version, or it came without check.json.
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
    """Starts a fresh process that imports TensorFlow at once, and yields the function that has it check one version.

    The function raises ExportError as `check_export` does. The process is killed at the end.
    """
    command = [sys.executable, "-m", "keras_rnn.serving.check"]
    here = Path(__file__).parents[2]  # so that this keras_rnn runs, whatever the working directory holds
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, cwd=here, **pipes) as process:

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
    """What `check_export` does, in this process."""
    verify_files(version)
    names, rows = _read(version)
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(version))  # its signatures alone would not keep what they call
    except Exception as error:  # whatever TensorFlow makes of a damaged directory
        raise ExportError(f"{version} does not load: {str(error).strip().splitlines()[0]}") from error
    if cudnn := sorted(op for op in graph_ops(version) if "Cudnn" in op):
        raise ExportError(f"{version}: the graph holds cuDNN ops: {', '.join(cudnn)}")
    expected_specs = _specs(len(names))
    for signature, specs in expected_specs.items():
        if signature not in loaded.signatures:
            raise ExportError(f"{version} has no signature {signature}")
        if (found := _specs_of(loaded.signatures[signature])) != specs:
            raise ExportError(f"{version}: signature {signature} has {found}, not {specs}")
    largest = 0.0
    for what, served, expected in _answers(loaded.signatures, names, rows):
        for row, right, wrong in zip(rows, expected, served, strict=True):
            largest = max(largest, _checked(f"{version}: {what}", row, right, wrong, TOLERANCE))
    row, right, wrong = _alone(loaded.signatures, rows)
    _checked(f"{version}: probabilities, asked alone,", row, right, wrong, TOLERANCE_ALONE)
    return Check(version, len(expected_specs), len(rows), largest)


def graph_ops(version: Path) -> set[str]:
    """The names of all ops in a SavedModel, those inside its functions included."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((version / SAVED_MODEL).read_bytes())
    graphs = [meta.graph_def for meta in saved.meta_graphs]
    nodes = [node.op for graph in graphs for node in graph.node]
    inside = [node.op for graph in graphs for function in graph.library.function for node in function.node_def]
    return {*nodes, *inside}


def _read(version: Path) -> tuple[list[str], list[dict]]:
    """The class names and the rows of check.json, of the kinds and lengths that `answers` gives them."""
    try:
        names = json.loads((version / MODEL_CARD).read_text(encoding="utf-8"))["class_names"]
        rows = json.loads((version / CHECK).read_text(encoding="utf-8"))
        for row in rows:
            row["text"].encode(), row["label"].encode(), np.array(row["token_ids"], np.int32)
            if not len(row["probabilities"]) == len(row["logits"]) == len(names):
                raise ValueError(f"not a number for each of {len(names)} classes")
        if not rows:
            raise ValueError("no texts")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ExportError(f"{version}: {MODEL_CARD} or {CHECK} is damaged: {error}") from error
    return names, rows


def _specs(classes: int) -> dict[str, list[dict]]:
    """Inputs and outputs of each signature: (dtype, shape) by name."""
    strings, numbers = ("string", [None]), ("float32", [None, classes])
    return {
        "serving_default": [{"text": strings}, {"probabilities": numbers, "label": strings}],
        "tokens": [{"token_ids": ("int32", [None, None])}, {"logits": numbers}],
        "classify": [{"inputs": strings}, {"classes": ("string", [None, classes]), "scores": numbers}],
    }


def _specs_of(signature) -> list[dict]:
    sides = signature.structured_input_signature[1], signature.structured_outputs
    return [{name: (spec.dtype.name, spec.shape.as_list()) for name, spec in side.items()} for side in sides]


def _checked(what: str, row: dict, right: np.ndarray | str, wrong: np.ndarray | str, tolerance: float) -> float:
    """How much `wrong` differs from `right`; an ExportError if that is more than `tolerance`."""
    difference = _difference(right, wrong)
    if not difference <= tolerance:  # so that NaN is a difference, too
        raise ExportError(f"{what} of {row['text'][:40]!r} should be {right}, by {CHECK}, got {wrong}")
    return difference


def _difference(right: np.ndarray | str, wrong: np.ndarray | str) -> float:
    """The largest difference of two rows of numbers, relative above 1; of strings, infinite unless they are equal."""
    if isinstance(right, np.ndarray) and right.dtype != object:
        return float((np.abs(wrong - right) / np.maximum(1, np.abs(right))).max())
    return 0.0 if np.array_equal(right, wrong) else np.inf


def _answers(signatures, names: list[str], rows: list[dict]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each output, what it is and what it should be, a row a text; strings as objects."""
    import tensorflow as tf

    texts = [row["text"] for row in rows]
    probabilities = np.array([row["probabilities"] for row in rows], np.float32)
    served = signatures["serving_default"](text=tf.constant(texts))
    yield "probabilities", served["probabilities"].numpy(), probabilities
    yield "label", _strings(served["label"]), np.array([row["label"] for row in rows], object)

    token_ids = tf.ragged.constant([row["token_ids"] for row in rows], tf.int32).to_tensor()
    logits = np.array([row["logits"] for row in rows], np.float32)
    yield "logits", signatures["tokens"](token_ids=token_ids)["logits"].numpy(), logits

    examples = [tf.train.Example() for _ in rows]
    for example, text in zip(examples, texts, strict=True):
        example.features.feature["text"].bytes_list.value.append(text.encode())
    served = signatures["classify"](inputs=tf.constant([example.SerializeToString() for example in examples]))
    yield "classes", _strings(served["classes"]), np.array([names] * len(rows), object)
    yield "scores", served["scores"].numpy(), probabilities


def _alone(signatures, rows: list[dict]) -> tuple[dict, np.ndarray, np.ndarray]:
    """The row of the longest text, which has no padding among the others either; its probabilities, and those served.

    A graph may have a way of its own for one text.
    """
    import tensorflow as tf

    row = max(rows, key=lambda row: len(row["token_ids"]))
    served = signatures["serving_default"](text=tf.constant([row["text"]]))["probabilities"].numpy()
    return row, np.array(row["probabilities"], np.float32), served[0]


def _strings(tensor) -> np.ndarray:
    return np.vectorize(bytes.decode, otypes=[object])(tensor.numpy())


def main() -> None:
    """Checks the directory that is the argument, or else standard input; for a fresh process only."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.modules["keras"] = None  # TensorFlow would import it, which takes seconds, and nothing here needs it
    with quiet_stderr():
        import tensorflow  # noqa: F401, which takes as long as writing what is to be checked
    directory = os.fsencode(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin.buffer.read()
    if not directory:
        return  # the process that would have it checked has gone
    try:
        result = asdict(check_version(Path(os.fsdecode(directory))))
        print(json.dumps({name: value for name, value in result.items() if name != "version"}))
    except ExportError as error:
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main()
