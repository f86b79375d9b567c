"""The arbiter: one nudge at a time for a person, over all channels, devices and sessions.

A nudge is whatever was recommended: shown in the product or sent as a message. A message counts from the decision on
until it has been delivered or given up, because it may arrive at any moment, and from its delivery for as long as
anything else: who comes back by an e-mail is not met by a banner at the door.
"""

from collections.abc import Iterable

from decisions.past import PastIntervention
from features.events import US_PER_SECOND

ON_ITS_WAY = "a message to the person is on its way"
TOO_SOON = "the person was nudged too recently"


def why_not_now(history: Iterable[PastIntervention], at_us: int, within_seconds: float) -> str | None:
    """Return why a person cannot be nudged at a moment (microseconds), None where it can.

    ``history`` is what the person was recommended, ``within_seconds`` the least time between two nudges; with 0 they
    may come together.
    """
    if not within_seconds:
        return None
    latest_us = None
    for past in history:
        if past.on_its_way:
            return ON_ITS_WAY
        moment_us = past.at_us if past.delivered_us is None else past.delivered_us
        latest_us = moment_us if latest_us is None else max(latest_us, moment_us)
    if latest_us is not None and at_us - latest_us < within_seconds * US_PER_SECOND:
        return TOO_SOON
    return None
