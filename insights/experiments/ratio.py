"""Whether people came in the planned ratio: a sample ratio mismatch makes every other figure of an experiment suspect.

Pearson's chi-squared test of the numbers in the arms, overall and in every slice (Fabijan et al. 2019, KDD). Where the
odds differed from person to person, numbers are compared with the sums of the logged propensities and their covariance,
of which the plain test is the case of equal odds. Small numbers in two arms are tested exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from decisions.logged import Texts
from features.events import FloatArray, IntArray
from insights.comparisons import Correction, adjust
from insights.experiments.people import People
from insights.experiments.question import Question
from insights.experiments.result import RatioCheck, SliceCheck

OVERALL = 0.0007
"""An alarm where all people's p-value is below it."""
IN_SLICES = 0.0003
"""An alarm where a slice's p-value, corrected over all (Holm), is below it: in all at most .1 % false alarms."""
IF_OVERALL = 0.01
"""Where all people's ratio is off, a slice is named from this corrected p-value on: the alarm is raised already."""
FEWEST_EXPECTED = 25
"""Slices with fewer people expected in an arm are not tested."""
_EXACT_BELOW = 200
_MOST_VALUES = 200
_SHOWN = 10
_DAY_US = 86_400_000_000


def check_ratio(people: People, question: Question) -> RatioCheck:
    """Return the check of all people, and of each slice: the day of the exposure and what the exposures know."""
    odds, even = _odds(people, question)
    variants = people.variants
    observed = np.bincount(people.arm, minlength=len(variants)).astype(np.float64)
    expected = odds.sum(axis=0)
    overall = float(p_values(observed[None], expected[None], _covariances(odds, None, 1), even)[0])
    found = [one for name, values in _slices(people, question) for one in _test(name, values, people, odds, even)]
    named = name_slices(overall, [one.p for one in found])
    checks = [replace(one, adjusted_p=p, alarm=alarm) for one, (p, alarm) in zip(found, named, strict=True)]
    checks.sort(key=lambda one: (one.p, one.name, one.value))
    return RatioCheck(
        {name: int(count) for name, count in zip(variants, observed.tolist(), strict=True)},
        dict(zip(variants, expected.tolist(), strict=True)),
        overall,
        overall < OVERALL,
        tuple(checks[: max(_SHOWN, sum(one.alarm for one in checks))]),
        len(checks),
        people.propensities is not None,
    )


def name_slices(overall: float, p_values: Sequence[float]) -> list[tuple[float, bool]]:
    """Return each slice's p-value, corrected over all of them (Holm), and whether its ratio is called off."""
    limit = IF_OVERALL if overall < OVERALL else IN_SLICES
    return [(p or 0.0, (p or 0.0) < limit) for p in adjust(p_values, Correction.EVERY)]


def p_values(observed: FloatArray, expected: FloatArray, covariances: FloatArray, even: float | None) -> FloatArray:
    """Return the p-value of each group's numbers of people (G, V) against those expected (G, V).

    ``covariances`` are those of the numbers in all arms but the last, (G, V - 1, V - 1); ``even`` is the control's
    share where everybody had the same odds.
    """
    from scipy.special import chdtrc
    from scipy.stats import binom

    free = observed.shape[1] - 1
    off = (observed - expected)[:, :free]
    statistic = np.einsum("gi,gij,gj->g", off, np.linalg.pinv(covariances, hermitian=True), off)
    found: FloatArray = chdtrc(free, statistic)
    small = expected.min(axis=1) < _EXACT_BELOW
    if even is not None and free == 1 and small.any():
        count = observed[small].sum(axis=1)
        below = binom.cdf(observed[small, 0], count, even)
        above = binom.sf(observed[small, 0] - 1, count, even)
        found[small] = np.minimum(1.0, 2 * np.minimum(below, above))
    return found


def _odds(people: People, question: Question) -> tuple[FloatArray, float | None]:
    """Return each person's odds of the variants (N, V), and the control's where everybody has the same."""
    if people.propensities is not None:
        return people.propensities, None
    shares = np.array([question.shares.get(name, 1.0) if question.shares else 1.0 for name in people.variants])
    shares = shares / shares.sum()
    return np.broadcast_to(shares, (len(people), len(shares))), float(shares[0])


def _slices(people: People, question: Question) -> Iterator[tuple[str, Texts]]:
    if people.exposed_us is not None and (question.slices is None or "day" in question.slices):
        days = (people.exposed_us // _DAY_US).astype("datetime64[D]").astype(str).astype(object)
        yield "day", days
    for name, values in people.slices.items():
        if question.slices is None or name in question.slices:
            yield name, values


def _test(name: str, values: Texts, people: People, odds: FloatArray, even: float | None) -> Iterator[SliceCheck]:
    import pandas as pd

    codes, uniques = pd.factorize(values, sort=True)
    if not 1 < len(uniques) <= _MOST_VALUES:
        return
    arms = len(people.variants)
    counted = np.bincount(codes * arms + people.arm, minlength=arms * len(uniques)).reshape(-1, arms)
    observed: FloatArray = counted.astype(np.float64)
    summed = [np.bincount(codes, odds[:, place], len(uniques)) for place in range(arms)]
    expected: FloatArray = np.column_stack(summed).astype(np.float64)
    found = p_values(observed, expected, _covariances(odds, codes, len(uniques)), even)
    for place, value in enumerate(uniques):
        if expected[place].min() >= FEWEST_EXPECTED:
            yield SliceCheck(
                name,
                str(value) or "(unknown)",
                dict(zip(people.variants, counted[place].tolist(), strict=True)),
                dict(zip(people.variants, expected[place].tolist(), strict=True)),
                float(found[place]),
                1.0,
                alarm=False,
            )


def _covariances(odds: FloatArray, codes: IntArray | None, groups: int) -> FloatArray:
    """Return the covariance of the numbers in all arms but the last, of each group: (G, V - 1, V - 1)."""
    free = odds.shape[1] - 1
    found = np.zeros((groups, free, free))
    place = np.zeros(len(odds), np.int64) if codes is None else codes
    for one in range(free):
        for other in range(one, free):
            product = -odds[:, one] * odds[:, other]
            if one == other:
                product = product + odds[:, one]
            found[:, one, other] = found[:, other, one] = np.bincount(place, product, groups)
    return found
