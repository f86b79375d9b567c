"""A journey: what people try to do, how it can end, what is measured on the way and what can be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from decisions.experiments import ExperimentPlan
from decisions.intervention import Intervention
from decisions.policy import PolicySettings
from features.duration import parse_duration
from features.friction import Friction
from features.names import EventNames, PropertyNames
from features.table import Feature, FeatureTable, Stage
from journeys.checks import check
from journeys.versions import JourneyVersion


@dataclass(frozen=True, slots=True)
class Ends:
    """How a session can end; names of events.

    ``goal`` is success, ``abandoned`` a declared abandonment, ``competing`` an end that is neither (a declined loan).
    ``closes`` are further events after which nothing is predicted: they give the end away. Silence past the session
    timeout is an abandonment too unless ``silence_abandons`` is false, in which case such a session is censored.
    """

    goal: tuple[str, ...]
    abandoned: tuple[str, ...] = ()
    competing: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    silence_abandons: bool = True

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every event after which nothing is predicted."""
        return (*self.goal, *self.abandoned, *self.competing, *self.closes)


@dataclass(frozen=True)
class Journey:
    """All that dropoff knows about one journey; validated when made, with DeclarationError for what is off.

    Durations are seconds. ``horizon_seconds`` is how far ahead the label looks; None for the session's end. ``events``
    maps each event name to what it means; ``properties`` each property to what it means, with its unit.
    ``idle_ticks_seconds`` are the silences after an event at which the session is looked at again.
    ``leaving_soon_within`` is how far ahead the probability to leave soon looks: ``"1m"`` in a shop, ``"1d"`` where a
    journey takes weeks. ``versions`` are the changes of its stages and frictions, the oldest first. ``revenue`` is the
    property of the goal's event that says what it brought, and ``cohorts`` are properties by which people are compared,
    besides the log's own columns: a session's first known one counts. ``stewards`` says who answers for the data of a
    channel or a source, as the log calls it. ``elements`` maps an event to the property that names what it was about
    (``{"edit_field": "field"}``), where people may hesitate; ``edits`` are those of them that change something, so that
    a second time is a correction. ``aliases`` maps names as clients send them to declared events
    (``{"Checkout Started": "begin_checkout"}``); another spelling of a declared name needs none. ``property_aliases``
    does the same for properties, by event or, under ``""``, for all:
    ``{"": {"product": ("product_id", "items.0.item_id")}}``. ``consents`` maps a channel of messages (``"email"``) to
    the property by which people say whether they agree to it; without one, or before they have said so, nobody is
    followed up by it. In ``evidence_half_life`` what an experiment has found comes to count half in the playbook; what
    is older than ``evidence_limit`` is to be tested again. ``experiments`` are those that are declared here; they take
    nobody in before they are started.
    """

    name: str
    title: str
    description: str
    events: Mapping[str, str]
    properties: Mapping[str, str]
    stages: tuple[Stage, ...]
    ends: Ends
    features: tuple[Feature, ...]
    interventions: tuple[Intervention, ...]
    policy: PolicySettings
    session_timeout_seconds: float
    horizon_seconds: float | None = None
    idle_ticks_seconds: tuple[float, ...] = (30.0, 120.0, 600.0)
    leaving_soon_within: str = "1m"
    timezone: str = "UTC"
    owner: str = ""
    versions: tuple[JourneyVersion, ...] = ()
    revenue: str = ""
    cohorts: tuple[str, ...] = ()
    stewards: Mapping[str, str] = field(default_factory=dict)
    elements: Mapping[str, str] = field(default_factory=dict)
    edits: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    property_aliases: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    consents: Mapping[str, str] = field(default_factory=dict)
    experiments: tuple[ExperimentPlan, ...] = ()
    evidence_half_life: str = "365d"
    evidence_limit: str = "730d"

    def __post_init__(self) -> None:
        _ = self.table
        check(self)

    @cached_property
    def table(self) -> FeatureTable:
        """The part that the feature engine needs."""
        return FeatureTable(tuple(self.events), self.stages, self.features, self.timezone)

    @cached_property
    def names(self) -> EventNames:
        """Which declared event a sent name means."""
        return EventNames(self.events, self.aliases)

    @cached_property
    def property_names(self) -> PropertyNames:
        """Where clients put the declared properties."""
        return PropertyNames(self.property_aliases)

    @cached_property
    def leaving_soon_within_seconds(self) -> float:
        """How far ahead the probability to leave soon looks."""
        return parse_duration(self.leaving_soon_within)

    def steward(self, channel: str | None, source: str | None = None) -> str:
        """Return who answers for the data of a channel and source: the source's steward goes first, the owner last."""
        for origin in (source, channel):
            if origin is not None and origin in self.stewards:
                return self.stewards[origin]
        return self.owner

    @property
    def frictions(self) -> tuple[Friction, ...]:
        """The addressable frictions that the features give evidence of, in order of first use."""
        return self.table.frictions


__all__ = ["Ends", "Journey", "PolicySettings"]
