"""What the service counts and times, for Prometheus: for one process, or for all workers together.

With a folder that workers share (``PROMETHEUS_MULTIPROC_DIR``), prometheus-client keeps every value in a file of its
process: what a worker that has ended has counted stays, and what stood in its gauges goes.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from journeys.journey import Journey
from serving.answer_metrics import STEP_SECONDS, AnswerMetrics
from serving.calibration_metrics import CalibrationMetrics
from serving.drift import LiveDrift
from serving.duty_metrics import DutyMetrics
from serving.model_metrics import ModelMetrics
from serving.queue_metrics import QueueMetrics
from serving.request_metrics import RequestMetrics
from storage.ledger import Outcome
from storage.rollout_store import ShadowCounts
from storage.session_ends import SessionOutcome

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHADOW_RESULTS = ("compared", "failed", "invalid", "slow", "dropped")


class Metrics:
    """The metrics of one service, in a registry of their own; ``folder`` is shared by several workers."""

    def __init__(self, journey: Journey, folder: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        self._folder = folder
        self.requests = RequestMetrics(self.registry)
        self.answers = AnswerMetrics(
            self.registry,
            [stage.name for stage in journey.stages],
            [friction.name for friction in journey.frictions],
            [intervention.name for intervention in journey.interventions],
        )
        self.calibration = CalibrationMetrics(self.registry)
        self.duties = DutyMetrics(self.registry)
        self.queues = QueueMetrics(self.registry)
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
        self.shadow = Counter(
            "dropoff_shadow_decisions",
            "Decisions that the policy in the shadow was asked about: compared, failed, invalid, slow or dropped.",
            ["result"],
            registry=self.registry,
        )
        self.shadow_seconds = Counter(
            "dropoff_shadow_seconds",
            "What asking the policy in the shadow took, off the answers' path.",
            registry=self.registry,
        )
        self.shadow_agreement = Counter(
            "dropoff_shadow_agreement",
            "Sum over the decisions compared of the probability to choose as the live policy does.",
            registry=self.registry,
        )
        self.outcomes = Counter("dropoff_outcomes", "Outcomes reported.", ["outcome"], registry=self.registry)
        self.sessions_closed = Counter(
            "dropoff_sessions_closed",
            "Sessions closed after the timeout's silence, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.sessions_reopened = Counter(
            "dropoff_sessions_reopened", "Closed sessions that an event came for.", registry=self.registry
        )
        self.follow_ups = Counter(
            "dropoff_follow_ups",
            "Attempts to deliver follow-ups: delivered, failed, given_up or dropped.",
            ["result"],
            registry=self.registry,
        )
        self.rewards = Counter(
            "dropoff_rewards",
            "Decisions of which it became known what came of them: converted, not_converted, or unknown for ever.",
            ["came"],
            registry=self.registry,
        )
        self.sessions_open = Gauge(
            "dropoff_sessions_open",
            "Sessions in memory that an event could still join; one that two workers know counts twice.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.session_reads = Counter(
            "dropoff_session_reads",
            "Visitors asked of Redis: hit, miss, or refill from the log.",
            ["found"],
            registry=self.registry,
        )
        self.session_store = Gauge(
            "dropoff_session_store",
            "Where sessions are: alone, database or redis.",
            ["kind"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.memory_bytes = Gauge(
            "dropoff_memory_bytes",
            "About how many bytes the visitors in memory take.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.events_in_memory = Gauge(
            "dropoff_events_in_memory", "Events in memory.", registry=self.registry, multiprocess_mode="livesum"
        )
        self.model = Gauge(
            "dropoff_model",
            "The model that answers.",
            ["journey", "version"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.models = ModelMetrics(self.registry, STEP_SECONDS)
        self.policy = Gauge(
            "dropoff_policy",
            "The policy that decides, with the revision of what it has learnt.",
            ["journey", "version"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        for counter, kinds in (
            (self.events, ("new", "duplicate", "quarantined", "withheld")),
            (self.shadow, SHADOW_RESULTS),
            (self.outcomes, tuple(Outcome)),
            (self.sessions_closed, tuple(SessionOutcome)),
            (self.follow_ups, ("delivered", "failed", "given_up", "dropped")),
            (self.rewards, ("converted", "not_converted", "unknown")),
            (self.session_reads, ("hit", "miss", "refill")),
        ):
            for kind in kinds:
                # Rates see no rise in a series that begins with it.
                counter.labels(str(kind))

    def count_shadow(self, counts: ShadowCounts) -> None:
        """Record what the policy in the shadow was asked about."""
        for result in SHADOW_RESULTS:
            self.shadow.labels(result).inc(getattr(counts, result))
        self.shadow_seconds.inc(counts.seconds)
        self.shadow_agreement.inc(counts.agreement)

    def show(self, drift: "DriftShown") -> bytes:
        """Return the text that Prometheus scrapes, of all workers where there are several."""
        shown = CollectorRegistry()
        shown.register(drift)
        if self._folder is None:
            return bytes(generate_latest(self.registry) + generate_latest(shown))
        _forget_dead(self._folder)
        MultiProcessCollector(shown, str(self._folder))  # type: ignore[no-untyped-call]
        return bytes(generate_latest(shown))


class DriftShown:
    """The gauges of drift; ``names`` are those of the features that can be compared, by column."""

    def __init__(self, names: Mapping[int, str], found: LiveDrift) -> None:
        self._names = names
        self._found = found

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges, as a registry asks for them."""
        found = self._found
        psi = GaugeMetricFamily(
            "dropoff_drift_psi",
            "PSI of a feature against the training, beyond what chance explains.",
            labels=["feature"],
        )
        missing = GaugeMetricFamily(
            "dropoff_drift_missing_share", "Share of the rows without this feature.", labels=["feature"]
        )
        for column, name in self._names.items():
            psi.add_metric([name], found.psi[column])
            missing.add_metric([name], found.missing[column])
        yield from (psi, missing)
        largest = max((found.psi[column] for column in self._names), default=0.0)
        for name, about, value in (
            ("psi_max", "The largest PSI of any feature.", largest),
            ("rows", "Scored rows in the window.", found.rows),
            ("mean_risk", "Mean risk that was answered.", found.mean_risk),
            ("usual_risk", "Mean risk that the training had at the same stages.", found.usual_risk),
        ):
            yield GaugeMetricFamily(f"dropoff_drift_{name}", about, value=value)


def is_alive(process: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _forget_dead(folder: Path) -> None:
    """Remove the gauges of processes that have ended; another worker that is asked at this moment may do so, too."""
    for file in list(folder.glob("gauge_live*_*.db")):
        if not is_alive(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)
