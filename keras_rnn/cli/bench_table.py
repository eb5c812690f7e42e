"""The result of `keras-rnn bench-serve` for a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_rnn.serving.bench import BenchResult

WIDEST_MESSAGE = 200  # characters


def print_bench(result: BenchResult) -> None:
    console = Console(markup=False, highlight=False)
    figures = Table("requests/s", "texts/s", "mean ms", "p50 ms", "p90 ms", "p99 ms", "max ms")
    for column in figures.columns:
        column.justify = "right"
    rates = (f"{rate:,.1f}" for rate in (result.requests_per_second, result.texts_per_second))
    latencies = (result.mean_ms, result.p50_ms, result.p90_ms, result.p99_ms, result.max_ms)
    figures.add_row(*rates, *(f"{latency:,.2f}" for latency in latencies))
    console.print(figures)
    counts = ", ".join(f"{status}: {count:,}" for status, count in result.statuses.items())
    console.print(f"{sum(result.statuses.values()):,} requests in {result.seconds:.1f} s ({counts})")
    for status, message in result.messages.items():
        console.print(Text(f"{status}: {' '.join(message.split())[:WIDEST_MESSAGE]}"), soft_wrap=True)
