"""Exposures and outcomes, joined to people: each once, in one arm, with what they did after their exposure.

Nothing is used silently: what is left out, and what is put right, is counted in ``RowCounts``.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from decisions.experiments import StoppingRule
from decisions.logged import BoolArray, Texts
from features.events import FloatArray, IntArray
from insights.experiments.people import ExposureTable, OutcomeTable, People, RowCounts
from insights.experiments.question import AnalysisError, Question

UNKNOWN_US = np.iinfo(np.int64).min
"""A moment that is not known, in a table where others are."""
CONTROLS = ("control", "nothing", "baseline", "holdout", "off", "a", "0", "false")
"""Names of which the first that is a variant is the control, where none is named."""
BEFORE = "{} before"
"""The covariate of what somebody did before the exposure."""


def join(
    exposures: ExposureTable, outcomes: OutcomeTable, question: Question, *, known_until_us: int | None = None
) -> People:
    """Return the people of an experiment in the order of their exposure.

    ``known_until_us`` is the moment up to which outcomes are known, by default the latest in the tables. Raises
    :class:`AnalysisError`.
    """
    import pandas as pd

    usable = _usable(exposures.units, exposures.at_us) & (exposures.variants != "")
    if not usable.any():
        raise AnalysisError("no exposure names a unit and a variant, so there is nobody to compare")
    rows = np.flatnonzero(usable)
    codes, units = pd.factorize(exposures.units[rows], sort=True)
    codes = codes.astype(np.int64)
    variants = _variants(exposures.variants[rows], question)
    arm = pd.Index(variants).get_indexer(pd.Index(exposures.variants[rows])).astype(np.int64)
    at = np.zeros(len(rows), np.int64) if exposures.at_us is None else exposures.at_us[rows]
    order = np.lexsort((arm, at, codes))
    first = order[np.unique(codes[order], return_index=True)[1]]
    crossed = np.bincount(codes, arm != arm[first][codes], len(units)) > 0
    counts = RowCounts(
        exposure_rows=len(exposures),
        unusable_exposures=int(len(exposures) - len(rows)),
        repeated_exposures=int(np.sum(arm == arm[first][codes]) - len(units)),
        crossed=int(crossed.sum()),
        crossed_dropped=0 if exposures.at_us is not None else int(crossed.sum()),
        outcome_rows=len(outcomes),
    )
    exposed = at[first]
    sums, earlier, counts, latest = _outcomes(
        outcomes, units, None if exposures.at_us is None else exposed, question, counts
    )
    ends = known_until_us
    if ends is None and exposures.at_us is not None:
        ends = int(max(exposed.max(), latest))
    kept = ~crossed if exposures.at_us is None else np.ones(len(units), np.bool_)
    if question.rule is StoppingRule.FIXED and exposures.at_us is not None:
        beyond = exposed > _horizon_us(exposed, len(variants), question)
        counts = replace(counts, after_horizon=int(beyond.sum()))
        kept &= ~beyond
    if question.window_us is not None and ends is not None and exposures.at_us is not None:
        recent = kept & (exposed > ends - question.window_us)
        counts = replace(counts, too_recent=int(recent.sum()))
        kept &= ~recent
    places = np.flatnonzero(kept)
    places = places[np.argsort(exposed[places], kind="stable")]
    chosen = rows[first[places]]
    covariates = {name: values[chosen] for name, values in exposures.covariates.items()}
    covariates |= {BEFORE.format(name): values[places] for name, values in earlier.items()}
    return People(
        variants=tuple(variants),
        arm=arm[first[places]],
        exposed_us=None if exposures.at_us is None else exposed[places],
        sums={name: values[places] for name, values in sums.items()},
        covariates=covariates,
        slices={name: values[chosen] for name, values in exposures.slices.items()},
        propensities=_propensities(exposures, variants, chosen),
        counts=counts,
        ends_us=ends,
    )


def late_covariates(exposures: ExposureTable) -> dict[str, str]:
    """Return the covariates of which a value was measured after the exposure, each with the reason to refuse it."""
    if exposures.at_us is None:
        return {}
    refused = {}
    for name, measured in exposures.measured_us.items():
        late = int(np.sum((measured != UNKNOWN_US) & (measured > exposures.at_us)))
        if late:
            refused[name] = f"measured after the exposure in {late:,} of {len(exposures):,} rows"
    return refused


def _horizon_us(exposed: IntArray, arms: int, question: Question) -> int:
    """Return the last moment at which people of a fixed horizon are exposed: its end, or its size if that is later.

    It is known without the outcomes, so that whoever looks again later reads the same people, and cannot wait for luck.
    """
    end = question.ends_us if question.ends_us is not None else UNKNOWN_US
    if question.planned_per_arm is not None:
        total = question.planned_per_arm * arms
        full = np.iinfo(np.int64).max if len(exposed) < total else int(np.partition(exposed, total - 1)[total - 1])
        return max(end, full)
    return end if question.ends_us is not None else np.iinfo(np.int64).max


def _variants(found: Texts, question: Question) -> list[str]:
    known = sorted(set(found.tolist()))
    if question.shares:
        strange = [name for name in known if name not in question.shares]
        if strange:
            raise AnalysisError(
                f"people were exposed to {strange[0]!r}, for which no share is planned: the planned variants are "
                f"{', '.join(question.shares)}"
            )
        known = list(question.shares)
    if len(known) < 2:
        raise AnalysisError(f"everybody met the variant {known[0]!r}: a comparison needs at least two variants")
    control = question.control
    if control is None:
        named = {name.lower(): name for name in reversed(known)}
        control = next((named[name] for name in CONTROLS if name in named), known[0])
    if control not in known:
        raise AnalysisError(f"there is no variant {control!r} to compare with: the variants are {', '.join(known)}")
    return [control, *(name for name in known if name != control)]


def _outcomes(
    outcomes: OutcomeTable, units: Texts, exposed: IntArray | None, question: Question, counts: RowCounts
) -> tuple[dict[str, FloatArray], dict[str, FloatArray], RowCounts, int]:
    """Return the sums after the exposure and before it, what was left out, and the latest moment of all."""
    import pandas as pd

    usable = _usable(outcomes.units, outcomes.at_us)
    untold = outcomes.ids is None and outcomes.at_us is None
    equal = usable & _repeated(outcomes, usable)
    # Two equal rows without a moment may be two orders of one price.
    repeated = np.zeros_like(equal) if untold else equal
    rows = np.flatnonzero(usable & ~repeated)
    codes = pd.Index(units).get_indexer(pd.Index(outcomes.units[rows])).astype(np.int64)
    strangers = codes < 0
    count = len(units)
    after = ~strangers
    before = late = np.zeros(len(rows), np.bool_)
    if outcomes.at_us is not None and exposed is not None:
        at, since = outcomes.at_us[rows], exposed[np.maximum(codes, 0)]
        before = ~strangers & (at < since)
        if question.window_us is not None:
            late = ~strangers & (at - since > question.window_us)
        after &= ~before & ~late
    wanted = {part for one in question.measures for part in (one.outcome, one.per) if part}
    sums: dict[str, FloatArray] = {}
    earlier: dict[str, FloatArray] = {}
    for name, values in outcomes.values.items():
        known = np.nan_to_num(values[rows])
        sums[name] = np.bincount(codes[after], known[after], count).astype(np.float64)
        if question.before and name in wanted and before.any():
            earlier[name] = np.bincount(codes[before], known[before], count).astype(np.float64)
    counts = replace(
        counts,
        unusable_outcomes=int(len(outcomes) - usable.sum()),
        duplicated_outcomes=int(repeated.sum()),
        equal_outcomes=int(equal.sum()) if untold else 0,
        untimed_outcomes=0 if outcomes.at_us is not None else len(rows),
        before_exposure=int(before.sum()),
        after_window=int(late.sum()),
        without_exposure=int(strangers.sum()),
        units_without_exposure=len(set(outcomes.units[rows[strangers]].tolist())),
    )
    latest = int(outcomes.at_us[rows].max()) if outcomes.at_us is not None and len(rows) else UNKNOWN_US
    return sums, earlier, counts, latest


def _repeated(outcomes: OutcomeTable, usable: BoolArray) -> BoolArray:
    """Return which rows repeat another: the same id, or without ids the same unit, moment and values."""
    import pandas as pd

    if outcomes.ids is not None:
        frame = pd.DataFrame({"id": outcomes.ids})
        known = outcomes.ids != ""
    else:
        moments = {} if outcomes.at_us is None else {"at": outcomes.at_us}
        frame = pd.DataFrame({"unit": outcomes.units, **moments, **outcomes.values})
        known = np.ones(len(outcomes), np.bool_)
    found = np.zeros(len(outcomes), np.bool_)
    chosen = usable & known
    found[chosen] = frame[chosen].duplicated().to_numpy()
    return found


def _propensities(exposures: ExposureTable, variants: Sequence[str], chosen: IntArray) -> FloatArray | None:
    if not exposures.propensities:
        return None
    lacking = [name for name in variants if name not in exposures.propensities]
    if lacking:
        raise AnalysisError(f"there are propensities, but none of the variant {lacking[0]!r}")
    found = np.column_stack([exposures.propensities[name][chosen] for name in variants])
    if np.any(~(found > 0)) or np.any(np.abs(found.sum(axis=1) - 1) > 1e-6):
        raise AnalysisError("each person's propensities of all variants must be above 0, and sum to 1")
    return found


def _usable(units: Texts, at_us: IntArray | None) -> BoolArray:
    usable: BoolArray = units != ""
    return usable if at_us is None else usable & (at_us != UNKNOWN_US)
