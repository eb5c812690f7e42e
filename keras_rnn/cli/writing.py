"""The commands of models that write: `generate` and `score`."""

import json
import os
import sys
from dataclasses import asdict
from itertools import chain
from typing import Annotated

import typer

from keras_rnn.cli.lines import decoded, standard_input
from keras_rnn.cli.quiet import import_tensorflow
from keras_rnn.errors import UsageError

MODEL = Annotated[str, typer.Argument(metavar="RUN", help="A run directory or SavedModel of a language model.")]


def generate(
    model: MODEL,
    prompt: Annotated[str, typer.Option(help="The text to go on with; it is printed first.")] = "",
    length: Annotated[int, typer.Option(help="Most tokens.")] = 200,
    temperature: Annotated[float, typer.Option(help="0 takes the most probable token each time.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Choose among so many tokens; 0: all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Choose among the fewest that are so probable together.")] = 0.95,
    seed: Annotated[int, typer.Option(help="The same seed gives the same text.")] = 0,
    samples: Annotated[int, typer.Option(help="Texts, each with the next seed.")] = 1,
    stop: Annotated[
        list[str] | None, typer.Option(help='A string that ends the text, "\\n" for a line\'s end; repeatable.')
    ] = None,
):
    """Go on with a text as a language model writes it; the text appears as it is made."""
    import_tensorflow()
    import keras_rnn

    prompt = decoded(os.fsencode(prompt))
    stops = [text.replace("\\n", "\n").replace("\\t", "\t") for text in stop or ()]
    parts = keras_rnn.generate(
        model,
        prompt,
        stop=stops,
        samples=samples,
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    sys.stdout.reconfigure(encoding="utf-8")
    next_sample = 0
    for index, part in chain(parts, [(samples - 1, "")]):  # the last ones may have no part
        for number in range(next_sample, index + 1):
            _begin(number, samples, prompt)
        next_sample = index + 1
        print(part, end="", flush=True)
    print()


def _begin(number: int, samples: int, prompt: str) -> None:
    if number:
        print()
    if samples > 1:
        print(f"--- {number + 1}")
    print(prompt, end="", flush=True)


def score(
    model: MODEL,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]... | -", help="Without any: the lines of standard input.")
    ] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Each token with its nats, too.")] = False,
):
    """Print a JSON line with what each text costs: its tokens, nats and perplexity."""
    import_tensorflow()
    import keras_rnn

    from_input = not texts or texts == ["-"]
    if from_input and sys.stdin is None:
        raise UsageError("score takes texts as arguments or on standard input, which is closed")
    lines = standard_input() if from_input else map(decoded, map(os.fsencode, texts or ()))
    sys.stdout.reconfigure(encoding="utf-8")
    for row in keras_rnn.score(model, lines):
        values = asdict(row)
        if not tokens:
            del values["token_nats"]
        print(json.dumps(values, ensure_ascii=False), flush=from_input)
