"""The primary metric's difference as people came: after every so many, in the order of their exposure."""

import numpy as np

from decisions.sequences import Tuning, radii
from insights.experiments.compare import compare
from insights.experiments.effects import Measured
from insights.experiments.moments import gather
from insights.experiments.people import People
from insights.experiments.result import Look

LOOKS = 60


def looks_of(measured: Measured, people: People, arm: int, tuning: Tuning, alpha: float) -> tuple[Look, ...]:
    """Return up to :data:`LOOKS` looks at an arm against the control; none where nobody knows when people came.

    People of one moment come in together, so that the order of rows changes nothing. The last look is at all people,
    with the cap of revenue and the slopes of covariates of that look's own people but for the cap, which is of all.
    """
    from scipy.special import stdtrit

    if people.exposed_us is None or len(people) == 0:
        return ()
    ends = np.unique(np.ceil(np.arange(1, LOOKS + 1) * len(people) / LOOKS).astype(np.int64)) - 1
    moments = np.unique(people.exposed_us[ends])
    group = np.searchsorted(moments, people.exposed_us, side="left")
    gathered = gather(measured.rows, people.arm, len(people.variants), group, len(moments)).cumulative()
    found = compare(gathered.of_arm(0), gathered.of_arm(arm))
    errors = np.sqrt(found.variance)
    smaller = np.minimum(found.control_people, found.treated_people)
    reach = errors * stdtrit(np.maximum(1.0, np.nan_to_num(found.freedom, nan=1.0)), 1 - alpha / 2)
    wide = radii(errors, smaller, found.control_people + found.treated_people, tuning, alpha)
    return tuple(
        Look(
            int(moments[place]),
            int(found.control_people[place]),
            int(found.treated_people[place]),
            float(found.difference[place]),
            float(found.difference[place] - reach[place]),
            float(found.difference[place] + reach[place]),
            float(found.difference[place] - wide[place]),
            float(found.difference[place] + wide[place]),
        )
        for place in range(len(moments))
        if smaller[place] >= 2 and np.isfinite(errors[place]) and errors[place] > 0
    )
