"""Cohorts side by side: how their sessions go, each against all the others, and small ones hidden.

Two kinds of cohorts are told apart. Those of the beginning (new or returning, device, source, a declared property) are
compared by what comes of their sessions. Those of the ending (blocker, problem type, furthest stage) are only defined
of sessions that were abandoned: nobody among them converted, so that what is compared is their share of the exits,
where they left, and with what device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from insights.cohort_parts import CohortStage, Mix, find_shown_stages, share_of, tell_mixes, tell_stages
from insights.cohort_sums import (
    MIXED,
    Key,
    Pair,
    Size,
    TopBlocker,
    Value,
    count_cohorts,
    find_medians,
    find_top_blockers,
    set_cohorts,
    sum_cohorts,
)
from insights.comparisons import Correction
from insights.contrasts import Contrast, contrast_means, contrast_shares, correct
from insights.facts import Facts
from insights.filters import Filters, dimensions
from insights.intervals import Estimate, estimate_mean
from insights.suppression import hide_parts, min_cell
from journeys.journey import Journey

ENDINGS = ("problem_type", "blocker", "stage")
"""Dimensions that say how a session ended, so that they cannot explain it."""

REST = "all others"


class CohortError(ValueError):
    """Cohorts that cannot be shown or compared; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """One cohort; ``value`` is None for the sessions of which it is not known.

    Of cohorts of the beginning ``share`` is their share of all sessions, and rates are of the sessions that have ended;
    ``seconds`` is the median of a session. Of cohorts of the ending there are only abandoned sessions: ``share`` is
    their share of those, and ``mix`` says where and with what they left.
    """

    value: Value
    sessions: int
    visitors: int
    share: Estimate
    conversion: Estimate | None
    abandonment: Estimate | None
    revenue: Estimate | None
    seconds: Estimate | None
    stages: tuple[CohortStage, ...]
    blocker: TopBlocker | None
    mix: tuple[Mix, ...]


@dataclass(frozen=True, slots=True)
class Cohorts:
    """All cohorts of a dimension, the largest first; ``hidden`` more have too few visitors, or would tell of such.

    ``against_rest`` compares each with all sessions that are not in it; adjusted over all comparisons of the table.
    """

    dimension: str
    is_ending: bool
    sessions: int | None
    visitors: int | None
    least_visitors: int
    cohorts: tuple[Cohort, ...]
    hidden: int
    hidden_sessions: int | None
    against_rest: tuple[Contrast, ...]
    correction: Correction


def describe_cohorts(
    facts: Facts,
    journey: Journey,
    dimension: str,
    filters: Filters | None = None,
    *,
    correction: Correction = Correction.DISCOVERY,
    least: int | None = None,
) -> Cohorts:
    """Return the cohorts of a dimension; raises :class:`CohortError` for a dimension the journey does not have.

    ``least`` is how few visitors are hidden below, by default what ``suppression.min_cell`` says.
    """
    require_dimension(journey, dimension)
    least = min_cell() if least is None else least
    is_ending = dimension in ENDINGS
    mixed = _mixed(dimension)
    with facts.connect(filters) as connection:
        sizes, visitors = size_cohorts(connection, dimension)
        sums = sum_cohorts(connection, mixed)
        medians = find_medians(connection)
        blockers = {} if dimension == "blocker" else find_top_blockers(connection)
    values, shown = list(sizes), find_shown(sizes, visitors, least)
    is_shown = visitors >= least
    stages = find_shown_stages(journey, values, shown, sums, least)
    mixes = tell_mixes(journey, values, shown, sums, least) if is_ending else {}
    total = sum(size.sessions for size in sizes.values())
    cohorts = tuple(
        Cohort(
            value=value,
            sessions=sizes[value].sessions,
            visitors=sizes[value].visitors,
            share=share_of(sizes[value].share),
            conversion=_rate(sums, ("conversion", ""), value),
            abandonment=_rate(sums, ("abandonment", ""), value),
            revenue=_revenue(sums, value) if journey.revenue else None,
            seconds=medians.get((-1, value)),
            stages=() if is_ending else tell_stages(journey, value, sums, medians, stages),
            blocker=blockers.get(value),
            mix=mixes.get(value, ()),
        )
        for value in shown
    )
    return Cohorts(
        dimension=dimension,
        is_ending=is_ending,
        sessions=total if is_shown else None,
        visitors=visitors if is_shown else None,
        least_visitors=least,
        cohorts=cohorts,
        hidden=len(values) - len(shown),
        hidden_sessions=total - sum(cohort.sessions for cohort in cohorts) if is_shown else None,
        against_rest=correct(_against_rest(journey, dimension, cohorts, sums), correction),
        correction=correction,
    )


def size_cohorts(connection: duckdb.DuckDBPyConnection, dimension: str) -> tuple[dict[Value, Size], int]:
    """Return how large each cohort of a dimension is, and how many visitors all have; makes the table ``compared``."""
    set_cohorts(connection, f'"{dimension}"', "outcome = 'abandoned'" if dimension in ENDINGS else "true")
    return count_cohorts(connection)


def find_shown(sizes: Mapping[Value, Size], visitors: int, least: int) -> list[Value]:
    """Return the cohorts that are shown, the largest first."""
    hidden = hide_parts([size.visitors for size in sizes.values()], visitors, least).tolist()
    return [value for value, is_hidden in zip(sizes, hidden, strict=False) if not is_hidden]


def require_dimension(journey: Journey, dimension: str) -> None:
    """Raise :class:`CohortError` for what sessions of the journey cannot be told apart by."""
    if dimension not in dimensions(journey):
        known = ", ".join(dimensions(journey))
        raise CohortError(f"sessions of {journey.name} cannot be told apart by {dimension[:60]!r}; there is {known}")


def name_value(dimension: str, value: Value) -> str:
    """Return how a cohort is written."""
    if value is not None:
        return value
    return {"blocker": "none named", "problem_type": "none named", "stage": "before the first"}.get(
        dimension, "not known"
    )


def _mixed(dimension: str) -> tuple[str, ...]:
    """Return what the exits of an ending's cohorts are told apart by: a blocker has but one problem type."""
    if dimension not in ENDINGS:
        return ()
    return tuple(
        column for column in MIXED if column != dimension and (dimension, column) != ("problem_type", "blocker")
    )


def _against_rest(
    journey: Journey, dimension: str, cohorts: Sequence[Cohort], sums: Mapping[Key, Mapping[Value, Pair]]
) -> list[Contrast | None]:
    found: list[Contrast | None] = []
    for cohort in cohorts:
        name = name_value(dimension, cohort.value)
        for kind, label in sorted(sums):
            pair = sums[kind, label].get(cohort.value)
            if pair is None:
                continue
            match kind:
                case "revenue":
                    if journey.revenue:
                        found.append(contrast_means(kind, label, name, REST, pair.own, pair.rest))
                case "exit":
                    if cohort.stages[int(label)].exit_rate:
                        stage = journey.stages[int(label)].name
                        found.append(contrast_shares(kind, stage, name, REST, pair.own, pair.rest))
                case "abandonment":
                    # Without competing ends it is what conversion leaves.
                    if journey.ends.competing:
                        found.append(contrast_shares(kind, label, name, REST, pair.own, pair.rest))
                case "conversion":
                    found.append(contrast_shares(kind, label, name, REST, pair.own, pair.rest))
                case _:
                    if any(mix.share for mix in cohort.mix if (mix.kind, mix.label) == (kind, label)):
                        found.append(contrast_shares(kind, label, name, REST, pair.own, pair.rest))
    return found


def _rate(sums: Mapping[Key, Mapping[Value, Pair]], key: Key, value: Value) -> Estimate | None:
    pair = sums.get(key, {}).get(value)
    return share_of(pair.own) if pair else None


def _revenue(sums: Mapping[Key, Mapping[Value, Pair]], value: Value) -> Estimate | None:
    pair = sums.get(("revenue", ""), {}).get(value)
    return estimate_mean(pair.own) if pair else None
