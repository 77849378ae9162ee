"""What the server counts, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction
from cfedge.serve.pool import Pool

__all__ = ["Meters"]

#: Seconds: from one short input on a server to a full request on a small board.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Meters:
    """Counters of one server; safe from any thread."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, pool: Pool) -> None:
        self._registry = own = CollectorRegistry()
        ProcessCollector(registry=own)
        self._requests = Counter(
            "cfedge_requests", "Requests answered.", ["route", "status"], registry=own
        )
        self._seconds = Histogram(
            "cfedge_predict_seconds",
            "From the headers of a request to its answer, where it got one (status 200).",
            buckets=_BUCKETS,
            registry=own,
        )
        self._inputs = Counter("cfedge_inputs", "Inputs answered.", registry=own)
        self._unknown = Counter("cfedge_inputs_unknown", "Inputs called unknown.", registry=own)
        self._thin = Counter(
            "cfedge_inputs_thin_margin",
            "Inputs whose margin was thin: looked at more than once.",
            registry=own,
        )
        self._bundle = Gauge(
            "cfedge_bundle_info", "The bundle that answers.", ["digest", "generation"], registry=own
        )
        self._tasks = Gauge("cfedge_tasks", "Its tasks.", registry=own)
        self._switches = Counter(
            "cfedge_follow_switches", "Times that a newer generation began to answer.", registry=own
        )
        self._failures = Counter(
            "cfedge_follow_failures",
            "Times that the store's newer generation did not open.",
            registry=own,
        )
        self._alarms = Counter(
            "cfedge_drift_alarms", "Alarms of the monitor: the inputs changed.", registry=own
        )
        self._dropped = Counter(
            "cfedge_connections_dropped",
            "Connections closed on a client.",
            ["reason"],
            registry=own,
        )
        self._evicted = Counter(
            "cfedge_sessions_evicted",
            "Sessions that made room for another.",
            registry=own,
        )
        self.gauge("cfedge_queue_depth", "Requests that wait for a worker.", lambda: pool.waiting)
        self.gauge("cfedge_queue_limit", "Most that may.", lambda: pool.queue)
        self.gauge("cfedge_workers_busy", "Workers that answer.", lambda: pool.running)

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Add something that is asked for when the counters are."""
        Gauge(name, about, registry=self._registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is one of few."""
        self._requests.labels(route, str(status)).inc()
        if (route, status) == ("/predict", 200):
            self._seconds.observe(seconds)

    def answered(self, predictions: Iterable[Prediction]) -> None:
        """Count answers."""
        for one in predictions:
            self._inputs.inc()
            self._unknown.inc(one.unknown)
            self._thin.inc(one.stages > 1)

    def opened(self, engine: Engine, *, switched: bool) -> None:
        """Note which bundle answers from now on."""
        generation = "" if engine.generation is None else str(engine.generation)
        self._bundle.clear()
        self._bundle.labels(engine.manifest.digest, generation).set(1)
        self._tasks.set(len(engine.tasks))
        self._switches.inc(switched)

    def evicted(self) -> None:
        """Count a session that had to make room for another."""
        self._evicted.inc()

    def failed_to_follow(self) -> None:
        """Count a newer generation that did not open."""
        self._failures.inc()

    def alarmed(self) -> None:
        """Count an alarm of the monitor."""
        self._alarms.inc()

    def dropped(self, reason: str) -> None:
        """Count a connection that was closed on a client: ``slow`` or ``full``."""
        self._dropped.labels(reason).inc()

    def exposition(self) -> bytes:
        """Return all of it."""
        return generate_latest(self._registry)
