"""The pictures of a run, drawn without a display."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_rnn.files import atomic_write
from keras_rnn.training.history import Epoch, best_epoch

TRAIN_COLOUR, VALIDATION_COLOUR = "#7f7f7f", "#1f77b4"


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as temp_path:
        FigureCanvasAgg(figure).print_png(temp_path)


def plot_history(history: Sequence[Epoch], path: Path, title: str) -> None:
    """Learning curves: loss and accuracy over the epochs, the best epoch marked."""
    epochs = range(1, len(history) + 1)
    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    best = best_epoch(history)
    for axes, metric, label in zip(
        figure.subplots(1, 2), ("loss", "accuracy"), ("loss (nats)", "accuracy"), strict=True
    ):
        axes.plot(epochs, [row[metric] for row in history], "o-", color=TRAIN_COLOUR, label="train (with dropout)")
        axes.plot(
            epochs,
            [row[f"val_{metric}"] for row in history],
            "o-",
            color=VALIDATION_COLOUR,
            label="validation",
        )
        axes.plot(
            best + 1,
            history[best][f"val_{metric}"],
            "o",
            ms=12,
            mfc="none",
            color=VALIDATION_COLOUR,
            label="best",
        )
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    figure.suptitle(title)
    _save(figure, path)


def plot_confusion(confusion: np.ndarray, class_names: Sequence[str], path: Path, title: str) -> None:
    """A confusion matrix: counts, shaded by their share of the true class. `confusion[true, predicted]`."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.55 * len(class_names) + 2.5)
    figure = Figure(figsize=(side, side * 0.9), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right")
    axes.set_yticks(ticks, class_names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    if len(class_names) <= 20:  # more would not be legible
        for true, predicted in np.ndindex(confusion.shape):
            colour = "white" if shares[true, predicted] > 0.5 else "black"
            axes.text(predicted, true, f"{confusion[true, predicted]:,}", ha="center", va="center", color=colour)
    _save(figure, path)
