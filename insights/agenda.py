"""The agenda of the regular review: what moved, what is open, what is due, and what has to be decided, by whom."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from insights.agenda_opportunities import name_of, open_opportunities, say_opportunity, undecided
from insights.audit_words import say_moment
from insights.facts import Facts
from insights.find_alarms import with_alarms
from insights.measure_quality import measure_quality
from insights.milestones import SOON_DAYS, state_of, today_of
from insights.moves import Move, moves_between
from insights.opportunities import Opportunities, find_opportunities
from insights.owners import stage_owner, without_owner
from insights.quality import Quality
from insights.say_alarms import say_alarm
from journeys.journey import Journey
from storage.history import Action
from storage.record_store import REVIEW
from storage.records import Alarm, AlarmStatus, Records

REVIEW_DAYS = 7
"""An agenda goes back so far where no review was held before."""


@dataclass(frozen=True, slots=True)
class Item:
    """One point: what it says, who is to speak or decide, and the page with its figures, by its slug."""

    text: str
    who: str = ""
    page: str = ""

    @property
    def said(self) -> str:
        """The point with the name of who is to speak or decide."""
        return f"{self.text} ({self.who})" if self.who else self.text


@dataclass(frozen=True, slots=True)
class Section:
    """Points of one kind; ``name`` stands in addresses, and ``empty`` is said where there is no point."""

    name: str
    title: str
    items: tuple[Item, ...]
    empty: str


@dataclass(frozen=True, slots=True)
class Agenda:
    """The agenda of a journey for the days from ``since`` to ``until``, both included, as it stands on ``today``."""

    journey: str
    title: str
    owner: str
    since: date
    until: date
    today: date
    sections: tuple[Section, ...] = field(default_factory=tuple)

    def to_markdown(self) -> str:
        """Return the agenda as Markdown, with a box to tick at every decision."""
        lines = [f"# Review: {self.title}", ""]
        lines += [f"{self.since} to {self.until}, as of {self.today}. Owner: {self.owner or 'nobody is named'}.", ""]
        for number, section in enumerate(self.sections, start=1):
            lines += [f"## {number}. {section.title}", ""]
            box = "- [ ] " if section.title == DECISIONS else "- "
            lines += [f"{box}{_said(item)}" for item in section.items] or [section.empty]
            lines.append("")
        return "\n".join(lines)


DECISIONS = "Decisions needed"


def write_agenda(
    journey: Journey,
    records: Records,
    facts: Facts | None,
    *,
    now_us: int,
    since: date | None = None,
) -> Agenda:
    """Return the agenda since the last review that was held, or since a day.

    Without facts it holds what is written down, and nothing that is measured.
    """
    today = today_of(journey, now_us)
    quality = opportunities = None
    if facts is not None:
        records = with_alarms(records, facts, journey)
        quality = measure_quality(facts.folder, journey, facts.last_at_us, refused=records.refused)
        opportunities = find_opportunities(journey, facts, records=records)
    until = today if quality is None else quality.day
    last = last_review(records)
    begin = since or (last + timedelta(1) if last is not None and last < until else until - timedelta(REVIEW_DAYS - 1))
    alarms = tuple(alarm for alarm in records.alarms if alarm.status is not AlarmStatus.CLOSED)
    sections = (
        Section(
            "moved",
            "What moved",
            tuple(_moves(journey, facts, begin, until)),
            "Nothing was measured: there are no figures.",
        ),
        Section(
            "done", "What was done", tuple(_done(journey, records, begin)), "Nothing is noted down for these days."
        ),
        Section("alarms", "Open alarms", tuple(_alarm(journey, alarm) for alarm in alarms), "No alarm is open."),
        Section(
            "opportunities",
            "Opportunities, by owner",
            tuple(_opportunities(opportunities)),
            "No model named blockers." if facts is None or facts.model_version is None else "None is open.",
        ),
        Section(
            "milestones",
            "Milestones due",
            tuple(_milestones(records, today)),
            f"Nothing is due within {SOON_DAYS} days.",
        ),
        Section(
            "quality",
            "Quality of the data",
            tuple(_quality(quality)),
            "Nothing was measured: there are no figures." if quality is None else "No alarm on the data.",
        ),
        Section(
            "decisions",
            DECISIONS,
            tuple(_decisions(journey, records, alarms, quality, opportunities, today)),
            "Nothing waits for a decision.",
        ),
    )
    return Agenda(journey.name, journey.title, journey.owner, begin, until, today, sections)


def last_review(records: Records) -> date | None:
    """Return up to which day the last review looked; None where none was held."""
    held = [entry.after["until"] for entry in records.audit if entry.action == REVIEW and entry.after is not None]
    return max(map(date.fromisoformat, held), default=None)


def _said(item: Item) -> str:
    return f"{item.text}{f' **{item.who}**' if item.who else ''}"


def _moves(journey: Journey, facts: Facts | None, since: date, until: date) -> Iterator[Item]:
    if facts is None:
        return
    moves = moves_between(journey, facts, since, until)
    for move in moves:
        if move.stage is None or move.beyond_chance:
            yield Item(move.describe(), _who(journey, move), "funnel" if move.stage else "overview")
    still = [move.stage for move in moves if move.stage is not None and not move.beyond_chance]
    if still:
        yield Item(f"No more exits or fewer than chance may bring at {', '.join(still)}.", "", "funnel")


def _who(journey: Journey, move: Move) -> str:
    return stage_owner(journey, move.stage) if move.stage else ""


def _done(journey: Journey, records: Records, since: date) -> Iterator[Item]:
    promotions = {action.value for action in Action}
    for note in records.annotations:
        if today_of(journey, note.at_us) >= since:
            yield Item(f"{say_moment(note.at_us, journey.timezone)}: {note.text} ({note.kind}).", note.author, "alerts")
    for entry in records.audit:
        if entry.id is None and entry.action in promotions and today_of(journey, entry.at_us) >= since:
            version = (entry.after or {}).get("version", "")
            moment = say_moment(entry.at_us, journey.timezone)
            yield Item(f"{moment}: model version {version} became the champion ({entry.action}).", entry.actor)
    for one in records.opportunity_statuses:
        if today_of(journey, one.at_us) >= since:
            reason = f": {one.reason}" if one.reason else ""
            yield Item(f"Opportunity {one.opportunity_id} is {one.status}{reason}.", one.author, "opportunities")
    for milestone in records.milestones:
        if milestone.done_us is not None and today_of(journey, milestone.done_us) >= since:
            yield Item(f"Milestone done: {milestone.title}.", milestone.owner, "governance")


def _alarm(journey: Journey, alarm: Alarm) -> Item:
    acknowledged = " It is acknowledged." if alarm.status is AlarmStatus.ACKNOWLEDGED else ""
    return Item(f"{say_alarm(alarm, journey.timezone)}{acknowledged}", stage_owner(journey, alarm.stage), "alerts")


def _opportunities(found: Opportunities | None) -> Iterator[Item]:
    for one in () if found is None else open_opportunities(found):
        yield Item(say_opportunity(one), one.owner, "opportunities")


def _milestones(records: Records, today: date) -> Iterator[Item]:
    for one in records.milestones:
        state = state_of(one, today)
        if state in ("overdue", "due soon"):
            days = (one.due - today).days
            span = "1 day" if abs(days) == 1 else f"{abs(days)} days"
            when = f"{span} overdue" if days < 0 else f"due in {span}" if days else "due today"
            yield Item(f"{one.title}: {when} ({one.due}).", one.owner, "governance")


def _quality(quality: Quality | None) -> Iterator[Item]:
    for check in () if quality is None else quality.alarms:
        yield Item(f"{check.describe()}; since {check.since}.", check.steward, "data")


def _decisions(
    journey: Journey,
    records: Records,
    alarms: Sequence[Alarm],
    quality: Quality | None,
    opportunities: Opportunities | None,
    today: date,
) -> Iterator[Item]:
    for alarm in alarms:
        if alarm.status is AlarmStatus.OPEN:
            cohort = f" ({alarm.cohort})" if alarm.cohort else ""
            text = f"Who looks after the alarm at {alarm.stage}{cohort}? Nobody has acknowledged it."
            yield Item(text, stage_owner(journey, alarm.stage), "alerts")
    for opportunity in () if opportunities is None else undecided(opportunities):
        yield Item(f"Accept or dismiss {name_of(opportunity)}?", opportunity.owner, "opportunities")
    for one in records.milestones:
        if state_of(one, today) == "overdue":
            yield Item(f"Do, move or drop the milestone {one.title!r}?", one.owner, "governance")
    alarmed = Counter(check.steward for check in quality.alarms) if quality is not None else Counter[str]()
    for steward, count in alarmed.items():
        told = f"{count} alarms" if count > 1 else "one alarm"
        yield Item(f"Which figures may be used, and until when is {told} on the data put right?", steward, "data")
    seen = () if quality is None else {check.part.channel for check in quality.checks if check.part.channel}
    for what in without_owner(journey, sorted(seen)):
        yield Item(f"Who answers for the {what}? The journey names nobody.", journey.owner, "governance")
