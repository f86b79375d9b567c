"""An evaluation in words and rows: never more than the log can tell."""

import math
from collections.abc import Iterator, Sequence

from decisions.off_policy.estimators import Estimator
from decisions.off_policy.evaluate import Estimated, Evaluation
from decisions.off_policy.intervals import Interval

HEADERS = ("Estimator", "Value", "95 % interval", "Above nothing", "Above what was done")
NUMBERS = HEADERS[1:]


def rows(estimated: Sequence[Estimated], *, percent: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield a row of texts for every estimator, with two digits of the standard error."""
    digits = 1 if percent else _digits(max(one.value.error for one in estimated))
    for one in estimated:
        yield (
            str(one.estimator),
            _number(one.value.value, digits, percent=percent),
            _ends(one.value, digits, percent=percent),
            _difference(one.over_nothing, digits, percent=percent),
            _difference(one.over_before, digits, percent=percent),
        )


def overlap_lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield sentences about which decisions count and how many of them the policy shares with the log."""
    overlap = evaluation.overlap
    left = [
        f"{count:,} {what}"
        for count, what in (
            (evaluation.quiet, "that left nothing to choose"),
            (evaluation.unknown, "at unknown odds"),
        )
        if count
    ]
    also = f" (besides {' and '.join(left)})" if left else ""
    yield f"{evaluation.decisions:,} decisions about {evaluation.persons:,} people count{also}."
    yield (
        f"They are worth {overlap.effective:,.0f} of the policy's own (effective sample size); the largest weight is "
        f"{overlap.largest_weight:.1f}; {overlap.goals:,} goals are among them."
    )
    yield (
        f"{overlap.unsupported:.1%} of the policy's decisions are for what the log could not have chosen, "
        f"{overlap.thin:.1%} for what it hardly ever chose."
    )


def verdict(evaluation: Evaluation, name: str, unit: str = "") -> str:
    """Return what can be said of the policy, in one or two sentences; ``unit`` is that of the net value."""
    if not evaluation.supported:
        return f"Not supported: {'; '.join(evaluation.reasons)}."
    found = evaluation.by(Estimator.DR).over_before
    of, digits = f" {unit}" if unit else "", _digits(found.error)
    about = (
        f"{_number(found.value, digits, sign='+')}{of} a decision (DR on randomised decisions, 95 % interval "
        f"{_ends(found, digits)})"
    )
    if found.low > 0:
        return f"{name} brings more than what was done: {about}."
    if found.high < 0:
        return f"{name} brings less than what was done: {about}."
    return f"The log does not tell {name} from what was done: {about}."


def _digits(error: float) -> int:
    """Return so many decimals that two digits of an error are seen; 2 to 6."""
    return min(6, max(2, 1 - math.floor(math.log10(error)))) if 0 < error < math.inf else 2


def _number(value: float, digits: int, *, percent: bool = False, sign: str = "-") -> str:
    if not math.isfinite(value):
        return "unknown"
    return f"{value:{sign}.{digits}%}" if percent else f"{value:{sign}.{digits}f}"


def _ends(found: Interval, digits: int, *, percent: bool = False) -> str:
    return f"{_number(found.low, digits, percent=percent)} to {_number(found.high, digits, percent=percent)}"


def _difference(found: Interval, digits: int, *, percent: bool) -> str:
    return f"{_number(found.value, digits, percent=percent, sign='+')} ({_ends(found, digits, percent=percent)})"
