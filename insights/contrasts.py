"""Two groups side by side in one figure: difference and ratio with intervals, and whether it is more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from insights.comparisons import Correction, adjust, p_of_means, p_of_shares
from insights.intervals import (
    LEVEL,
    Estimate,
    estimate_difference,
    estimate_mean,
    estimate_mean_difference,
    estimate_mean_ratio,
    estimate_ratio,
    estimate_share,
)
from insights.sums import Sums


@dataclass(frozen=True, slots=True)
class Contrast:
    """One figure of two groups: ``kind`` and ``label`` name it (exit, cart), ``one`` and ``other`` the groups.

    ``difference`` is one minus other and ``ratio`` one over other; ``adjusted`` is the p-value after the correction for
    all comparisons made together. An association: groups differ in more than what they are named for.
    """

    kind: str
    label: str
    one: str
    other: str
    of_one: Estimate
    of_other: Estimate
    difference: Estimate
    ratio: Estimate | None
    p_value: float | None
    adjusted: float | None = None

    @property
    def is_finding(self) -> bool:
        """Whether the difference is more than chance, at 5 % after the correction."""
        return self.adjusted is not None and self.adjusted <= 1 - LEVEL


def contrast_shares(kind: str, label: str, one: str, other: str, own: Sums, others: Sums) -> Contrast | None:
    """Return two shares side by side; None where a group is empty."""
    if not own.count or not others.count:
        return None
    counts = (own.hits, own.count, others.hits, others.count)
    designs = (own.design, others.design)
    shares = [estimate_share(sums.hits, sums.count, design=sums.design) for sums in (own, others)]
    difference = estimate_difference(*counts, designs=designs)
    if shares[0] is None or shares[1] is None or difference is None:
        return None
    ratio = estimate_ratio(*counts, designs=designs)
    p_value = p_of_shares(*counts, designs=designs)
    return Contrast(kind, label, one, other, shares[0], shares[1], difference, ratio, p_value)


def contrast_means(kind: str, label: str, one: str, other: str, own: Sums, others: Sums) -> Contrast | None:
    """Return two means side by side; None where a group has fewer than two people."""
    means = [estimate_mean(sums) for sums in (own, others)]
    difference = estimate_mean_difference(own, others)
    if means[0] is None or means[1] is None or difference is None:
        return None
    ratio = estimate_mean_ratio(own, others)
    return Contrast(kind, label, one, other, means[0], means[1], difference, ratio, p_of_means(own, others))


def correct(contrasts: Sequence[Contrast | None], correction: Correction) -> tuple[Contrast, ...]:
    """Return the contrasts that can be made, with p-values corrected for all of them."""
    made = [one for one in contrasts if one]
    adjusted = adjust([one.p_value for one in made], correction)
    return tuple(replace(one, adjusted=value) for one, value in zip(made, adjusted, strict=True))
