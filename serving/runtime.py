"""All that answering needs: journey, model, sessions, log, ledger and records, opened together and closed together."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, Engine

from decisions.bayes_policy import BayesPolicy
from decisions.decision import Decision
from decisions.onlookers import Second, ask_nobody
from decisions.policy import Policy
from decisions.risk import RiskModel
from decisions.scorer import Scorer
from decisions.trial import Moment, RunningExperiment
from features.events import US_PER_SECOND, FloatArray
from features.plan import Plan
from journeys.journey import Journey
from journeys.policies import declared_policy
from serving.access import Access
from serving.configuration import Configuration
from serving.drift import NO_DRIFT, DriftWindow
from serving.logins import Logins
from serving.metrics import DriftShown, Metrics
from serving.observe import Observer, observer_of
from serving.outages import Outages
from serving.privacy import Privacy
from serving.segment import SegmentReader
from serving.session_store import SessionStore
from serving.shadow import Shadow
from serving.shared_drift import counts_of_others, publish_counts
from serving.shared_look import SharedLook
from serving.spans import record
from storage.assignments import Assignments
from storage.due_decisions import DueDecisions
from storage.erasure import Erasure
from storage.event_log import EventLog
from storage.experiment_store import ExperimentStore, KeptExperiment
from storage.exposure_store import ExposureStore
from storage.follow_ups import FollowUps
from storage.identity_store import IdentityStore
from storage.key_store import KeyStore
from storage.ledger import Ledger
from storage.policy_store import PolicyStates
from storage.record_store import RecordStore
from storage.reward_store import RewardStore
from storage.secrets import local_secret
from storage.session_ends import SessionEnds
from storage.touchpoint_store import TouchpointStore
from storage.writer import Writer

if TYPE_CHECKING:
    from serving.budget import Till
    from serving.challenger import Challenger
    from serving.export_spans import SpanExport

_T = TypeVar("_T")

Clock = Callable[[], int]
"""The time in microseconds since 1970, UTC."""


def now_us() -> int:
    """Return the machine's time."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True)
class Deciding:
    """Which policy decides: its version, None where the journey's declarations do, and what it has learnt by now."""

    live: str | None
    revision: int | None
    policy: Policy


@dataclass
class Runtime:
    """One service in one process; ``metrics``, the model, the policy and the experiments that run can be replaced.

    ``closing`` holds what is to be left when it closes.
    ``erasures`` counts the visitors that were erased: what was being made of the log meanwhile must not be used.
    """

    configuration: Configuration
    journey: Journey
    plan: Plan
    engine: Engine
    writer: Writer
    log: EventLog
    ledger: Ledger
    records: RecordStore
    identity: IdentityStore
    assignments: Assignments
    ends: SessionEnds
    follow_ups: FollowUps
    touchpoints: TouchpointStore
    rewards: RewardStore
    due: DueDecisions
    policy_states: PolicyStates
    exposures: ExposureStore
    experiments: ExperimentStore
    sessions: SessionStore
    reader: SegmentReader
    privacy: Privacy
    keys: KeyStore
    access: Access
    erasure: Erasure
    model: RiskModel
    now_us: Clock = now_us
    erasures: int = 0
    running: tuple[KeptExperiment, ...] = ()
    trying: tuple[RunningExperiment, ...] = ()
    deciding: Deciding | None = None
    till: "Till | None" = None
    shadow: Shadow | None = None
    challenger: "Challenger | None" = None
    outages: Outages = field(default_factory=Outages)
    closing: ExitStack = field(default_factory=ExitStack)
    scorer: Scorer = field(init=False)
    metrics: Metrics = field(init=False)
    spans: "SpanExport | None" = field(init=False, default=None)
    observer: Observer = field(init=False)
    look_at_links: SharedLook = field(init=False)
    drift: DriftWindow | None = field(init=False)
    goals: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.goals = frozenset(self.journey.ends.goal)
        self.look_at_links = SharedLook(self.identity.catch_up)
        self.metrics = Metrics(self.journey, self.configuration.metrics_folder)
        self.metrics.session_store.labels(self.sessions.kind).set(1)
        self.sessions.counts.told = lambda found: self.metrics.session_reads.labels(found).inc()
        self.writer.told = self.metrics.queues.observe_commit
        self._stage_column = self.journey.table.names.index("stage_index")
        self.drift = self.window_of(self.model)
        self.scorer = self._scorer_of(self.model, self.drift)
        if self.configuration.traces_url:
            from serving.export_spans import SpanExport

            self.spans = SpanExport(self.configuration.traces_url, self.journey.name, self.metrics.registry)
        self.observer = observer_of(self.configuration, self.spans.take if self.spans else None)
        self.metrics.model.labels(self.journey.name, self.model.version).set(1)
        self.metrics.calibration.expect(self.model.version)

    @cached_property
    def logins(self) -> Logins:
        """What people are logged in with; raises ``storage.secrets.SecretUnreadable``."""
        secret = self.configuration.cookie_secret.encode() or local_secret(self.configuration.home, "cookie")
        return Logins(secret, self.configuration.login_seconds)

    @cached_property
    def declared(self) -> BayesPolicy:
        """The policy that learns, with what the journey declares and nothing else."""
        return declared_policy(self.journey)

    @property
    def timeout_us(self) -> int:
        """The silence that ends a session, in microseconds."""
        return int(self.journey.session_timeout_seconds * US_PER_SECOND)

    @property
    def model_version(self) -> str:
        """The version of the model that answers."""
        return self.model.version

    async def commit(self, write: Callable[[Connection], _T]) -> _T:
        """Run a write and return its result once it is committed; raises what the write raises."""
        return await asyncio.wrap_future(self.writer.submit(write))

    def renew_keys(self) -> None:
        """Go by the keys as the database has them now, from any thread."""
        self.access.renew(self.keys.all_keys(), self.keys.ended_logins(self.now_us()))

    async def keep_keys(self) -> None:
        """Go by the keys as the database has them now, and keep there when they were used."""
        used = self.access.take_used()
        if used:
            await self.commit(lambda connection: self.keys.mark_used(connection, used))
        await asyncio.to_thread(self.renew_keys)

    def replace_model(self, model: RiskModel) -> None:
        """Answer with another model from now on; sessions are replayed, so nothing needs converting.

        Only for the loop. An answer takes the scorer once, so that it is made of one model from beginning to end.
        """
        self.metrics.model.labels(self.journey.name, self.model.version).set(0)
        self.metrics.model.labels(self.journey.name, model.version).set(1)
        self.metrics.calibration.expect(model.version)
        window = self.window_of(model)
        scorer = self.scorer_with(model, window)
        self.model, self.scorer, self.drift = model, scorer, window

    def challenge(self, challenger: "Challenger | None") -> None:
        """Ask a challenger beside the champion from now on, or none."""
        for one, stands in ((self.challenger, 0), (challenger, 1)):
            if one is not None:
                self.metrics.models.challenger.labels(self.journey.name, one.model.version).set(stands)
        self.challenger = challenger
        self.scorer = replace(self.scorer, second=self._second())

    def decide_by(self, found: Deciding, charged: Policy | None = None) -> None:
        """Decide by a policy from now on; ``charged`` is the same with the price of the budget, where there is one."""
        policy = charged or found.policy
        if self.scorer.policy is not None:
            self.metrics.policy.labels(self.journey.name, self.scorer.policy.version).set(0)
        self.metrics.policy.labels(self.journey.name, policy.version).set(1)
        self.deciding, self.scorer = found, replace(self.scorer, policy=policy)

    def replace_experiments(
        self,
        kept: tuple[KeptExperiment, ...],
        usable: tuple[RunningExperiment, ...],
        charged: tuple[RunningExperiment, ...],
    ) -> None:
        """Decide by the ``usable`` ones of the experiments that are kept as running, from now on.

        ``charged`` are the same with the price of the budget in their policies.
        """
        self.running, self.trying = kept, usable
        self.scorer = replace(self.scorer, experiments=charged)

    def show_metrics(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        self.set_gauges()
        drift, folder = self.drift, self.configuration.metrics_folder
        if drift is None:
            return self.metrics.show(DriftShown({}, NO_DRIFT))
        others = [] if folder is None else list(counts_of_others(folder, self.model.version))
        return self.metrics.show(DriftShown(drift.names, drift.measure(self.now_us(), others)))

    def set_gauges(self) -> None:
        """Write down what stands now, for whichever worker is asked for metrics; for any thread."""
        self.metrics.sessions_open.set(self.sessions.memory.open_sessions(self.now_us()))
        self.metrics.events_in_memory.set(self.sessions.memory.event_count)
        self.metrics.memory_bytes.set(self.sessions.memory.byte_count)
        self.metrics.queues.set_gauges(self.writer, self.configuration.home)
        if self.drift is not None and self.configuration.metrics_folder is not None:
            counts = self.drift.count(self.now_us())
            publish_counts(self.configuration.metrics_folder, self.model.version, counts)

    def scorer_with(self, model: RiskModel, window: DriftWindow | None = None) -> Scorer:
        """Return a scorer that decides as the present one does, with another model.

        What it scores is counted in a window of drift, which is that model's.
        """
        made = self._scorer_of(model, window)
        return replace(made, experiments=self.scorer.experiments, policy=self.scorer.policy)

    def _scorer_of(self, model: RiskModel, window: DriftWindow | None) -> Scorer:
        def watch_row(row: FloatArray, risk: float) -> None:
            self.metrics.answers.observe_risk(float(row[self._stage_column]), risk)
            if window is not None:
                window.add(row, risk, self.now_us())

        return Scorer(
            journey=self.journey.name,
            stage_names=tuple(stage.name for stage in self.journey.stages),
            interventions=self.journey.interventions,
            settings=self.journey.policy,
            model=model,
            ends=frozenset(self.plan.codes[name] for name in self.journey.ends.all_names),
            timer=self._time_step,
            watcher=watch_row,
            onlooker=self._look_on,
            second=self._second(),
            why_not=lambda: None if self.till is None else self.till.why_not(),
        )

    def window_of(self, model: RiskModel) -> DriftWindow | None:
        """Return what compares the rows of a model with its training from now on; None where nothing does."""
        seconds = self.configuration.drift_window_seconds
        if model.snapshot is None or not seconds:
            return None
        return DriftWindow(model.table, model.snapshot, seconds)

    def _second(self) -> Second:
        challenger = self.challenger
        return ask_nobody if challenger is None else lambda answered: challenger.look(self.scorer, answered)

    def _look_on(self, moment: Moment, decision: Decision) -> None:
        if self.till is not None and moment.situation.row is not None:
            self.till.remember(decision.decision_id, moment.situation.row)
        if self.shadow is not None:
            self.shadow.look(moment, decision)

    def _time_step(self, step: str, seconds: float) -> None:
        self.metrics.answers.observe_step(step, seconds)
        record(step, seconds)

    def close(self) -> None:
        """Write what is queued, close the database and send the traces that are waiting."""
        self.closing.close()
        self.writer.close()
        self.engine.dispose()
        if self.spans is not None:
            self.spans.close()
