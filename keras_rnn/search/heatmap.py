"""The grid of a sweep's best scores by depth and width."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from keras_rnn.search.axis import INACTIVE, Axis, distinct, make_axis
from keras_rnn.search.formatting import format_metric
from keras_rnn.search.scores import best_record, ended_records, outer_fence, scored_records
from keras_rnn.search.trial import TrialRecord

DEPTH, WIDTH, PANEL = "num_layers", ("hidden_size", "hidden_size_1"), "cell"
SINGLE_POSITION = Axis("", 1, (), ())
BEST_COLOUR = "#c23b22"  # of the frame around the best square


def heatmap_figure(records: Sequence[TrialRecord], objective: str, direction: str) -> Figure | None:
    """See `plots.plot_heatmap`; None if no trial completed."""
    records = ended_records(records)
    completed = scored_records(records)
    if not completed:
        return None
    values = {
        name: [record.job.values.get(name, INACTIVE) for record in records]
        for name in dict.fromkeys(name for record in records for name in record.job.values)
    }
    x_name, y_name = _sides(values)
    x_axis = make_axis(x_name, values[x_name]) if x_name else SINGLE_POSITION
    y_axis = make_axis(y_name, values[y_name]) if y_name else SINGLE_POSITION
    panelled = PANEL in values and PANEL not in (x_name, y_name)
    panels = make_axis(PANEL, values[PANEL]) if panelled else SINGLE_POSITION
    squares = defaultdict(list)
    for index, record in enumerate(records):
        position = tuple(axis.positions[index] if axis.positions else 0 for axis in (panels, y_axis, x_axis))
        squares[position].append(record)

    columns = min(panels.size, 4)
    rows = math.ceil(panels.size / columns)
    picture = Figure(
        figsize=(columns * max(2.4, 0.3 + 0.8 * x_axis.size) + 1.9, rows * max(1.7, 0.7 + 0.62 * y_axis.size) + 0.9),
        dpi=120,
        layout="constrained",
    )
    grid = picture.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    low, high, extend = _colour_limits([record.score for record in completed], direction)
    colours = colormaps["viridis" if direction == "max" else "viridis_r"]
    shades = Normalize(low, high, clip=True)
    best = best_record(completed, direction)
    for panel, axes in enumerate(grid):
        if panel >= panels.size:
            axes.set_visible(False)
            continue
        image = axes.imshow(
            np.full((y_axis.size, x_axis.size), np.nan), cmap=colours, norm=shades, origin="lower", aspect="auto"
        )
        for y, x in np.ndindex(y_axis.size, x_axis.size):
            if square := squares.get((panel, y, x)):
                _draw_square(axes, x, y, square, direction, colours, shades, best)
        if panelled:
            axes.set_title(panels.ticks[panel][1])
        _name_sides(axes, x_axis, y_axis)
        last_row = panel + columns >= panels.size
        axes.tick_params(labelbottom=last_row, labelleft=panel % columns == 0)
        axes.set(
            xlabel=_side_name(x_name) if last_row else "",
            ylabel=_side_name(y_name) if panel % columns == 0 else "",
        )
    better = "higher" if direction == "max" else "lower"
    bar = picture.colorbar(image, ax=list(grid), extend=extend, fraction=0.05, aspect=25)
    bar.set_label(f"{objective}\n({better} is better)", fontsize=9)
    picture.suptitle(f"Best {objective} of {len(completed)} completed trial{'s' * (len(completed) > 1)}")
    return picture


def _sides(values: dict[str, list[Any]]) -> tuple[str, str]:
    """The hyperparameters across and up; "" where no hyperparameter is left for a side."""
    counts = {name: len(distinct(column)) for name, column in values.items()}
    width = next((name for name in WIDTH if counts.get(name, 0) > 1), None)
    depth = DEPTH if counts.get(DEPTH, 0) > 1 else None
    # Each cell has a panel, so the cell becomes a side only where no other hyperparameter varies.
    spare_names = [name for name in counts if counts[name] > 1 and name not in (width, depth)]
    spare_names.sort(key=lambda name: (name == PANEL, -counts[name]))
    if not width and not depth and not spare_names:  # one trial, or all have the same values
        return next((name for name in WIDTH if name in counts), ""), DEPTH if DEPTH in counts else ""
    x_name = width or (spare_names.pop(0) if spare_names else None)
    y_name = depth or (spare_names.pop(0) if spare_names else None)
    return (x_name, y_name or "") if x_name else (y_name, "")


def _side_name(name: str) -> str:
    return "hidden_size_1 (first layer)" if name == WIDTH[1] else name


def _name_sides(axes: Axes, x_axis: Axis, y_axis: Axis) -> None:
    is_wide = sum(len(text) + 2 for _, text in x_axis.ticks) > 10 * x_axis.size
    for axis, ticks in ((axes.xaxis, x_axis.ticks), (axes.yaxis, y_axis.ticks)):
        axis.set_ticks([position for position, _ in ticks], [text for _, text in ticks])
    if is_wide:
        axes.tick_params(axis="x", rotation=45)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def _draw_square(
    axes: Axes,
    x: int,
    y: int,
    records: list[TrialRecord],
    direction: str,
    colours: Colormap,
    shades: Normalize,
    best: TrialRecord,
) -> None:
    completed = scored_records(records)
    if not completed:
        axes.add_patch(
            Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#f2f2f2", edgecolor="#c4c4c4", hatch="////", linewidth=0)
        )
        text = axes.text(x, y, "failed", ha="center", va="center", fontsize=8, color="black")
        text.set_bbox({"facecolor": "#f2f2f2", "edgecolor": "none", "pad": 1})
        return
    score = best_record(completed, direction).score
    colour = colours(shades(score))
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, linewidth=0))
    has_best = best in completed
    if has_best:
        axes.add_patch(
            Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, edgecolor=BEST_COLOUR, linewidth=2, zorder=3)
        )
    axes.text(
        x,
        y,
        format_metric(score) + (f"\nn={len(completed)}" if len(completed) > 1 else ""),
        ha="center",
        va="center",
        fontsize=8,
        fontweight="bold" if has_best else "normal",
        color="white" if np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.5 else "black",
    )


def _colour_limits(scores: list[float], direction: str) -> tuple[float, float, str]:
    """The limits of the scale. Scores far worse than the others are outside, so that the others differ in colour."""
    low, high = outer_fence(scores, direction)
    extend = "min" if low > min(scores) else "max" if high < max(scores) else "neither"
    if low == high:  # a scale needs an extent
        low, high = low - max(abs(low), 1) * 0.01, high + max(abs(high), 1) * 0.01
    return low, high, extend
