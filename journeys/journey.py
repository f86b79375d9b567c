"""A journey: what people try to do, how it can end, what is measured on the way and what can be done."""

from collections.abc import Mapping
from dataclasses import dataclass

from decisions.intervention import Intervention
from features.friction import Friction
from features.scan import DeclarationError
from features.table import Feature, FeatureTable, Stage, nearest


@dataclass(frozen=True, slots=True)
class Ends:
    """How a session can end; names of events.

    ``goal`` is success, ``abandoned`` a declared abandonment, ``competing`` an end that is neither (a declined loan). ``closes``
    are further events after which nothing is predicted because they give the end away. Silence past the session
    timeout is an abandonment too unless ``silence_abandons`` is false, in which case such a session is censored.
    """

    goal: tuple[str, ...]
    abandoned: tuple[str, ...] = ()
    competing: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    silence_abandons: bool = True


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the recommendation maximises and how far it may explore.

    ``goal_value`` is what one goal is worth, in the unit of the interventions' costs. Below ``low_risk`` nothing is recommended.
    ``exploration`` is the total probability, over the eligible interventions, of not taking the best (at most .04);
    ``holdout`` the share of visitors who never see any intervention; ``annoyance`` the cost of interrupting at all;
    ``session_cap`` the most interventions a session may see.
    """

    goal_value: float
    low_risk: float = 0.5
    exploration: float = 0.04
    holdout: float = 0.05
    annoyance: float = 0.0
    session_cap: int = 2


@dataclass(frozen=True)
class Journey:
    """All that dropoff knows about one journey; validated when made.

    Durations are seconds. ``horizon_seconds`` is how far ahead the label looks; None for the session's end. ``events``
    maps each event name to what it means; ``properties`` each property to what it means, with its unit.
    ``idle_ticks_seconds`` are the silences after an event at which the session is looked at again.
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
    timezone: str = "UTC"
    owner: str = ""

    def __post_init__(self) -> None:
        _ = self.table
        self._check_ends()
        self._check_interventions()
        if not self.session_timeout_seconds > 0:
            raise DeclarationError(f"journey {self.name!r}: session_timeout_seconds must be positive")
        if any(not 0 < tick < self.session_timeout_seconds for tick in self.idle_ticks_seconds):
            raise DeclarationError(f"journey {self.name!r}: idle ticks lie between 0 and the session timeout")
        if not 0 <= self.policy.exploration <= 0.04:
            raise DeclarationError(
                f"journey {self.name!r}: exploration is at most .04, not {self.policy.exploration}"
            )

    @property
    def table(self) -> FeatureTable:
        """The part that the feature engine needs."""
        return FeatureTable(tuple(self.events), self.stages, self.features, self.timezone)

    @property
    def frictions(self) -> tuple[Friction, ...]:
        """The addressable frictions that the features give evidence of, in order of first use."""
        used = dict.fromkeys(feature.friction for feature in self.features)
        return tuple(friction for friction in used if friction.addressable)

    def _check_ends(self) -> None:
        ends = self.ends
        if not ends.goal:
            raise DeclarationError(f"journey {self.name!r}: Ends(goal=(...)) needs at least one event name")
        for name in (*ends.goal, *ends.abandoned, *ends.competing, *ends.closes):
            if name not in self.events:
                meant = ", ".join(nearest(name, tuple(self.events)))
                raise DeclarationError(
                    f"journey {self.name!r}: the end {name!r} is no event; did you mean {meant}?"
                )
        kinds = [*ends.goal, *ends.abandoned, *ends.competing]
        if len(set(kinds)) != len(kinds):
            raise DeclarationError(
                f"journey {self.name!r}: an event can be only one of goal, abandoned and competing"
            )

    def _check_interventions(self) -> None:
        names = [intervention.name for intervention in self.interventions]
        for name in names:
            if names.count(name) > 1:
                raise DeclarationError(f"journey {self.name!r}: intervention {name!r} is declared twice")
        stages = {stage.name for stage in self.stages}
        for intervention in self.interventions:
            for stage in intervention.stages:
                if stage not in stages:
                    meant = ", ".join(nearest(stage, sorted(stages)))
                    raise DeclarationError(
                        f"intervention {intervention.name!r}: {stage!r} is no stage; did you mean {meant}?"
                    )
        treated = {friction for intervention in self.interventions for friction in intervention.treats}
        for friction in self.frictions:
            if friction not in treated:
                raise DeclarationError(
                    f"journey {self.name!r}: no intervention treats {friction.name!r}; "
                    f"add one with treats=(Friction.{friction.name.upper()},) or give its features another friction"
                )
