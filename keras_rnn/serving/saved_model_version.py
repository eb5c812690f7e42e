"""A version in TensorFlow Serving's layout: a SavedModel, its model card, its check and its warm-up requests."""

from pathlib import Path

from keras_rnn.files import write_json
from keras_rnn.serving.answers import write_answers
from keras_rnn.serving.card import model_card, model_card_markdown
from keras_rnn.serving.check import check_process
from keras_rnn.serving.layout import CHECK, MODEL_CARD, WARMUP_REQUESTS
from keras_rnn.serving.saved_model import write_saved_model
from keras_rnn.serving.warmup import write_warmup_requests
from keras_rnn.training.device import recurrent_layers
from keras_rnn.training.run_directory import Run


def write_saved_model_version(run: Run, folder: Path, name: str) -> None:
    """Writes the model of `run` to `folder` as a version of the model `name`, and checks it.

    The task's `signatures` tells what it takes and gives. assets.extra/ holds the model card, the texts and answers
    of the check, and requests to warm up a server with; the last two hold texts of the run's test split. Recurrent
    layers are exported with `use_cudnn=False`: a graph with cuDNN ops does not run without a GPU.

    Raises:
        ExportError: the SavedModel, reloaded by a fresh process, is not what the model is.
    """
    with check_process() as check:  # which imports TensorFlow while the version is written
        _write_version(run, folder, name)
        check(folder)


def _write_version(run: Run, folder: Path, name: str) -> None:
    model, serving = run.load_model(), run.task.serving
    for layer in recurrent_layers(model):
        layer.use_cudnn = False
    answers = serving.answers(model, run.facts, run.sample_texts)
    rows_independent = serving.rows_independent(model, answers)
    write_saved_model(serving, model, run.facts, folder, rows_independent=rows_independent)
    card = model_card(run, model, folder, rows_independent)
    (folder / MODEL_CARD).parent.mkdir(exist_ok=True)
    write_json(folder / MODEL_CARD, card)
    (folder / MODEL_CARD).with_suffix(".md").write_text(model_card_markdown(card), encoding="utf-8")
    write_answers(folder / CHECK, answers)
    write_warmup_requests(folder / WARMUP_REQUESTS, name, card, answers)
