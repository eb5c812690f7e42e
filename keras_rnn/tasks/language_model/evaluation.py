"""How well a language model predicts texts: perplexity, bits a character, and how far back it looks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from keras_rnn.datasets import Split
from keras_rnn.files import write_json
from keras_rnn.models import token_model_of
from keras_rnn.tasks.language_model.context import NGRAM_SYSTEMS, loss_by_position
from keras_rnn.tasks.language_model.network import corpus_figures, nats_function, split_figures
from keras_rnn.tasks.language_model.rows import DocumentsSplit, documents_ids, encoded_documents, reading_of
from keras_rnn.tasks.language_model.text_model import tokenizer_inside
from keras_rnn.tasks.pictures import save_figure
from keras_rnn.tasks.task import Facts, Table
from keras_rnn.text.piece_tokenizer import FIRST_PIECE_ID

RANGES = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, 128), (129, 256))


@dataclass(frozen=True)
class Evaluation:
    """Figures of one split.

    `loss` is nats a token, `perplexity` its exponential, `bits_per_character` the same information a character of the
    text. The state is carried through a document. `tokens` counts what was predicted. `by_position` holds the mean
    nats of the tokens that stand so many places behind a state of zeros, the first after the boundary being the first;
    `baselines` the figures of other systems on the same tokens.
    """

    loss: float
    perplexity: float
    bits_per_character: float
    tokens: int
    by_position: Sequence[float]
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("loss", "perplexity", "bits_per_character")}

    @property
    def baseline_figures(self) -> Mapping[str, Mapping[str, float]]:
        return self.baselines


def encoded_evaluator(model: keras.Model, facts: Facts) -> Callable[[DocumentsSplit], Evaluation]:
    """A function from encoded documents to the evaluation of a full model, traced once."""
    nats_of = nats_function(token_model_of(model))

    def evaluate(split: DocumentsSplit) -> Evaluation:
        figures: dict[str, Any] = split_figures(nats_of, split)
        return Evaluation(**figures, tokens=split.predictions, by_position=loss_by_position(nats_of, split))

    return evaluate


def row_evaluator(model: keras.Model, facts: Facts, baselines: Mapping[str, Any]) -> Callable[[Split], Evaluation]:
    """A function from documents to the evaluation of a full model, and of `baselines` on them."""
    evaluate_encoded, reading = encoded_evaluator(model, facts), reading_of(facts)
    tokenizer = tokenizer_inside(model)
    systems: dict[str, Callable] = {}

    def evaluate(split: Split) -> Evaluation:
        encoded = encoded_documents(facts, tokenizer, split)
        evaluation = evaluate_encoded(encoded)
        if baselines and not systems:
            train = [block.ids for block in documents_ids(tokenizer, baselines["train"], reading)]
            systems.update(
                {name: fit(train, len(facts["pieces"]) + FIRST_PIECE_ID) for name, fit in NGRAM_SYSTEMS.items()}
            )
        rows = np.split(np.asarray(encoded.tokens.ids), encoded.tokens.offsets[1:-1])
        others = {
            name: corpus_figures(sum(map(nats, rows)), encoded.predictions, encoded.characters)
            for name, nats in systems.items()
        }
        return Evaluation(**{**vars(evaluation), "baselines": others})

    return evaluate


def fitted_baselines(train: Split) -> dict[str, Sequence[str]]:
    """The training documents: the counts of tokens are made when the run's tokenizer is known."""
    return {"train": train["text"]}


def write(evaluation: Evaluation, directory: Path, split: str, model_name: str) -> None:
    """Writes `evaluation-SPLIT.json` and the picture."""
    write_json(directory / f"evaluation-{split}.json", vars(evaluation))
    figure = Figure(figsize=(6, 3.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    rows = _by_range(evaluation.by_position)
    axes.plot([(low + high) / 2 for low, high, _ in rows], [nats for _, _, nats in rows], "o-", color="#1f77b4")
    axes.axhline(evaluation.loss, color="#7f7f7f", lw=1, ls="--", label="all tokens, state carried")
    axes.set(xscale="log", xlabel="place of the token behind an empty state", ylabel="loss (nats a token)")
    axes.set_title(f"{model_name}, {split}: perplexity {evaluation.perplexity:.2f}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, picture(directory, split)[1])


def picture(directory: Path, split: str) -> tuple[str, Path]:
    """What the picture of a split shows, and where it is."""
    return "loss by position", directory / f"positions-{split}.png"


def tables(evaluation: Evaluation) -> list[Table]:
    """The loss and the perplexity of tokens by the length of the context before them."""
    rows = [
        [f"{low}" if low == high else f"{low} to {high}", f"{nats:.4f}", f"{np.exp(min(nats, 700)):.2f}"]
        for low, high, nats in _by_range(evaluation.by_position)
    ]
    return [Table(["place behind an empty state", "loss (nats)", "perplexity"], rows)]


def _by_range(by_position: Sequence[float]) -> list[tuple[int, int, float]]:
    """First and last place of each range that there are figures of, and the mean of these."""
    longest = len(by_position)
    return [
        (low, min(high, longest), float(np.mean(by_position[low - 1 : high]))) for low, high in RANGES if low <= longest
    ]
