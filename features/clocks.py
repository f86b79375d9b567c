"""Clocks of clients: the difference from ours, taken out."""

from features.events import US_PER_SECOND

LONGEST_WAY_US = 2 * US_PER_SECOND
"""So long may a request be on its way."""


def on_our_clock(at_us: int, sent_us: int, received_us: int) -> int:
    """Return a moment that a client told by its own clock, by which the request was sent at ``sent_us``.

    A clock that is wrong measures durations well: Segment's correction. A difference that the way of a request explains
    is none of the clocks, though: taking it out would only mix up events that came by requests of different speed.
    """
    difference_us = received_us - sent_us
    return at_us if 0 <= difference_us <= LONGEST_WAY_US else at_us + difference_us
