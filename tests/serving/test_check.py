"""The check finds a version that differs from the exported one, and names the difference."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_rnn import UsageError, check_export, text_classifier
from keras_rnn.serving import check as check_module
from keras_rnn.serving.check import check_version
from keras_rnn.serving.integrity import ExportError
from keras_rnn.tasks.classification import contract
from keras_rnn.tasks.contract import Signature
from keras_rnn.text.vectorizer import adapt_vectorizer
from tests.support.exported import write_version


@pytest.fixture
def version(saved_model, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(saved_model / "1", tmp_path / "tiny" / "1")


def edit_json(path: Path, change) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_a_sound_version_passes_and_counts_are_given(run, saved_model):
    result = check_export(saved_model)
    assert result.version == saved_model / "1"
    assert result.signatures == 3
    assert result.texts == len(run.sample_texts) + 2
    assert 0 <= result.largest_difference <= 1e-5


def test_the_fresh_process_sees_no_gpu_and_imports_no_keras(saved_model):
    script = (
        "import sys; from keras_rnn.serving.check import main; main(); import tensorflow as tf, os;"
        "print(os.environ['CUDA_VISIBLE_DEVICES'], tf.config.list_physical_devices('GPU'));"
        "print(sorted(name for name, module in sys.modules.items() if module and name.split('.')[0] == 'keras'));"
        "print(sorted(name for name in sys.modules if name.startswith('keras_rnn.')))"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, saved_model / "1"],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "0"},
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    result, devices, keras, own = process.stdout.splitlines()
    assert json.loads(result)["signatures"] == 3
    assert devices == "-1 []"
    assert keras == "[]"
    assert own == str(
        [
            "keras_rnn.checks",
            "keras_rnn.errors",
            "keras_rnn.quiet",
            "keras_rnn.registry",
            "keras_rnn.serving",
            "keras_rnn.serving.check",
            "keras_rnn.serving.examples",
            "keras_rnn.serving.integrity",
            "keras_rnn.serving.layout",
            "keras_rnn.tasks",
            "keras_rnn.tasks.classification",
            "keras_rnn.tasks.classification.contract",
            "keras_rnn.tasks.contract",
            "keras_rnn.tasks.registry",
            "keras_rnn.tasks.task",
            "keras_rnn.text",
            "keras_rnn.text.options",
        ]
    )


def test_what_the_fresh_process_finds_is_one_line(version, monkeypatch):
    monkeypatch.chdir(version)
    Path("tensorflow.py").write_text("raise RuntimeError('not the one that was meant')")
    weights = Path("variables/variables.data-00000-of-00001")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ExportError) as error:
        check_export(".")
    assert str(error.value) == (
        f"{version / weights} is not the file that was exported: its sha256 is not that of the model card"
    )


def test_a_missing_file_is_named(version):
    (version / "variables" / "variables.index").unlink()
    with pytest.raises(ExportError, match=r"variables/variables.index is missing"):
        check_version(version)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("probabilities", [0.25, 0.75], r"probabilities of '{text}' should be \[0.25 0.75\], by .*check.json, got \["),
        ("probabilities", [float("nan"), 1], r"probabilities of '{text}' should be \[nan"),
        ("label", "neutral", r"label of '{text}' should be neutral, .* got (negative|positive)$"),
        ("logits", [9, -9], r"logits of '{text}' should be \[ 9. -9.\]"),
        ("token_ids", [2, 2, 2, 3, 3], r"logits of '{text}' should be"),
        ("text", "good good bad", r"probabilities of 'good good bad' should be"),
        ("probabilities", [1], r"check.json is damaged: not a number for each of 2 classes"),
        ("token_ids", "abc", r"check.json is damaged"),
    ],
)
def test_another_answer_is_named(version, key, value, message):
    text = json.loads((version / "assets.extra" / "check.json").read_text())[3]["text"]
    edit_json(version / "assets.extra" / "check.json", lambda rows: rows[3].update({key: value}))
    with pytest.raises(ExportError, match=message.format(text=text[:40])):
        check_version(version)


def test_the_longest_text_is_asked_alone_too(version, monkeypatch):
    card, rows = (
        json.loads((version / "assets.extra" / file).read_text()) for file in ("model_card.json", "check.json")
    )
    longest = max(rows, key=lambda row: len(row["token_ids"]))
    *_, single_call = contract.calls(card, rows)
    assert (single_call.rows, single_call.inputs["text"].tolist()) == ([longest["text"]], [longest["text"]])
    np.testing.assert_allclose(single_call.outputs["probabilities"], [longest["probabilities"]], atol=1e-7)
    assert len(rows) > 1
    assert single_call.tolerance == 1e-3
    off = dataclasses.replace(single_call, outputs={"probabilities": single_call.outputs["probabilities"] + 0.01})
    monkeypatch.setattr(contract, "calls", lambda card, answers: [off])
    with pytest.raises(ExportError, match="probabilities, asked alone, of "):
        check_version(version)


def test_class_names_in_another_order_are_named(version):
    edit_json(version / "assets.extra" / "model_card.json", lambda card: card["class_names"].reverse())
    with pytest.raises(ExportError, match=r"classes of .* should be \['positive' 'negative'\], .* got \['negative'"):
        check_version(version)


def test_a_graph_that_does_not_load_is_named(version):
    edit_json(version / "assets.extra" / "model_card.json", lambda card: card.pop("sha256"))
    (version / "variables" / "variables.index").write_bytes(b"no index")
    with pytest.raises(ExportError, match=r"tiny/1 does not load: "):
        check_version(version)


def test_other_signatures_are_named(saved_model, monkeypatch):
    real = contract.signatures
    monkeypatch.setattr(contract, "signatures", lambda card: {**real(card), "regress": Signature({}, {})})
    with pytest.raises(ExportError, match="has no signature regress"):
        check_version(saved_model / "1")
    monkeypatch.setattr(contract, "signatures", lambda card: real({"class_names": [*card["class_names"], "more"]}))
    with pytest.raises(ExportError, match=r"signature serving_default has .*\[None, 2\].* not .*\[None, 3\]"):
        check_version(saved_model / "1")


def test_a_cudnn_op_in_the_graph_is_refused(saved_model, monkeypatch):
    monkeypatch.setattr(check_module, "graph_ops", lambda folder: {"MatMul", "CudnnRNNV3"})
    with pytest.raises(ExportError, match="holds cuDNN ops: CudnnRNNV3"):
        check_version(saved_model / "1")


def test_another_model_is_told(tmp_path):
    vectorizer = adapt_vectorizer(["a b c"])
    one, other = (text_classifier(num_classes=2, vectorizer=vectorizer, hidden_size=3) for _ in range(2))
    for name, model in (("one", one), ("other", other)):
        write_version(model, ("no", "yes"), ["a b", ""], tmp_path / name)
    shutil.copy(tmp_path / "other" / "assets.extra" / "check.json", tmp_path / "one" / "assets.extra")
    with pytest.raises(ExportError, match="probabilities of 'a b' should be"):
        check_version(tmp_path / "one")


def test_what_is_no_version_is_named(version):
    with pytest.raises(UsageError, match="nowhere is no version of a SavedModel, nor a folder of versions"):
        check_export("nowhere")
    (version / "assets.extra" / "check.json").unlink()
    with pytest.raises(UsageError, match="has no assets.extra/check.json, so there is nothing to compare it with"):
        check_export(version.parent)


def test_differences_are_relative_above_1_and_nan_is_one():
    expected = np.array([0.5, 100.0])
    assert check_module._difference(expected, np.array([0.75, 100])) == 0.25
    assert check_module._difference(expected, np.array([0.5, 101])) == 0.01
    assert np.isnan(check_module._difference(expected, np.array([np.nan, 100])))
