"""The metrics that Prometheus reads at /metrics."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The server's metrics. Only names of existing models are labels, since clients invent names."""

    def __init__(self):
        self._registry = CollectorRegistry()
        method_labels = ["protocol", "method", "model"]
        self._requests = Counter("keras_rnn_requests", "Requests answered.", method_labels, registry=self._registry)
        self._errors = Counter(
            "keras_rnn_errors", "Requests refused or failed.", [*method_labels, "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "keras_rnn_request_seconds",
            "From a request's first byte to its answer.",
            method_labels,
            buckets=SECONDS,
            registry=self._registry,
        )
        self._rows = Histogram("keras_rnn_batch_size", "Rows of a call.", buckets=ROWS, registry=self._registry)
        self._queue = Gauge("keras_rnn_queue_length", "Rows that wait for a call.", registry=self._registry)
        self._step_rows = Histogram("keras_rnn_step_size", "Texts of a step.", buckets=ROWS, registry=self._registry)
        self._tokens = Counter("keras_rnn_tokens", "Tokens written.", registry=self._registry)
        self._streams = Gauge("keras_rnn_streams", "Texts that are being written.", registry=self._registry)
        self._versions = Gauge("keras_rnn_versions_loaded", "Model versions loaded.", registry=self._registry)

    def watch(
        self, queue_length: Callable[[], int], streams: Callable[[], int], versions_loaded: Callable[[], int]
    ) -> None:
        self._queue.set_function(queue_length)
        self._streams.set_function(streams)
        self._versions.set_function(versions_loaded)

    def observe_batch(self, rows: int) -> None:
        self._rows.observe(rows)

    def observe_step(self, rows: int) -> None:
        self._step_rows.observe(rows)
        self._tokens.inc(rows)

    def observe_request(self, protocol: str, method: str, model: str, code: str, seconds: float) -> None:
        """Counts an answer. `code` is gRPC's name of the status, OK for successful answers only."""
        self._requests.labels(protocol, method, model).inc()
        self._seconds.labels(protocol, method, model).observe(seconds)
        if code != "OK":
            self._errors.labels(protocol, method, model, code).inc()

    def page(self) -> bytes:
        return generate_latest(self._registry)
