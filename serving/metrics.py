"""What the service counts and times, for Prometheus."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from serving.drift import LiveDrift

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
            "dropoff_events",
            "Events received: new, duplicate, quarantined or withheld.",
            ["kind"],
            registry=self.registry,
        )
        self.links = Counter(
            "dropoff_identity_links",
            "What events said about who is who: links, and refusals by reason.",
            ["kind", "reason"],
            registry=self.registry,
        )
        self.crossovers = Counter(
            "dropoff_identity_crossovers",
            "Links that made visitors of both sides of the holdout one person.",
            registry=self.registry,
        )
        self.unknown_events = Counter(
            "dropoff_unknown_events",
            "New events of a name that the journey does not declare; `dropoff doctor` lists them.",
            registry=self.registry,
        )
        self.decisions = Counter("dropoff_decisions", "Decisions by reason.", ["reason"], registry=self.registry)
        self.outcomes = Counter("dropoff_outcomes", "Outcomes reported.", ["outcome"], registry=self.registry)
        self.sessions_open = Gauge(
            "dropoff_sessions_open", "Sessions in memory that an event could still join.", registry=self.registry
        )
        self.events_in_memory = Gauge("dropoff_events_in_memory", "Events in memory.", registry=self.registry)
        self.model = Gauge("dropoff_model", "The model that answers.", ["journey", "version"], registry=self.registry)

        self._drift_psi = Gauge(
            "dropoff_drift_psi",
            "PSI of a feature against the training, beyond what chance explains.",
            ["feature"],
            registry=self.registry,
        )
        self._drift_missing = Gauge(
            "dropoff_drift_missing_share",
            "Share of the rows without this feature.",
            ["feature"],
            registry=self.registry,
        )
        self._drift = {
            name: Gauge(f"dropoff_drift_{name}", about, registry=self.registry)
            for name, about in (
                ("psi_max", "The largest PSI of any feature."),
                ("rows", "Scored rows in the window."),
                ("mean_risk", "Mean risk that was answered."),
                ("usual_risk", "Mean risk that the training had at the same stages."),
            )
        }

    def show_drift(self, names: Mapping[int, str], found: LiveDrift) -> None:
        """Set the gauges of drift; ``names`` are those of the features that can be compared, by column."""
        for column, name in names.items():
            self._drift_psi.labels(name).set(found.psi[column])
            self._drift_missing.labels(name).set(found.missing[column])
        self._drift["psi_max"].set(max((found.psi[column] for column in names), default=0.0))
        self._drift["rows"].set(found.rows)
        self._drift["mean_risk"].set(found.mean_risk)
        self._drift["usual_risk"].set(found.usual_risk)

    def observe_step(self, step: str, seconds: float) -> None:
        """Record how long ``replay``, ``predict``, ``explain`` or ``decide`` took."""
        self._steps[step].observe(seconds)

    def show(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
