"""The pictures of a sweep, drawn without a display. If no trial completed they return False and draw none."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_rnn.files import atomic_write
from keras_rnn.search.formatting import format_metric
from keras_rnn.search.heatmap import heatmap_figure
from keras_rnn.search.importance import importance
from keras_rnn.search.scores import best_record, ended_records, outer_fence, scored_records
from keras_rnn.search.trial import FAILED, TrialRecord

POINT_COLOUR, BEST_COLOUR, FAILED_COLOUR, REST_COLOUR = "#7f7f7f", "#1f77b4", "#c23b22", "#c7c7c7"
MAX_BARS = 20


def plot_heatmap(records: Sequence[TrialRecord], objective: str, direction: str, path: Path) -> bool:
    """The best score at each depth (`num_layers`) and width (`hidden_size`), one panel a cell.

    Where each layer has its own width, the first layer's counts. If depth or width does not vary, the hyperparameter
    with the most different values takes that side. Many different numbers are put into bins.
    """
    return _save(heatmap_figure(records, objective, direction), path)


def plot_importance(records: Sequence[TrialRecord], objective: str, direction: str, path: Path) -> bool:
    """The share of the score's variance that each hyperparameter explains: see `importance`."""
    return _save(importance_figure(records, objective, direction), path)


def plot_best_so_far(records: Sequence[TrialRecord], objective: str, direction: str, path: Path) -> bool:
    """The score of each completed trial in the order of creation, the best score so far, and the failed trials."""
    return _save(best_so_far_figure(records, objective, direction), path)


def _save(picture: Figure | None, path: Path) -> bool:
    if picture is None:
        return False
    with atomic_write(path) as temp_path:
        FigureCanvasAgg(picture).print_png(temp_path)
    return True


def importance_figure(records: Sequence[TrialRecord], objective: str, direction: str) -> Figure | None:
    completed = scored_records(records)
    if not completed:
        return None
    explained = importance(completed, direction)
    bars = list(explained.shares.items())[:MAX_BARS]
    height = 1.5 + 0.34 * (len(bars) + 1) if bars else 2.4
    picture = Figure(figsize=(7, height), dpi=120, layout="constrained")
    axes = picture.subplots()
    picture.suptitle(f"What {objective} depends on")
    if explained.refusal:
        axes.set_axis_off()
        axes.text(0.5, 0.5, explained.refusal, ha="center", va="center", transform=axes.transAxes)
        return picture
    axes.set_title(f"{len(completed)} trials, random forest of out-of-bag R² {explained.fit:.2f}", fontsize=9)
    bars.append(("two or more together", explained.interactions))
    names, shares = [name for name, _ in bars], [100 * share for _, share in bars]
    drawn_bars = axes.barh(names, shares, color=[BEST_COLOUR] * (len(bars) - 1) + [REST_COLOUR])
    axes.bar_label(drawn_bars, [f"{share:.0f} %" for share in shares], padding=3)
    axes.invert_yaxis()
    axes.set(xlabel=f"share of the variance of {objective} (%)", xlim=(0, max(shares) * 1.12))
    axes.spines[["top", "right"]].set_visible(False)
    return picture


def best_so_far_figure(records: Sequence[TrialRecord], objective: str, direction: str) -> Figure | None:
    records = ended_records(records)
    completed = scored_records(records)
    if not completed:
        return None
    trials = np.array([int(record.job.trial_id) for record in completed])
    scores = np.array([record.score for record in completed])
    accumulate = np.maximum.accumulate if direction == "max" else np.minimum.accumulate
    best, last_trial = accumulate(scores), int(records[-1].job.trial_id)

    picture = Figure(figsize=(7.5, 3.8), dpi=120, layout="constrained")
    axes = picture.subplots()
    low, high = outer_fence(scores, direction)
    margin = 0.08 * (high - low) or 0.05 * max(abs(high), 0.01)
    low, high = low - margin, high + margin
    is_inside = (scores >= low) & (scores <= high)
    axes.plot(trials[is_inside], scores[is_inside], "o", ms=4.5, color=POINT_COLOUR, label="completed")
    if not is_inside.all():
        mark, edge = ("v", low) if direction == "max" else ("^", high)
        outside_trials = trials[~is_inside]
        axes.plot(
            outside_trials,
            [edge] * len(outside_trials),
            mark,
            ms=6,
            color=POINT_COLOUR,
            clip_on=False,
            label="off the scale",
            zorder=4,
        )
    axes.step(
        [*trials, last_trial + 0.5], [*best, best[-1]], where="post", color=BEST_COLOUR, lw=1.8, label="best so far"
    )
    winner = best_record(completed, direction)
    axes.plot(int(winner.job.trial_id), winner.score, "o", ms=10, mfc="none", mew=1.8, color=BEST_COLOUR)
    failed = [int(record.job.trial_id) for record in records if record.status == FAILED]
    if failed:
        axis_transform = axes.get_xaxis_transform()
        axes.plot(
            failed,
            [0] * len(failed),
            "x",
            color=FAILED_COLOUR,
            transform=axis_transform,
            clip_on=False,
            label="failed",
            zorder=4,
        )
    axes.set(
        xlabel="trial",
        ylabel=objective,
        xlim=(-0.5, last_trial + 0.5),
        ylim=(low, high),
        title=f"Best {objective}: {format_metric(winner.score)}, trial {winner.job.trial_id}",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return picture
