"""Any two cohorts side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from insights.cohort_sums import MIXED, Key, Pair, Value, find_medians, set_cohorts, sum_cohorts
from insights.cohorts import ENDINGS, CohortError, find_shown, name_value, require_dimension, size_cohorts
from insights.comparisons import Correction, p_of_shares
from insights.contrasts import Contrast, contrast_means, contrast_shares, correct
from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import divide, subtract
from insights.suppression import min_cell
from journeys.journey import Journey

_ONE, _OTHER = "one", "other"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One cohort: a dimension and its value, None for the sessions of which it is not known."""

    dimension: str
    value: Value

    def __str__(self) -> str:
        return f"{self.dimension}={name_value(self.dimension, self.value)}"

    @classmethod
    def parse(cls, text: str, journey: Journey) -> "Chosen":
        """Return the cohort of ``dimension=value``; an empty value stands for what is not known."""
        dimension, equals, value = text.partition("=")
        if not equals:
            raise CohortError(f"{text[:60]!r} is no cohort; write it like device=mobile")
        require_dimension(journey, dimension.strip())
        return cls(dimension.strip(), value.strip() or None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two cohorts in every figure that means something for both; adjusted over all figures of the comparison.

    ``in_both`` sessions belong to both cohorts and are left out. ``is_of_exits``: a cohort is about how sessions
    ended, so that only abandoned sessions of both are compared.
    """

    one: Chosen
    other: Chosen
    sessions: tuple[int, int]
    visitors: tuple[int, int]
    in_both: int
    is_of_exits: bool
    contrasts: tuple[Contrast, ...]
    correction: Correction


def compare_cohorts(
    facts: Facts,
    journey: Journey,
    one: Chosen,
    other: Chosen,
    filters: Filters | None = None,
    *,
    correction: Correction = Correction.DISCOVERY,
    least: int | None = None,
) -> Comparison:
    """Return two cohorts side by side; raises :class:`CohortError` where one is empty or too small to be shown."""
    if one == other:
        raise CohortError(f"{one} is one cohort; name two, like device=mobile,device=desktop")
    least = min_cell() if least is None else least
    is_of_exits = one.dimension in ENDINGS or other.dimension in ENDINGS
    condition = "outcome = 'abandoned'" if is_of_exits else "true"
    of_one, of_other = _condition(one), _condition(other)
    with facts.connect(filters) as connection:
        for cohort in (one, other):
            _require_shown(connection, cohort, least)
        overlap, few = connection.execute(
            f"SELECT count(*), count(DISTINCT visitor_id) FROM sessions WHERE {condition} AND {of_one} AND {of_other}"
        ).fetchall()[0]
        expression = f"CASE WHEN {of_one} THEN '{_ONE}' ELSE '{_OTHER}' END"
        set_cohorts(connection, expression, f"{condition} AND ({of_one}) <> ({of_other})")
        counts = {
            cohort: (sessions, visitors)
            for cohort, sessions, visitors in connection.execute(
                "SELECT cohort, count(*), count(DISTINCT visitor) FROM compared GROUP BY cohort"
            ).fetchall()
        }
        parted = [counts.get(name, (0, 0)) for name in (_ONE, _OTHER)]
        if 0 < few < least:
            raise CohortError(f"{one} and {other} have fewer than {least} visitors in common, of whom nothing is told")
        if min(visitors for _, visitors in parted) < max(1, least):
            raise CohortError(f"{one} and {other} are nearly the same: fewer than {max(1, least)} visitors part them")
        own = {one.dimension, other.dimension}
        mixed = tuple(column for column in MIXED if column not in own) if is_of_exits else ()
        sums = sum_cohorts(connection, mixed)
        contrasts = [_contrast(key, sums, journey, (str(one), str(other)), least) for key in sorted(sums)]
        contrasts.append(_medians(connection, str(one), str(other)))
    return Comparison(
        one=one,
        other=other,
        sessions=(parted[0][0], parted[1][0]),
        visitors=(parted[0][1], parted[1][1]),
        in_both=overlap,
        is_of_exits=is_of_exits,
        contrasts=correct(contrasts, correction),
        correction=correction,
    )


def _require_shown(connection: duckdb.DuckDBPyConnection, cohort: Chosen, least: int) -> None:
    shown = find_shown(*size_cohorts(connection, cohort.dimension), least)
    if cohort.value not in shown:
        known = ", ".join(name_value(cohort.dimension, value) for value in shown) or "nothing that is shown"
        few = f", or one with too few visitors to be shown (fewer than {least})" if least > 1 else ""
        raise CohortError(f"there is no cohort {cohort}{few}; {cohort.dimension} is {known}")


def _contrast(
    key: Key, sums: Mapping[Key, Mapping[Value, Pair]], journey: Journey, names: tuple[str, str], least: int
) -> Contrast | None:
    kind, label = key
    one, other = sums[key].get(_ONE), sums[key].get(_OTHER)
    if one is None or other is None:
        return None
    if kind == "revenue":
        return contrast_means(kind, label, *names, one.own, other.own) if journey.revenue else None
    if kind == "abandonment" and not journey.ends.competing:
        return None
    if kind == "exit":
        # Exits also tell how few reached the next stage.
        following = sums.get((kind, str(int(label) + 1)), {}).values()
        if any(0 < each.own.people < least for each in (one, other, *following)):
            return None
        label = journey.stages[int(label)].name
    elif kind in MIXED and any(0 < each.hit < least for each in (one, other)):
        return None
    return contrast_shares(kind, label, *names, one.own, other.own)


def _medians(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> Contrast | None:
    """Return the median seconds of a session side by side.

    The p-value is that of the median test: whether as many of either lie above their common median (Mood 1954, Annals
    of Mathematical Statistics 25).
    """
    medians = find_medians(connection)
    of_one, of_other = medians.get((-1, _ONE)), medians.get((-1, _OTHER))
    if of_one is None or of_other is None:
        return None
    above = {
        cohort: (hits, count)
        for cohort, hits, count in connection.execute(
            """SELECT cohort, count(*) FILTER (WHERE seconds > middle), count(*)
            FROM compared CROSS JOIN (SELECT median(seconds) AS middle FROM compared WHERE outcome <> 'open')
            WHERE outcome <> 'open' GROUP BY cohort"""
        ).fetchall()
    }
    p_value = p_of_shares(*above[_ONE], *above[_OTHER])
    difference = subtract(of_one, of_other)
    return Contrast("seconds", "", one, other, of_one, of_other, difference, divide(of_one, of_other), p_value)


def _condition(cohort: Chosen) -> str:
    if cohort.value is None:
        return f'"{cohort.dimension}" IS NULL'
    value = cohort.value.replace("'", "''")
    return f"\"{cohort.dimension}\" IS NOT DISTINCT FROM '{value}'"
