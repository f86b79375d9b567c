"""The analysis of an experiment: from people, and what was asked, to verdict, effects, checks and segments."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from decisions.sequences import tune
from insights.experiments.compare import compare
from insights.experiments.effects import Measured, correct, effects_of, measure_arms, tuning_for, two_sided_p
from insights.experiments.guards import check_guard
from insights.experiments.join import join, late_covariates
from insights.experiments.moments import WINSORISED, Rows, gather
from insights.experiments.people import ExposureTable, OutcomeTable, People
from insights.experiments.question import AnalysisError, Question
from insights.experiments.ratio import check_ratio
from insights.experiments.result import Analysis, GuardCheck, Look, Role
from insights.experiments.segments import effects_in_segments
from insights.experiments.sequence import looks_of
from insights.experiments.sizing import MetricKind
from insights.experiments.verdict import Found, decide

IMBALANCED = 1e-5
"""A covariate that differs between the arms with a smaller p-value was hardly known before the exposure."""


def analyse(
    exposures: ExposureTable, outcomes: OutcomeTable, question: Question, *, known_until_us: int | None = None
) -> Analysis:
    """Return the analysis of an experiment; raises :class:`AnalysisError` where there is nothing to analyse."""
    people = join(exposures, outcomes, question, known_until_us=known_until_us)
    return analyse_people(people, question, late_covariates(exposures))


def analyse_people(people: People, question: Question, late: Mapping[str, str] | None = None) -> Analysis:
    """Return the analysis of people who are joined already; ``late`` are covariates to refuse, with the reason."""
    if not len(people):
        raise AnalysisError(
            "nobody is left to compare: no exposure has had its whole window yet, or all came after the planned end"
        )
    tuning = tune(question.planned_per_arm)
    covariates, refused = _choose_covariates(people, question, late or {})
    measured = {one.name: measure_arms(people, one, covariates) for one in question.measures}
    tunings = {name: tuning_for(one, tuning) for name, one in measured.items()}
    tuning = tunings[question.primary.name]
    primary = effects_of(measured[question.primary.name], people, question, tuning, Role.PRIMARY)
    guards = [
        check_guard(guard, measured[guard.measure.name], effect, people, question, tunings[guard.measure.name])
        for guard in question.guards
        for effect in effects_of(
            measured[guard.measure.name], people, question, tunings[guard.measure.name], Role.GUARDRAIL
        )
    ]
    secondary = [
        effect
        for one in question.secondary
        for effect in effects_of(measured[one.name], people, question, tunings[one.name], Role.SECONDARY)
    ]
    ratio = check_ratio(people, question)
    segments = effects_in_segments(measured[question.primary.name], people, question, tuning)
    asked = {name: why for name, why in refused.items() if question.covariates and name in question.covariates}
    decision, by_variant = decide(Found(people, question, tuning, primary, guards, ratio, segments, asked))
    alpha = question.alpha / (len(people.variants) - 1)
    sequence = {
        name: looks_of(measured[question.primary.name], people, arm, tuning, alpha)
        for arm, name in enumerate(people.variants)
        if arm
    }
    exposed = people.exposed_us
    return Analysis(
        decision=decision,
        by_variant=by_variant,
        rule=question.rule,
        alpha=question.alpha,
        power=question.power,
        hypothesis=question.hypothesis,
        variants=people.variants,
        people=ratio.observed,
        began_us=None if exposed is None else int(exposed[0]),
        ended_us=people.ends_us,
        primary=tuple(primary),
        guards=tuple(guards),
        secondary=tuple(correct(secondary)),
        sequence=sequence,
        ratio=ratio,
        segments=segments,
        counts=people.counts,
        covariates_refused=refused,
        start_per_arm=tuning.start_per_arm,
        narrowest_per_arm=tuning.narrowest_per_arm,
        notes=(*_first_clear(sequence), *_notes(people, measured, guards)),
    )


def _choose_covariates(
    people: People, question: Question, late: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the covariates to adjust for, and those that cannot be, each with the reason."""
    asked = question.covariates
    if asked is not None:
        strange = [name for name in asked if name not in people.covariates]
        if strange:
            known = ", ".join(people.covariates) or "none"
            raise AnalysisError(f"the exposures have no covariate {strange[0]!r}: they have {known}")
    measured = {part for one in question.measures for part in (one.outcome, one.per) if part}
    chosen, refused = [], {}
    for name, values in people.covariates.items():
        if asked is not None and name not in asked and not name.endswith(" before"):
            continue
        if name in measured or (asked is None and name in people.sums):
            refused[name] = "an outcome, which comes after the exposure"
        elif name in late:
            refused[name] = late[name]
        elif np.isnan(values).all():
            refused[name] = "known of nobody"
        elif _imbalance(people, name) < IMBALANCED:
            refused[name] = "different between the arms by more than chance, as what comes after an exposure is"
        else:
            chosen.append(name)
    return tuple(chosen), refused


def _imbalance(people: People, name: str) -> float:
    """Return the least p-value of a covariate's differences from the control, missing values as their own mean."""
    values = people.covariates[name]
    known = ~np.isnan(values)
    filled = np.where(known, values, values[known].mean())
    rows = Rows(np.column_stack([np.ones(len(people)), filled - filled.mean(), np.ones(len(people))]), 0.0, None)
    if people.propensities is not None:
        rows = replace(rows, weights=people.weights)
    moments = gather(rows, people.arm, len(people.variants))
    found = [compare(moments.of_arm(0), moments.of_arm(arm)) for arm in range(1, len(people.variants))]
    p_values = (
        two_sided_p(float(one.difference[0]), float(np.sqrt(one.variance[0])), float(one.freedom[0]))
        for one in found
        if np.isfinite(one.variance[0])
    )
    return min((p for p in p_values if p is not None), default=1.0)


def _first_clear(sequence: Mapping[str, tuple[Look, ...]]) -> Iterator[str]:
    """Yield when each sequence first left out zero: whoever looked then could have stopped."""
    for variant, looks in sequence.items():
        clear = next((look for look in looks if look.always_valid_low > 0 or look.always_valid_high < 0), None)
        if clear is not None and clear.at_us is not None:
            day = datetime.fromtimestamp(clear.at_us / 1e6, UTC).date()
            yield (
                f"The always-valid interval of {variant} first left out zero after {clear.control + clear.treated:,} "
                f"people, exposed by {day}."
            )


def _notes(people: People, measured: Mapping[str, Measured], guards: list[GuardCheck]) -> Iterator[str]:
    """Yield what has to be known to read the figures."""
    adjusted = next(iter(measured.values())).covariates
    if adjusted:
        yield f"Adjusted for {', '.join(adjusted)}: as known before the exposure, for which the tables answer."
    if people.exposed_us is None:
        yield "The exposures have no time: every outcome counts, and there is no sequence over time."
    if people.counts.crossed and not people.counts.crossed_dropped:
        yield f"{people.counts.crossed:,} people met two variants; they count for the one that they met first."
    if people.counts.crossed_dropped:
        yield f"{people.counts.crossed_dropped:,} people met two variants, nobody knows which first; they are left out."
    if people.propensities is not None:
        yield "People were assigned at odds of their own; each is weighted by one over them."
    for one in measured.values():
        if one.measure.kind is MetricKind.REVENUE and one.rows.winsorised_at is not None:
            yield (
                f"{one.measure.name} beyond {one.rows.winsorised_at:,.4g}, up or down, counts as that much: the "
                f"{WINSORISED:.0%} quantile of all who brought any, of all arms together."
            )
    if len(people.variants) > 2:
        yield "P-values of the primary metric are corrected over the variants (Holm), its intervals too (Bonferroni)."
    if guards:
        yield "Each guardrail is tested one-sided at alpha; all have to hold."
    yield "Segments are corrected over all of them (Benjamini and Hochberg); what stands out is to be tested anew."
