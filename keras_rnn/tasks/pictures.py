"""Pictures, drawn without a display."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_rnn.files import atomic_write


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, whole or not at all."""
    with atomic_write(path) as temp_path:
        FigureCanvasAgg(figure).print_png(temp_path)


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
    save_figure(figure, path)
