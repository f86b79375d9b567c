"""The playbook at a moment: every tactic with what is known of it, and what is to be tested again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from insights.playbook.names import name_tactic, say_audience, stage_name_today
from insights.playbook.retest import draft_retest
from insights.playbook.standing import Standing, aging_of, weigh
from journeys.journey import Journey
from storage.playbook import Draft, Tactic, TacticStatus

ORDER = (TacticStatus.PROVEN, TacticStatus.TESTING, TacticStatus.PROPOSED, TacticStatus.RETIRED)
"""Statuses in the order in which tactics are shown: what has come furthest first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tactic as it stands: ``standing`` is None before an experiment, ``test`` the one proposed, a re-test if due."""

    tactic: Tactic
    name: str
    title: str
    stage: str
    audience: str
    standing: Standing | None
    test: Draft | None

    @property
    def what(self) -> str:
        """The tactic in words: the intervention, what it is against, where and for whom."""
        where = f"at {self.stage}" if self.tactic.stage else f"at {self.stage} where it may be shown"
        return f"“{self.title}” against {self.tactic.blocker} {where}, for {self.audience}"

    @property
    def why_due(self) -> str:
        """Why it is to be tested again; empty where it is not."""
        return self.standing.why_due if self.standing else ""


def look_up(journey: Journey, tactics: Iterable[Tactic], now_us: int) -> tuple[Entry, ...]:
    """Return the entries of the playbook: what is proven first, the strongest at the front, then by status and age."""
    aging = aging_of(journey)
    return tuple(sorted((_entry(journey, one, weigh(one, aging, now_us), now_us) for one in tactics), key=_place))


def choose_entries(
    entries: Sequence[Entry], *, status: TacticStatus | None = None, blocker: str = "", due: bool = False
) -> tuple[Entry, ...]:
    """Return the entries with this status and blocker, and where ``due`` only those to be tested again."""
    return tuple(
        one
        for one in entries
        if (status is None or one.tactic.status is status)
        and (not blocker or one.tactic.blocker == blocker)
        and (not due or one.why_due)
    )


def _entry(journey: Journey, tactic: Tactic, standing: Standing | None, now_us: int) -> Entry:
    due = standing is not None and standing.why_due
    titles = {one.name: one.title for one in journey.interventions}
    return Entry(
        tactic=tactic,
        name=name_tactic(tactic),
        title=titles.get(tactic.intervention, tactic.intervention),
        stage=stage_name_today(journey, tactic.stage) if tactic.stage else "all stages",
        audience=say_audience(tactic.audience),
        standing=standing,
        test=draft_retest(journey, tactic, standing, now_us) if standing and due else _open_draft(tactic),
    )


def _open_draft(tactic: Tactic) -> Draft | None:
    return tactic.draft if tactic.status is TacticStatus.PROPOSED else None


def _place(entry: Entry) -> tuple[int, float, int]:
    known = entry.standing.now.effect.low if entry.standing else float("-inf")
    return ORDER.index(entry.tactic.status), -known, entry.tactic.id
