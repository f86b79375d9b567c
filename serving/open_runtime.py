"""Opens what a process serves with, on the database that its configuration names."""

from decisions.risk import RiskModel
from features.events import US_PER_SECOND
from features.plan import Plan, compile_plan
from journeys.journey import Journey
from serving.access import Access
from serving.configuration import Configuration
from serving.database_sessions import DatabaseStore
from serving.privacy import privacy_of
from serving.runtime import Clock, Runtime, now_us
from serving.segment import SegmentReader
from serving.session_store import Limits, SessionStore
from serving.sessions import AloneStore
from serving.traced_database import TracedWriter, trace_statements
from storage.assignments import Assignments
from storage.database import open_database
from storage.due_decisions import DueDecisions
from storage.erasure import Erasure
from storage.event_log import EventLog
from storage.experiment_store import ExperimentStore
from storage.exposure_store import ExposureStore
from storage.fill_links import fill_links
from storage.follow_ups import FollowUps
from storage.identity_store import IdentityStore
from storage.key_store import KeyStore
from storage.ledger import Ledger
from storage.policy_store import PolicyStates
from storage.record_store import RecordStore
from storage.reward_store import RewardStore
from storage.session_ends import SessionEnds
from storage.touchpoint_store import TouchpointStore
from storage.visitor_log import VisitorLog
from storage.writer import Writer


def open_sessions(
    configuration: Configuration, journey: Journey, plan: Plan, log: EventLog, ledger: Ledger, writer: Writer
) -> SessionStore:
    """Return the store that the configuration asks for."""
    limits = Limits(
        int(journey.session_timeout_seconds * US_PER_SECOND),
        configuration.max_visitor_events,
        configuration.memory_events,
    )
    known = VisitorLog(log.engine, journey.name)
    if configuration.redis_url:
        from serving.redis_sessions import RedisStore

        return RedisStore(plan, log, ledger, known, writer, limits, configuration.redis_url)
    if configuration.shared:
        return DatabaseStore(plan, log, ledger, known, writer, limits)
    return AloneStore(plan, log, ledger, writer, limits)


def open_runtime(configuration: Configuration, journey: Journey, model: RiskModel, clock: Clock = now_us) -> Runtime:
    """Open the database and return a runtime; raises ``storage.database.DatabaseError``."""
    plan = compile_plan(journey.table)
    engine = open_database(configuration.address, configuration.durability)
    log, ledger = EventLog(engine, journey.name), Ledger(engine, journey.name)
    writer = (TracedWriter if configuration.traces_url else Writer)(engine)
    if configuration.traces_url:
        trace_statements(engine)
    identity = IdentityStore(engine, journey.name, shared=configuration.shared)
    fill_links(engine, identity)
    assignments = Assignments(engine, journey.name)
    touchpoints = TouchpointStore(engine, journey.name)
    ends, follow_ups = SessionEnds(engine, journey.name), FollowUps(engine, journey.name)
    rewards, exposures = RewardStore(engine, journey.name), ExposureStore(engine, journey.name)
    kept = (touchpoints, ledger, log, identity, assignments, ends, follow_ups, rewards, exposures)
    runtime = Runtime(
        configuration=configuration,
        journey=journey,
        plan=plan,
        engine=engine,
        writer=writer,
        log=log,
        ledger=ledger,
        records=RecordStore(engine, journey.name),
        ends=ends,
        follow_ups=follow_ups,
        sessions=open_sessions(configuration, journey, plan, log, ledger, writer),
        identity=identity,
        assignments=assignments,
        touchpoints=touchpoints,
        rewards=rewards,
        due=DueDecisions(engine, journey.name),
        policy_states=PolicyStates(engine, journey.name),
        exposures=exposures,
        experiments=ExperimentStore(engine, journey.name),
        reader=SegmentReader(
            journey.names,
            configuration.max_event_bytes,
            journey.property_names,
            previous_is_user=configuration.hash_user_ids,
        ),
        privacy=privacy_of(configuration, journey),
        keys=KeyStore(engine),
        access=Access(
            journey.name, configuration.requests_per_second, 1 / (configuration.workers * configuration.replicas)
        ),
        erasure=Erasure(engine, journey.name, kept),
        model=model,
        now_us=clock,
    )
    runtime.renew_keys()
    if runtime.access.keyed:
        # A secret that cannot be read is noticed now.
        _ = runtime.logins
    return runtime
