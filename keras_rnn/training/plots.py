"""The learning curves of a run."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_rnn.tasks.pictures import save_figure
from keras_rnn.training.history import Epoch

TRAIN_COLOUR, VALIDATION_COLOUR = "#7f7f7f", "#1f77b4"


def plot_history(
    history: Sequence[Epoch], best: int, metrics: Sequence[str], path: Path, title: str, unit: str = "nats"
) -> None:
    """Draws the loss and other metrics over the epochs, of training and of validation.

    Args:
        history: a row an epoch, at least one.
        best: the index of the epoch to mark.
        metrics: the names of the metrics to draw.
        path: the picture.
        title: its title.
        unit: of the loss, "" for none.
    """
    epochs = range(1, len(history) + 1)
    figure = Figure(figsize=(4.5 * len(metrics), 3.6), dpi=120, layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        if metric in history[0]:
            axes.plot(epochs, [row[metric] for row in history], "o-", color=TRAIN_COLOUR, label="train (with dropout)")
        validation = [row[f"val_{metric}"] for row in history]
        axes.plot(epochs, validation, "o-", color=VALIDATION_COLOUR, label="validation")
        axes.plot(best + 1, validation[best], "o", ms=12, mfc="none", color=VALIDATION_COLOUR, label="best")
        axes.set(xlabel="epoch", ylabel=f"loss ({unit})" if metric == "loss" and unit else metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    figure.suptitle(title)
    save_figure(figure, path)
