"""A trained run as a SavedModel: strings in, probabilities and class names out, on any machine."""

import errno
import os
import re
import secrets
import shutil
import socket
import time
from pathlib import Path

from keras_rnn.checks import whole_number
from keras_rnn.errors import UsageError
from keras_rnn.files import make_folder, write_json
from keras_rnn.serving.answers import answers, check_texts, rows_independent, write_answers
from keras_rnn.serving.card import model_card, model_card_markdown
from keras_rnn.serving.check import check_process
from keras_rnn.serving.layout import CHECK, MAX_VERSION, MODEL_CARD, WARMUP_REQUESTS, versions
from keras_rnn.serving.saved_model import write_saved_model
from keras_rnn.serving.warmup import write_warmup_requests
from keras_rnn.training.device import recurrent_layers
from keras_rnn.training.run_directory import MODEL, Run, load_text_model, open_run

DAY_SECONDS = 86_400
_under_way: set[str] = set()  # the hidden folders of this process' exports, by name


def export(run: Run | str | Path, to: str | Path, *, version: int | None = None) -> Path:
    """Writes a run's text model to `to/VERSION` in TensorFlow Serving's layout, checked before it appears there.

    `write_saved_model` tells its three signatures. In assets.extra/ stand the model card, the texts and answers of
    the check, and requests to warm up a server with; the last two hold texts of the run's test split. Recurrent
    layers are exported with `use_cudnn=False`: a graph with cuDNN ops does not run without a GPU.

    Args:
        run: a complete run, or its directory.
        to: the model's folder, for example saved_models/NAME.
        version: a positive integer; by default the one after the highest there.

    Returns:
        The folder of the new version.

    Raises:
        UsageError: no complete run, or the version is there already.
        ExportError: the SavedModel, reloaded by `check_export`, is not what the model is; nothing was published.
    """
    run = run if isinstance(run, Run) else open_run(run)
    to = Path(to)
    if to.is_file():
        raise UsageError(f"{to} takes a folder, but is a file")
    if any(character in str(to.resolve()) for character in "[]*?"):
        raise UsageError(f"{to}: TensorFlow saves to no path with any of [ ] * ? in it")
    if version is not None and whole_number("version", version) > MAX_VERSION:
        raise UsageError(f"version takes at most {MAX_VERSION}, got {version}")
    number = version or max(versions(to), default=0) + 1
    if (to / str(number)).exists():
        raise _taken(to / str(number))

    make_folder(to, "folder")
    _clear_debris(to)
    temp_folder = to / f".{number}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    _under_way.add(temp_folder.name)
    try:
        with check_process() as check:  # which imports TensorFlow while the version is written
            _write_version(run, temp_folder, to.resolve().name)
            check(temp_folder)
        return _publish(temp_folder, to, number, may_move=version is None)
    finally:
        shutil.rmtree(temp_folder, ignore_errors=True)
        _under_way.discard(temp_folder.name)


def _write_version(run: Run, folder: Path, name: str) -> None:
    """A whole version of the model `name`, not checked yet."""
    model = load_text_model(run.directory / MODEL)  # a copy of our own
    run.check_classes(model)
    for layer in recurrent_layers(model):
        layer.use_cudnn = False
    rows = answers(model, run.class_names, check_texts(model, run.sample_texts))
    independent = rows_independent(model, rows)
    write_saved_model(model, run.class_names, folder, rows_independent=independent)
    card = model_card(run, model, folder, independent)
    (folder / MODEL_CARD).parent.mkdir(exist_ok=True)
    write_json(folder / MODEL_CARD, card)
    (folder / MODEL_CARD).with_suffix(".md").write_text(model_card_markdown(card), encoding="utf-8")
    write_answers(folder / CHECK, rows)
    write_warmup_requests(folder / WARMUP_REQUESTS, name, rows)


def _publish(temp_folder: Path, to: Path, number: int, may_move: bool) -> Path:
    """Renames `temp_folder` to the version `number`; where another export was first, to the next free one if it may."""
    for file in temp_folder.rglob("*"):
        if file.is_file():
            with open(file, "rb") as written:
                os.fsync(written.fileno())
    while True:
        published = to / str(number)
        try:
            temp_folder.rename(published)
        except OSError as error:  # so ends a rename to a folder that is not empty, or to a file
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if not may_move:
                raise _taken(published) from None
            number += 1
        else:
            return published


def _taken(published: Path) -> UsageError:
    return UsageError(f"{published} exists already; give another version")


def _clear_debris(to: Path) -> None:
    """Removes what exports that were killed left in a model's folder; one that still goes on keeps its own.

    Whether a process of another host lives cannot be told, so what it left goes when it is a day old.
    """
    host = re.escape(socket.gethostname())
    for entry in to.glob(".*.tmp"):
        if entry.name in _under_way:
            continue
        ours = re.fullmatch(rf"\.\d+\.{host}\.(\d+)\.[0-9a-f]+\.tmp", entry.name)
        if (ours and not _another_process(int(ours[1]))) or time.time() - entry.stat().st_mtime > DAY_SECONDS:
            shutil.rmtree(entry)


def _another_process(pid: int) -> bool:
    """Whether a process of that id lives, this one aside."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return pid != os.getpid()
