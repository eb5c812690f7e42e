"""The options that several commands take, and how their texts are read."""

from typing import Annotated

import typer

from keras_rnn.errors import UsageError

Dataset = Annotated[
    str | None, typer.Option(help="A dataset by name; see `keras-rnn datasets`. Default: negated_reviews.")
]
Data = Annotated[
    str | None,
    typer.Option(help="A CSV, TSV or JSONL file (.gz too), a folder of train and test files, or of classes."),
]
TextColumn = Annotated[
    list[str] | None, typer.Option("--text-column", help="Column of the text; several are joined by a space.")
]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the label.")]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether the first row names the columns; else it is guessed."),
]
TfdsManualDir = Annotated[str | None, typer.Option(help="Folder of an archive fetched by hand, for TFDS.")]
ValidationFraction = Annotated[float | None, typer.Option(help="Share of train held for validation [0.1].")]
Limit = Annotated[int | None, typer.Option(help="Train on at most so many rows.")]
Model = Annotated[str | None, typer.Option(help="A model by name; see `keras-rnn models`. Default: bilstm_64.")]
Embeddings = Annotated[str | None, typer.Option(help="Word vectors as GloVe text (.gz too).")]
Tokens = Annotated[str | None, typer.Option(help="word or character. Default: word.")]
VocabularySize = Annotated[int | None, typer.Option(help="Token ids, padding and unknown included. [20000]")]
MaxLength = Annotated[int | None, typer.Option(help="Tokens of a text that are read. [400]")]
Epochs = Annotated[int | None, typer.Option(help="Most epochs to train. [6]")]
BatchTokens = Annotated[
    int | None, typer.Option(help="Tokens a step, padding included: as many texts of like length as fit in.")
]
Patience = Annotated[int | None, typer.Option(help="Epochs without a better validation accuracy. [2]")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random. [0]")]
MixedPrecision = Annotated[bool | None, typer.Option("--mixed-precision", help="float16 where it is safe.")]
RunDirectory = Annotated[str, typer.Argument(metavar="RUN", help="A run directory that `keras-rnn train` made.")]


def hidden_size(text: str | None) -> int | list[int] | None:
    """ "64" or "128,64", one size a layer."""
    if text is None:
        return None
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        raise UsageError(f"--hidden-size takes a whole number, or one a layer parted by commas, got {text!r}") from None
    return sizes[0] if len(sizes) == 1 else sizes
