"""What a challenger was seen to do beside the champion, in words and figures."""

import math
from collections.abc import Sequence

from journeys.tables import FittedTable
from storage.challenge_store import Challenge

_HEADERS = ("Challenger", "Champion", "Answers", "Mean gap", "Same side", "Same blocker", "Same choice", "Milliseconds")


def challenge_table(journey: str, found: Sequence[Challenge]) -> FittedTable:
    """Return how often each challenger agreed with each champion, and how long both took for an answer."""
    rows = [
        (
            one.version,
            one.champion,
            f"{one.counts.answers:,}",
            _share(one.counts.gap, one.counts.answers, digits=4),
            _share(one.counts.same_side, one.counts.answers),
            _share(one.counts.same_blocker, one.counts.blockers),
            _share(one.counts.same_choice, one.counts.decisions),
            f"{_milliseconds(one.counts.seconds, one)} for {_milliseconds(one.counts.champion_seconds, one)}",
        )
        for one in found
    ]
    return FittedTable(
        f"Challengers of {journey}, asked what the champion answered", _HEADERS, rows, numbers=_HEADERS[2:]
    )


def say_challenge(one: Challenge) -> list[str]:
    """Return sentences about a challenger; nothing where it was never asked."""
    counts = one.counts
    told = []
    if counts.answers:
        spread = math.sqrt(counts.squared_gap / counts.answers)
        told.append(
            f"Of {counts.answers:,} answers of version {one.champion}, version {one.version} has a risk that differs "
            f"by {counts.gap / counts.answers:.4f} in the mean ({spread:.4f} root mean square), and is on the same "
            f"side of the low risk in {counts.same_side / counts.answers:.1%}."
        )
    if counts.failed:
        told.append(f"Version {one.version} failed at {counts.failed:,} answers: the service's log has the first one.")
    if counts.dropped:
        told.append(f"{counts.dropped:,} answers came too fast to ask it, and are not compared.")
    return told


def _share(part: float, whole: int, digits: int = 3) -> str:
    return f"{part / whole:.{digits}f}" if whole else "-"


def _milliseconds(seconds: float, one: Challenge) -> str:
    return f"{1_000 * seconds / one.counts.answers:.2f}" if one.counts.answers else "-"
