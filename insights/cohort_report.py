"""All that is asked of cohorts at once: tables, what to know when reading them, and the same as a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from insights.associations import find_associations
from insights.cohort_pairs import Chosen, compare_cohorts
from insights.cohort_tables import (
    CAVEAT,
    MARKED,
    OF_ENDINGS,
    STEPS,
    association_table,
    cohort_notes,
    cohort_tables,
    comparison_table,
    corrected,
    to_json,
)
from insights.cohorts import CohortError, describe_cohorts
from insights.comparisons import Correction
from insights.facts import Facts
from insights.filters import Filters
from journeys.journey import Journey
from journeys.tables import FittedTable


@dataclass(frozen=True, slots=True)
class CohortReport:
    """Tables for a terminal, sentences to go with them, and all figures as JSON holds them."""

    tables: tuple[FittedTable, ...]
    notes: tuple[str, ...]
    figures: dict[str, Any]


def report_cohorts(
    facts: Facts,
    journey: Journey,
    by: str,
    *,
    compare: str | None = None,
    progress_from: str | None = None,
    only: Sequence[str] = (),
    correction: str = Correction.DISCOVERY,
) -> CohortReport:
    """Return the cohorts of a dimension, or two of ``compare``, and what goes with progress from a stage.

    ``only`` are filters as they stand in a page's address. Raises :class:`CohortError` and ``FilterError``.
    """
    if correction not in tuple(Correction):
        raise CohortError(f"there is no correction {correction[:60]!r}; write one of {', '.join(Correction)}")
    how = Correction(correction)
    filters = Filters.from_query([_pair(one) for one in only], journey)
    tables: list[FittedTable] = []
    notes: list[str] = []
    figures: dict[str, Any] = {"journey": journey.name, "filters": filters.to_query(), "correction": str(how)}
    if compare is None:
        cohorts = describe_cohorts(facts, journey, by, filters, correction=how)
        tables += cohort_tables(cohorts)
        notes += [*cohort_notes(cohorts), MARKED + corrected(how, len(cohorts.against_rest))]
        figures["cohorts"] = to_json(cohorts)
    else:
        names = compare.split(",")
        if len(names) != 2:
            raise CohortError(
                f"{compare[:60]!r} names {len(names)} cohorts; name two, like device=mobile,device=desktop"
            )
        one, other = (Chosen.parse(name, journey) for name in names)
        comparison = compare_cohorts(facts, journey, one, other, filters, correction=how)
        tables.append(comparison_table(comparison))
        notes += [OF_ENDINGS] if comparison.is_of_exits else []
        notes.append(MARKED + corrected(how, len(comparison.contrasts)))
        figures["comparison"] = to_json(comparison)
    if progress_from is not None:
        associations = find_associations(facts, journey, filters, stage=progress_from, correction=how)
        tables.append(association_table(associations, progress_from))
        notes += [corrected(how, len(associations.associations)), STEPS]
        figures["associations"] = to_json(associations)
    return CohortReport(tuple(tables), (*notes, CAVEAT), figures)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not value:
        raise CohortError(f"{text[:60]!r} chooses no sessions; write it like device=mobile or since=2026-06-01")
    return name, value
