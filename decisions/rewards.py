"""What came of a decision: how long a goal counts for it, and what the goal has brought.

All options of a decision are judged by the same stretch of time, whichever was chosen: else the options that are given
longer would look better. What is shown in the product counts until the session has ended, whatever the end was: a
competing end, such as a declined loan, has not reached the goal, and neither has a silence that is no abandonment.
Messages count for a while after their decision, with whatever session of the person the goal is reached in.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from decisions.intervention import Intervention
from features.encode import number

_VALUE_PROPERTIES = ("revenue", "value", "total")


def reward_window_seconds(eligible: Iterable[str], interventions: Sequence[Intervention]) -> float | None:
    """Return for how long after a decision among these a goal counts, None for until its session has ended.

    That is the longest time that any of them is given; names that are declared no more have none.
    """
    names = set(eligible)
    windows = [one.reward_seconds for one in interventions if one.name in names]
    return max((seconds for seconds in windows if seconds is not None), default=None)


def goal_value(properties: Mapping[str, Any], revenue: str) -> float | None:
    """Return what a goal brought, by the property that the journey declares for it, else by the usual names."""
    values = (number(properties.get(name)) for name in (revenue, *_VALUE_PROPERTIES))
    return next((value for value in values if not math.isnan(value)), None)
