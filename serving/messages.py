"""Bodies and answers of every route; the OpenAPI page is generated from these types."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from storage.follow_ups import FollowUpState
from storage.ledger import Outcome
from storage.records import AnnotationKind
from storage.session_ends import SessionOutcome


class CanonicalEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """One event in the canonical columns; times are ISO 8601, in UTC where they name no zone."""

    event_id: str
    visitor_id: str
    name: str
    occurred_at: str
    session_id: str | None = None
    user_id: str | None = None
    received_at: str | None = None
    channel: str | None = None
    device: str | None = None
    source: str | None = None
    campaign: str | None = None
    properties: dict[str, Any] | str | None = None
    """An object, or the text of one."""


class ScoreRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to look at: exactly one of the first four. ``at`` is the moment, ISO 8601.

    For a stored session ``at`` is the server's time by default, for ``events`` the time of the last one.
    """

    session_id: str | UnsetType = UNSET
    visitor_id: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    events: list[CanonicalEvent] | UnsetType = UNSET
    at: str | UnsetType = UNSET


class RecommendRequest(ScoreRequest, frozen=True, forbid_unknown_fields=True):
    """The same; ``consent`` says whether the visitor agreed to interventions that need it."""

    consent: bool = False


class ScoreAnswer(Struct, frozen=True):
    """How likely a session is to be abandoned, at a moment, and to be left soon.

    ``leaving_soon`` is the probability that by ``leaving_soon_within`` after that moment the visitor has acted for the
    last time in a session that is abandoned; both are null where the model has not learnt it.
    """

    session_id: str
    journey: str
    stage: str | None
    risk: float
    leaving_soon: float | None
    leaving_soon_within: str | None
    events_seen: int
    model_version: str
    scored_at: str


class EvidenceAnswer(Struct, frozen=True):
    """One feature that speaks for a blocker; ``contribution`` is its SHAP value in the risk model's margin."""

    feature: str
    value: float | None
    phrase: str
    contribution: float


class BlockerAnswer(Struct, frozen=True):
    """What stands in the way.

    ``confidence`` is the probability, 0 to 1, that a visitor who leaves now leaves for it; ``share`` is its part of the
    confidence in all that are listed, 0 to 1.
    """

    friction: str
    problem_type: str
    share: float
    confidence: float
    evidence: list[EvidenceAnswer]


class RecommendationAnswer(Struct, frozen=True):
    """What to do about it; ``expected_uplift`` is the expected rise of the goal's probability."""

    intervention: str
    title: str
    message: str
    channel: str
    expected_uplift: float
    cost: float


class ExperimentAnswer(Struct, frozen=True):
    """The experiment that decided, and the variant that this visitor is in."""

    name: str
    variant: str


class RecommendAnswer(Struct, frozen=True):
    """Risk, blockers and one recommendation or none, as they stand in the ledger under ``decision_id``.

    ``leaving_soon`` is as ``POST /v1/score`` answers it, and does not stand in the ledger.
    """

    session_id: str
    journey: str
    stage: str | None
    risk: float
    leaving_soon: float | None
    leaving_soon_within: str | None
    events_seen: int
    model_version: str
    scored_at: str
    decision_id: str
    blockers: list[BlockerAnswer]
    narrative: str
    recommendation: RecommendationAnswer | None
    reason: str
    holdout: bool
    propensity: float
    experiment: ExperimentAnswer | None


class OutcomeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a decision; ``value`` is in the journey's value unit."""

    decision_id: str
    outcome: Outcome
    value: float | None = None


class AnnotationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What was done at a moment, ISO 8601, that figures may have to be read with."""

    at: str
    text: str
    kind: AnnotationKind = AnnotationKind.OTHER
    author: str = "api"


class AnnotationAnswer(Struct, frozen=True):
    """One annotation as it is kept."""

    id: int
    at: str
    kind: AnnotationKind
    text: str
    author: str
    created_at: str


class AnnotationsAnswer(Struct, frozen=True):
    """All annotations of the journey, in the order of what they are about."""

    annotations: list[AnnotationAnswer]


class Success(Struct, frozen=True):
    """It is written down."""

    success: bool = True


class TrackAnswer(Struct, frozen=True):
    """The event is in the log, in this session; null where nothing was kept, as the visitor has not consented."""

    session_id: str | None
    success: bool = True


class BatchAnswer(Struct, frozen=True):
    """How many events of a batch were new, were there already, or could not be used (with the first reasons).

    ``withheld`` are those that were not kept, as their visitors have not consented.
    """

    accepted: int
    duplicates: int
    quarantined: int
    reasons: list[str]
    withheld: int = 0
    success: bool = True


class SessionEvent(Struct, frozen=True):
    """One event of a session, and what was thought of the session right after it."""

    event_id: str
    name: str
    occurred_at: str
    properties: dict[str, Any]
    stage: str | None
    risk: float


class SessionDecision(Struct, frozen=True):
    """One decision of the ledger, with what came of it."""

    decision_id: str
    at: str
    stage: str | None
    risk: float
    chosen: str | None
    reason: str
    propensity: float
    holdout: bool
    narrative: str
    model_version: str
    policy_version: str
    experiment: ExperimentAnswer | None
    outcomes: list[str]


class SessionFollowUp(Struct, frozen=True):
    """One message about a session that was abandoned, and what has become of it."""

    id: str
    decision_id: str
    channel: str
    state: FollowUpState
    attempts: int


class SessionEndAnswer(Struct, frozen=True):
    """How a session ended, as it was noticed after the timeout's silence.

    ``last_at`` is the last sign of life; ``risk`` that at the last event, null after a declared end.
    """

    outcome: SessionOutcome
    stage: str | None
    last_at: str
    closed_at: str
    risk: float | None
    follow_ups: list[SessionFollowUp]


class TouchpointRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What happened to somebody outside of sessions: an e-mail, an ad, a call, a chat, a deal or a ticket.

    ``id`` makes it the same again. It names a ``user_id``, the ``click_id`` of a campaign's link, or a ``visitor_id``;
    ``occurred_at`` is ISO 8601 or a number since 1970.
    """

    id: str
    name: str
    occurred_at: str | float
    user_id: str | None = None
    click_id: str | None = None
    visitor_id: str | None = None
    channel: str | None = None
    source: str | None = None
    campaign: str | None = None
    properties: dict[str, Any] | None = None


class TouchpointsAnswer(Struct, frozen=True):
    """How many touchpoints were new, were there already, or are not kept as their people have not consented."""

    accepted: int
    duplicates: int
    withheld: int
    success: bool = True


class SessionTouchpoint(Struct, frozen=True):
    """What happened to a session's person outside of sessions, before or during this one."""

    id: str
    name: str
    occurred_at: str
    channel: str | None
    campaign: str | None
    properties: dict[str, Any]


class SessionAnswer(Struct, frozen=True):
    """A session as it is known: its events, the risk after each, the decisions about it, and its end.

    ``touchpoints`` are what happened to the same person outside of sessions, until the session's last event.
    """

    session_id: str
    journey: str
    visitor_id: str
    user_id: str | None
    other_visitors: list[str]
    stage: str | None
    model_version: str
    events: list[SessionEvent]
    decisions: list[SessionDecision]
    end: SessionEndAnswer | None
    touchpoints: list[SessionTouchpoint]


class ErasureReceipt(Struct, frozen=True):
    """How much was erased about a visitor, and when; ``models`` are the versions that may have learnt from it.

    ``visitors`` is how many were erased: more than one where all of a person's were asked for.
    """

    visitor_id: str
    erased_at: str
    visitors: int
    models: list[str]
    events: int
    sessions: int
    decisions: int
    outcomes: int
    quarantined: int
    identity_links: int
    assignments: int
    session_ends: int
    follow_ups: int
    rewards: int
    exposures: int
    touchpoints: int
    clicks: int
