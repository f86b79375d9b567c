"""Who is in which experiment and variant: drawn from names, so that nobody changes sides.

A layer divides people, by a hash of its name and their assignment id, into 1,000 buckets. Experiments of one layer hold
buckets of their own, so nobody is in two of them; the layers' hashes differ, so that being in an experiment of one says
nothing about another. Within an experiment a third hash, of its own name, draws the variant (Tang, Agarwal, O'Brien and
Meyer 2010, "Overlapping Experiment Infrastructure").
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from decisions.assignment import uniform
from decisions.experiments import ExperimentPlan, PlanError, Variant

BUCKETS = 1_000

Span = tuple[int, int]
"""Buckets from the first up to, and without, the second."""


def bucket(journey: str, layer: str, assignment: str) -> int:
    """Return the bucket, 0 to 999, of an assignment id in a layer."""
    return int(uniform("layer", journey, layer, assignment) * BUCKETS)


def takes_part(journey: str, layer: str, spans: Sequence[Span], assignment: str) -> bool:
    """Whether an assignment id lies in one of the spans of buckets."""
    mine = bucket(journey, layer, assignment)
    return any(first <= mine < beyond for first, beyond in spans)


def draw_variant(journey: str, plan: ExperimentPlan, assignment: str) -> tuple[Variant, float]:
    """Return the variant that an assignment id is in, should it take part, and the number in [0, 1) that drew it."""
    drawn = uniform("variant", journey, plan.name, assignment)
    # The last bound is left out: rounding may put it below the number drawn.
    bounds = list(accumulate(plan.shares))[:-1]
    return plan.variants[bisect_right(bounds, drawn)], drawn


def take_buckets(taken: Iterable[Span], share: float) -> tuple[Span, ...]:
    """Return the lowest free buckets that make up a share of a layer, given those that are taken.

    Raises :class:`PlanError` where fewer are free.
    """
    wanted = max(1, round(share * BUCKETS))
    free = set(range(BUCKETS)) - {one for first, beyond in taken for one in range(first, beyond)}
    if len(free) < wanted:
        raise PlanError(
            f"only {len(free) / BUCKETS:.1%} of the layer's people are free, not {share:.1%}: stop an experiment of "
            "the layer, take a smaller share, or another layer"
        )
    return _as_spans(sorted(free)[:wanted])


def _as_spans(buckets: Sequence[int]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for one in buckets:
        if spans and spans[-1][1] == one:
            spans[-1] = (spans[-1][0], one + 1)
        else:
            spans.append((one, one + 1))
    return tuple(spans)
