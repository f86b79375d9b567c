"""What the service counts and times, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REQUEST_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024)
_STEP_SECONDS = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.064)


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("dropoff_requests", "Requests answered.", ["route", "status"], registry=self.registry)
        self.request_seconds = Histogram(
            "dropoff_request_seconds",
            "From request to answer.",
            ["route"],
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        steps = Histogram(
            "dropoff_model_seconds",
            "What the model's answer is made of.",
            ["step"],
            buckets=_STEP_SECONDS,
            registry=self.registry,
        )
        self._steps = {step: steps.labels(step) for step in ("replay", "predict", "explain", "decide")}
        self.events = Counter(
            "dropoff_events", "Events received: new, duplicate or quarantined.", ["kind"], registry=self.registry
        )
        self.decisions = Counter("dropoff_decisions", "Decisions by reason.", ["reason"], registry=self.registry)
        self.outcomes = Counter("dropoff_outcomes", "Outcomes reported.", ["outcome"], registry=self.registry)
        self.sessions_open = Gauge(
            "dropoff_sessions_open", "Sessions in memory that an event could still join.", registry=self.registry
        )
        self.events_in_memory = Gauge("dropoff_events_in_memory", "Events in memory.", registry=self.registry)
        self.model = Gauge("dropoff_model", "The model that answers.", ["journey", "version"], registry=self.registry)

    def observe_step(self, step: str, seconds: float) -> None:
        """Record how long ``replay``, ``predict``, ``explain`` or ``decide`` took."""
        self._steps[step].observe(seconds)

    def show(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
