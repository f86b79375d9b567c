"""The command that declares the experiment on a tactic, as far as the tactic says what it is."""

import re
import shlex

from insights.playbook.look import Entry
from insights.playbook.words import FEWER
from journeys.journey import Journey

_LONGEST_NAME = 60


def declare_command(journey: Journey, entry: Entry) -> str:
    """Return a `dropoff experiment new` that drafts the test of a tactic; the command itself says what it still lacks.

    It compares showing the intervention with showing nothing, where the blocker is named first. A re-test takes the
    metric of the latest experiment, any other the goal.
    """
    tactic, latest = entry.tactic, entry.standing.latest if entry.standing else None
    again = "_again" if latest else ""
    name = re.sub(r"[^a-z0-9_-]", "_", f"{tactic.intervention}_{tactic.stage or 'all'}_{tactic.blocker}".lower())
    words = ["dropoff", "experiment", "new", journey.name, "--name", name[: _LONGEST_NAME - len(again)] + again]
    words += ["--variant", "control=nothing", "--variant", f"shown={tactic.intervention}"]
    words += ["--blocker", tactic.blocker, *(["--stage", entry.stage] if tactic.stage else [])]
    for cohort in tactic.audience.split(",") if tactic.audience else ():
        words += ["--cohort", cohort]
    words += ["--metric", latest.metric if latest and not latest.metric.startswith(FEWER) else "goal"]
    if entry.test is not None and entry.test.days is not None and not entry.test.reason:
        words += ["--duration", f"{entry.test.days}d"]
    return shlex.join([*words, "--owner", tactic.owner])
