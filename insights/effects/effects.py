"""Effects of every intervention on every blocker, by stage or cohort if wanted: measured, shrunk, judged, ranked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from decisions.intervention import Intervention
from decisions.logged import BoolArray, LoggedDecisions, Texts
from decisions.policy import PolicySettings
from features.events import US_PER_SECOND, IntArray
from insights.effects.cells import Measured, measure_effect
from insights.effects.knowledge import Belief, Knowledge, break_even, judge, people_needed, worth_of_knowing
from insights.effects.shrink import shrink
from insights.intervals import Estimate
from journeys.journey import Journey

NO_BLOCKER = "none named"
"""Where the diagnosis names no blocker."""
STAGE = "stage"
_WEEK_US = 7 * 86_400 * US_PER_SECOND


class EffectsError(ValueError):
    """Effects cannot be measured on these decisions; one sentence that says what to do."""


class Match(StrEnum):
    """Whether an intervention is declared to treat the blocker."""

    TREATS = "treats it"
    OTHER = "not declared to"


@dataclass(frozen=True, slots=True)
class Effect:
    """One intervention where one blocker was named first, in one group if there are groups.

    ``belief`` is the shrunk effect, or the declared one where none is measured; ``own`` how much of the shrunk effect
    is the cell's own, 1 for all. ``least`` is the effect from which showing pays, None where it never does.
    ``confidence`` is the mean confidence in the frictions that it treats. Per week: ``decisions``, in which it could
    have been shown, and ``worth_of_knowing``. ``people_needed`` are those of a test that would tell.
    """

    blocker: str
    intervention: str
    match: Match
    group: str
    measured: Measured
    belief: Belief
    own: float
    least: float | None
    knowledge: Knowledge
    confidence: float
    decisions: float
    worth_of_knowing: float
    people_needed: int | None


@dataclass(frozen=True, slots=True)
class Effects:
    """All effects of a journey over the decisions from ``first_us`` to ``last_us``.

    ``grouped_by`` is empty for no groups; ``overall`` are the interventions over all blockers. ``at_unknown_odds`` are
    decisions without propensities, which are left out.
    """

    journey: str
    first_us: int
    last_us: int
    decisions: int
    people: int
    at_unknown_odds: int
    grouped_by: str
    cells: tuple[Effect, ...]
    overall: tuple[Effect, ...]

    @property
    def worth_testing(self) -> tuple[Effect, ...]:
        """What is not known and would be worth most to know, the best first."""
        open_ones = [
            one for one in self.cells if one.knowledge in (Knowledge.UNKNOWN, Knowledge.UNTRIED) and one.decisions
        ]
        return tuple(sorted(open_ones, key=lambda one: -one.worth_of_knowing))


def measure_effects(journey: Journey, logged: LoggedDecisions, by: str = "") -> Effects:
    """Return the effects, for each stage or value of a cohort where ``by`` names one; raises :class:`EffectsError`."""
    known = np.isfinite(logged.propensities.sum(axis=1))
    unknown = int((~known).sum())
    logged = logged.take(known)
    if not len(logged):
        told = f": all {unknown:,} were made at unknown odds" if unknown else ""
        raise EffectsError(
            f"there are no decisions of {journey.name} whose outcome and odds are known{told}; let the service decide, "
            "or give --decisions"
        )
    weeks = max(1.0, (int(logged.at_us.max()) - int(logged.at_us.min())) / _WEEK_US)
    first = first_named(logged)
    cells = [
        _Cell(name, intervention, group, chosen)
        for group, among in groups_of(logged, by)
        for place, name in enumerate((*logged.frictions, NO_BLOCKER))
        if (chosen := among & (first == (place if place < len(logged.frictions) else -1))).any()
        for intervention in journey.interventions
        if intervention.name in logged.options and _could_be(intervention, name, logged, chosen)
    ]
    everywhere = np.ones(len(logged), np.bool_)
    overall = [_Cell("", one, "", everywhere) for one in journey.interventions if one.name in logged.options]
    return Effects(
        journey=journey.name,
        first_us=int(logged.at_us.min()),
        last_us=int(logged.at_us.max()),
        decisions=len(logged),
        people=len(np.unique(logged.units)),
        at_unknown_odds=unknown,
        grouped_by=by,
        cells=tuple(_judged(cells, logged, journey.policy, weeks)),
        overall=tuple(_judged(overall, logged, journey.policy, weeks)),
    )


def first_named(logged: LoggedDecisions) -> IntArray:
    """Return the place of the friction that is named first in each decision (N,), -1 where none is."""
    from decisions.diagnosis import first_blockers

    return first_blockers(logged.confidence)


def groups_of(logged: LoggedDecisions, by: str) -> list[tuple[str, BoolArray]]:
    """Return the groups of the decisions with their masks (N,): one nameless group where ``by`` is empty."""
    if not by:
        return [("", np.ones(len(logged), np.bool_))]
    if by == STAGE:
        values: Texts = np.array([*logged.stages, ""], object)[logged.stage]
        names: Sequence[str] = logged.stages
    elif by in logged.cohorts:
        values = logged.cohorts[by]
        names = sorted({str(value) for value in values.tolist() if value})
    else:
        known = ", ".join((STAGE, *logged.cohorts))
        raise EffectsError(f"the decisions cannot be told apart by {by!r}; there is {known}")
    return [(name, found) for name in names if (found := np.asarray(values == name, np.bool_)).any()]


def _could_be(intervention: Intervention, blocker: str, logged: LoggedDecisions, chosen: BoolArray) -> bool:
    """Whether an intervention is meant for the blocker or was, for all that, open to chance among these decisions."""
    offered = logged.eligible[chosen, logged.options.index(intervention.name)].any()
    return bool(offered) or blocker in _names(intervention)


@dataclass(frozen=True)
class _Cell:
    blocker: str
    intervention: Intervention
    group: str
    chosen: BoolArray

    @property
    def match(self) -> Match:
        return Match.TREATS if self.blocker in _names(self.intervention) or not self.blocker else Match.OTHER


def _judged(
    cells: Sequence[_Cell], logged: LoggedDecisions, settings: PolicySettings, weeks: float
) -> Iterator[Effect]:
    measured = [measure_effect(logged, logged.options.index(cell.intervention.name), cell.chosen) for cell in cells]
    beliefs = _believe(cells, measured, logged)
    for cell, found, (belief, own) in zip(cells, measured, beliefs, strict=True):
        place = logged.options.index(cell.intervention.name)
        could = cell.chosen & logged.eligible[:, place] & logged.eligible[:, 0]
        per_week = float(could.sum()) / weeks
        base = float(1 - logged.risk[cell.chosen].mean()) if found.base is None else found.base
        least = break_even(cell.intervention, base, settings)
        yield Effect(
            blocker=cell.blocker,
            intervention=cell.intervention.name,
            match=cell.match,
            group=cell.group,
            measured=found,
            belief=belief,
            own=own,
            least=least,
            knowledge=judge(belief, least),
            confidence=_confidence(cell, logged),
            decisions=per_week,
            worth_of_knowing=per_week * worth_of_knowing(belief, least, cell.intervention, settings),
            people_needed=people_needed(belief, base, least),
        )


def _believe(
    cells: Sequence[_Cell], measured: Sequence[Measured], logged: LoggedDecisions
) -> list[tuple[Belief, float]]:
    """Return what is believed of each cell: cells whose interventions do, and do not, treat the blocker go apart."""
    found: dict[int, tuple[Belief, float]] = {}
    for match in Match:
        places = [
            place
            for place, (cell, one) in enumerate(zip(cells, measured, strict=True))
            if cell.match is match and one.effect is not None
        ]
        known = [(one.effect.value, one.error) for one in map(measured.__getitem__, places) if one.effect and one.error]
        shrunk = shrink([effect for effect, _ in known], [error for _, error in known])
        for place, cell_shrunk in zip(places, shrunk, strict=True):
            belief = Belief(cell_shrunk.effect, cell_shrunk.deviation, is_measured=True)
            found[place] = belief, cell_shrunk.own
    return [found[place] if place in found else (_declared(cell, logged), 0.0) for place, cell in enumerate(cells)]


def _declared(cell: _Cell, logged: LoggedDecisions) -> Belief:
    """Return what the journey declares, diluted by how sure it is that the blocker stands in the way at all."""
    share = _confidence(cell, logged)
    return Belief(cell.intervention.prior_effect * share, cell.intervention.deviation * share, is_measured=False)


def _confidence(cell: _Cell, logged: LoggedDecisions) -> float:
    treated = [place for place, name in enumerate(logged.frictions) if name in _names(cell.intervention)]
    return float(logged.confidence[cell.chosen][:, treated].sum(axis=1).mean()) if treated else 0.0


def _names(intervention: Intervention) -> frozenset[str]:
    return frozenset(friction.name for friction in intervention.treats)


def interval_of(effect: Effect) -> Estimate | None:
    """Return the shrunk effect with its interval; None where nothing is measured."""
    return effect.belief.interval if effect.belief.is_measured else None
