"""What moved between two periods of the same length: sessions, the goal, and the exits of every stage."""

from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist

from insights.days import day_of
from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import Estimate, subtract
from insights.overview import exits_by_stage, total
from journeys.journey import Journey


@dataclass(frozen=True, slots=True)
class Move:
    """A share in a period and in the one before; ``stage`` is None for the goal.

    ``difference`` has a 95 % interval. It is ``beyond_chance`` where an interval that is wider by as much as so many
    comparisons need (Bonferroni) still leaves zero out.
    """

    name: str
    stage: str | None
    now: Estimate
    before: Estimate
    difference: Estimate
    beyond_chance: bool

    def describe(self) -> str:
        """Return the move in a sentence."""
        told = (
            f"{self.name}: {self.now.value:.1%}, before {self.before.value:.1%}; a difference of "
            f"{100 * self.difference.value:+.1f} points (95 % interval {100 * self.difference.low:+.1f} to "
            f"{100 * self.difference.high:+.1f})"
        )
        return f"{told}." if self.beyond_chance else f"{told}, no more than chance may bring."


def moves_between(journey: Journey, facts: Facts, since: date, until: date) -> tuple[Move, ...]:
    """Return what the sessions that began from ``since`` to ``until`` did, beside as many days just before.

    Moves beyond chance go first, the largest at the front. Empty where the log does not reach back so far.
    """
    days = (until - since).days + 1
    earlier = Filters(since=since - timedelta(days), until=since - timedelta(1))
    first = day_of(facts.first_at_us, facts.timezone)
    if earlier.since is None or earlier.since < first:
        return ()
    stages = [stage.name for stage in journey.stages]
    told: list[dict[tuple[str, str | None], Estimate | None]] = []
    for period in (Filters(since=since, until=until), earlier):
        with facts.connect(period) as connection:
            rates: dict[tuple[str, str | None], Estimate | None] = {
                ("Sessions that reached the goal", None): total(connection).conversion
            }
            rates |= {(f"Left at {one.stage}", one.stage): one.rate for one in exits_by_stage(connection, stages)}
            told.append(rates)
    moves = []
    for (name, stage), now in told[0].items():
        before = told[1].get((name, stage))
        if now is not None and before is not None:
            difference = subtract(now, before)
            moves.append(Move(name, stage, now, before, difference, _beyond_chance(difference, len(told[0]))))
    return tuple(sorted(moves, key=lambda move: (not move.beyond_chance, -abs(move.difference.value))))


def _beyond_chance(difference: Estimate, comparisons: int) -> bool:
    normal = NormalDist()
    wider = normal.inv_cdf(1 - 0.025 / comparisons) / normal.inv_cdf(1 - 0.025)
    value = difference.value
    low, high = value - wider * (value - difference.low), value + wider * (difference.high - value)
    return not low <= 0 <= high
