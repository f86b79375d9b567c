"""What a simulated world is made of, as data; ``rules`` makes arrays of it for the compiled walk.

A session is a walk over the stages of a journey. At every step the visitor leaves, moves on, goes back, or stays and
does something. The odds depend on the latent intent, on a planted blocker, on what kind of visitor it is and on what is
visible (device, source, visit). Given those, steps are independent, so true probabilities have a closed form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.friction import Friction
from training.simulator.properties import Property

LEVELS = 3
"""How upset the latest event left the visitor: 0 not at all, 1 somewhat, 2 much."""
MARKS = 4
"""Most values of a property that tells something about the blocker."""


@dataclass(frozen=True)
class Place:
    """A stage: log-odds to leave and to move on at a step, the share of other steps that go back, and what is done.

    ``entry`` are the events of moving on to here, the first at once and the second right after it. ``gap_seconds`` is
    the median pause before a step; a share ``away`` of the pauses lasts until another sitting, ``away_seconds``.
    """

    name: str
    entry: tuple[str, ...]
    leave: float
    advance: float
    events: Mapping[str, float]
    back: float = 0.0
    back_event: str = "go_back"
    gap_seconds: float = 15.0
    away: float = 0.0
    away_seconds: float = 43_200.0


@dataclass(frozen=True)
class Obstacle:
    """A planted blocker: the extra probability to leave and the drag on moving on, by stage, and its noisy traces.

    ``traces`` multiply the weights of events; ``marks`` replace the distribution of an event's telling property.
    """

    friction: Friction
    share: float
    exits: Mapping[str, float]
    drags: Mapping[str, float]
    traces: Mapping[str, float]
    marks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    failure: float | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of visitor, never visible as such: pace, habits, and shifts of the log-odds."""

    name: str
    share: float
    habits: Mapping[str, float]
    leave: float = 0.0
    advance: float = 0.0
    pace: float = 0.0
    spread: float = 0.9


@dataclass(frozen=True)
class Trait:
    """One value of a visible context: its share, shifts of the log-odds, and how much likelier it makes blockers."""

    name: str
    share: float
    leave: float = 0.0
    advance: float = 0.0
    blockers: Mapping[Friction, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Remedy:
    """What an intervention does: the part of a blocker's exits and drag it takes away, and what it does to all.

    ``kinds`` maps kinds of visitors to what it adds to their log-odds to leave beyond that.
    """

    name: str
    stages: tuple[str, ...]
    relief: Mapping[Friction, float]
    leave: float = 0.0
    advance: float = 0.0
    kinds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Basket:
    """What is looked at and collected: products in a shop, seats in a plan.

    ``view`` puts one thing of ``prices`` before the visitor, ``add`` collects it, ``remove`` gives one back.
    """

    view: str
    add: str
    remove: str
    prices: tuple[float, ...]


@dataclass(frozen=True)
class Outreach:
    """Touchpoints outside of sessions on one channel: a mail, an ad, a call.

    ``reach`` is the share of sessions before which the visitor is touched, some ``hours`` earlier on average; ``aim``
    is added to its log-odds for each unit of intent, so that those are reached who would convert anyway. ``pull`` is
    added to the log-odds to convert in the session that follows. ``strays`` are further touches of a visitor id.
    """

    channel: str
    event: str
    source: str
    reach: float
    hours: float
    aim: float = 0.0
    pull: float = 0.0
    strays: float = 0.0


@dataclass(frozen=True)
class Calendar:
    """When people start and come back: the log's length, the weights of the hours of a day (UTC), and later visits.

    ``absence_seconds`` is the median time between the starts of two visits, beyond the least.
    """

    days: float
    hours: tuple[float, ...]
    returns: float
    least_absence_seconds: float
    absence_seconds: float


@dataclass(frozen=True)
class World:
    """All that the simulator knows about one journey; probabilities and log-odds per step, times in seconds."""

    journey: str
    places: tuple[Place, ...]
    goal_events: tuple[str, str, str]
    """The attempt, its success and its failure: ``("submit_payment", "purchase", "payment_failed")``."""
    failure: float
    obstacles: tuple[Obstacle, ...]
    kinds: tuple[Kind, ...]
    devices: tuple[Trait, ...]
    sources: tuple[Trait, ...]
    visits: tuple[Trait, ...]
    countries: tuple[tuple[str, float], ...]
    touchpoints: Mapping[str, tuple[str, ...]]
    calendar: Calendar
    remedies: tuple[Remedy, ...]
    upsetting: Mapping[str, int]
    upset: tuple[float, float, float]
    marks: Mapping[str, tuple[float, ...]]
    intent_leave: float
    intent_advance: float
    policy_change: Mapping[str, float]
    policy_traces: Mapping[str, float]
    decide_at: Mapping[str, float]
    properties: Mapping[str, Mapping[str, Property]] = field(default_factory=dict)
    hesitation: float = 0.3
    """Added to the logarithm of the pauses where a blocker drives people away."""
    away_spread: float = 0.8
    """Standard deviation of the logarithm of the pauses between sittings."""
    longest_pause_seconds: float = 1_500.0
    """Whoever would pause for longer is back by then; below the journey's session timeout."""
    basket: Basket | None = None
    sign_in: str = "log_in"
    """The event from which on it is known, on that device, who the visitor is."""
    channel: str = "on_site"
    channels: Mapping[str, str] = field(default_factory=dict)
    """The channel of each event that has one of its own."""
    outreach: tuple[Outreach, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every event that can happen, in a fixed order; the position is its code."""
        found: dict[str, None] = {}
        for place in self.places:
            found.update(dict.fromkeys((*place.entry, *place.events)))
            if place.back > 0:
                found[place.back_event] = None
        found.update(dict.fromkeys(self.goal_events))
        found.update(dict.fromkeys(name for names in self.touchpoints.values() for name in names))
        found.update(dict.fromkeys(("intervention_shown", "intervention_clicked", "intervention_dismissed")))
        return tuple(found)
