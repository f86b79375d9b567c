"""The playbook: which tactics are proven, how sure that still is, what to test again, and what is proposed."""

from collections.abc import Sequence

from insights.filters import FilterError
from insights.pages.figure import (
    Bars,
    Column,
    Field,
    Figure,
    Form,
    Page,
    Sentences,
    Table,
    Tile,
    Unit,
    Value,
    View,
)
from insights.pages.next_steps import ends_of
from insights.pages.playbook_detail import describe
from insights.playbook.export import count_entries
from insights.playbook.look import Entry, choose_entries, look_up
from insights.playbook.markdown import say_size
from insights.playbook.propose import with_proposals
from insights.playbook.standing import US_PER_DAY
from insights.playbook.words import say_metric, say_source
from storage.playbook import TacticStatus

SLUG = "playbook"
DUE = "due"
"""Chosen in the place of a status: what is to be tested again."""
_COUNTED = (
    (TacticStatus.PROVEN, "Proven", "Tactics that a randomised experiment has shown to work."),
    (TacticStatus.TESTING, "Being tested", "Tactics that an experiment is running on."),
    (TacticStatus.PROPOSED, "Proposed", "Tactics that nobody has tested yet, or not well enough."),
)


def page(view: View) -> Page:
    """Return the page as of the moment at which the figures were made: the tactics, and the chosen one in detail."""
    records = with_proposals(view.records, view.facts, view.journey)
    entries = look_up(view.journey, records.tactics, view.facts.built_at_us)
    shown = _choose(view, entries)
    named = view.chosen("tactic")
    chosen = next((one for one in entries if one.name == named), shown[0] if shown else None)
    figures = [*_tiles(entries), _due(entries), *_known(shown), _learnt(shown), _tactics(shown)]
    if chosen is not None:
        figures += describe(view, records, chosen)
    lede = (
        "What is known to work against which blocker, for whom, and how sure that still is; what to test again, and "
        f"what to try next. Today: {count_entries(entries)}."
    )
    names = tuple(one.name for one in entries)
    blockers = tuple(dict.fromkeys(one.tactic.blocker for one in entries))
    choices = (
        Field("status", "Status", options=(DUE, *TacticStatus), value=view.chosen("status"), required=False),
        Field("blocker", "Blocker", options=blockers, value=view.chosen("blocker"), required=False),
        Field("tactic", "In detail", options=names, value=chosen.name if chosen else "", required=False),
    )
    return Page(SLUG, "Playbook", lede, tuple(figures), tuple(_forms(view, names, chosen)), choices)


def _choose(view: View, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    status = view.chosen("status")
    if status and status not in (DUE, *TacticStatus):
        raise FilterError(f"status={status[:40]!r} is none of {', '.join((DUE, *TacticStatus))}")
    return choose_entries(
        entries,
        status=TacticStatus(status) if status and status != DUE else None,
        blocker=view.chosen("blocker"),
        due=status == DUE,
    )


def _tiles(entries: Sequence[Entry]) -> list[Figure]:
    found = [
        (status.value, title, definition, len(choose_entries(entries, status=status)))
        for status, title, definition in _COUNTED
    ]
    told = "Proven tactics whose evidence has become too old or too weak to rely on."
    found.insert(1, (DUE, "Due for a re-test", told, len(choose_entries(entries, due=True))))
    return [
        Figure(
            name,
            title,
            f"{definition} Not narrowed by what is chosen.",
            Table((Column(name, title, Unit.COUNT),), ((number,),)),
            Tile(name, page=f"{SLUG}?status={name}"),
        )
        for name, title, definition, number in found
    ]


def _due(entries: Sequence[Entry]) -> Figure:
    columns = (
        Column("said", "What to test again"),
        Column("owner", "Who"),
        Column("page", "Where", link="{}"),
    )
    rows = tuple(
        (f"{one.what}: {one.why_due}. {say_size(one.test)}", one.tactic.owner, f"{SLUG}?tactic={one.name}")
        for one in choose_entries(entries, due=True)
        if one.test
    )
    definition = (
        "Proven tactics whose evidence has aged: its 95% interval, widened by its age, holds 0 again, or it is older "
        "than the journey's limit. The test is sized for the least rise that the evidence leaves likely."
    )
    note = "" if rows else "Nothing is due for a re-test."
    return Figure(
        "retests", "Test again", definition, Table(columns, rows), Sentences("said", "page") if rows else None, note
    )


def _known(shown: Sequence[Entry]) -> list[Figure]:
    """Return what is known, as a chart for each unit: rises of shares, and rises of values."""
    figures = []
    for name, title, is_share in (
        ("shares", "What experiments found", True),
        ("values", "What they found in value", False),
    ):
        known = [one for one in shown if one.standing and one.standing.is_share is is_share]
        if known or is_share:
            figures.append(_rises(name, title, known, Unit.SHARE if is_share else Unit.MONEY))
    return figures


def _rises(name: str, title: str, known: Sequence[Entry], unit: Unit) -> Figure:
    columns = (
        Column("tactic", "Tactic", link=f"{SLUG}?tactic={{}}"),
        Column("metric", "What rises"),
        Column("now", "Rise", unit),
        Column("low", "Low", unit),
        Column("high", "High", unit),
        Column("experiments", "Experiments", Unit.COUNT),
        Column("age_days", "Days since the latest", Unit.COUNT),
        Column("weight", "Evidence still counts", Unit.SHARE),
        Column("status", "Status"),
    )
    rows: list[tuple[Value, ...]] = [
        (
            one.name,
            say_metric(one.standing.latest.metric),
            *ends_of(one.standing.now.effect),
            len(one.standing.counted),
            one.standing.age_us // US_PER_DAY,
            one.standing.weight,
            one.tactic.status.value,
        )
        for one in known
        if one.standing
    ]
    definition = (
        "The rise that randomised experiments have measured among those who could see the intervention, absolute (a "
        "share's in percentage points), with its 95% interval. Several experiments are combined with random effects; "
        "older ones count less, so that the interval widens with age until it is tested again."
    )
    note = "" if rows else "No experiment on these tactics has ended yet."
    chart = Bars("tactic", ("now",), "low", "high", horizontal=True) if rows else None
    return Figure(name, title, definition, Table(columns, tuple(rows)), chart, note)


def _learnt(shown: Sequence[Entry]) -> Figure:
    columns = (
        Column("said", "What was learnt"),
        Column("status", "Status"),
        Column("page", "Where", link="{}"),
    )
    rows = tuple(
        (
            f"{one.what}, {one.tactic.status}: {one.tactic.learning}",
            one.tactic.status.value,
            f"{SLUG}?tactic={one.name}",
        )
        for one in shown
        if one.tactic.learning
    )
    definition = "What is known of each tactic in a sentence: what its latest experiment found, or people noted since."
    note = "" if rows else "Nothing was learnt about these tactics yet: no experiment on them has ended."
    chart = Sentences("said", "page") if rows else None
    return Figure("learnt", "What was learnt", definition, Table(columns, rows), chart, note)


def _tactics(shown: Sequence[Entry]) -> Figure:
    columns = (
        Column("tactic", "Tactic", link=f"{SLUG}?tactic={{}}"),
        Column("status", "Status"),
        Column("intervention", "Intervention"),
        Column("blocker", "Against", link="blockers?friction={}"),
        Column("stage", "Stage"),
        Column("audience", "Whom"),
        Column("experiments", "Experiments", Unit.COUNT),
        Column("people", "Visitors to test", Unit.COUNT),
        Column("days", "Days to test", Unit.COUNT),
        Column("owner", "Owner"),
        Column("source", "Opened by"),
    )
    rows = tuple(
        (
            one.name,
            f"{one.tactic.status}, due for a re-test" if one.why_due else one.tactic.status.value,
            one.title,
            one.tactic.blocker,
            one.stage,
            one.audience,
            len(one.tactic.evidence),
            one.test.people if one.test else None,
            one.test.days if one.test else None,
            one.tactic.owner,
            say_source(one.tactic.source),
        )
        for one in shown
    )
    definition = (
        "A tactic is an intervention against a blocker, at a stage and for an audience. What is proven comes first, "
        "the surest at the top; then what is being tested, what is proposed, and what is retired. Visitors and days "
        "are those of the test that is proposed. Opportunities and alarms open proposed tactics by themselves."
    )
    note = "" if rows else "No tactic is of this kind. Opportunities open them, or add one below."
    return Figure("tactics", "All tactics", definition, Table(columns, rows), note=note)


def _forms(view: View, names: tuple[str, ...], chosen: Entry | None) -> list[Form]:
    author = Field("author", "Your name")
    which = Field("tactic", "Tactic", options=names, value=chosen.name if chosen else "")
    status = chosen.tactic.status.value if chosen else ""
    added = Form(
        "add",
        "Add a tactic",
        "Add it as proposed",
        (
            Field("stage", "Stage", options=tuple(one.name for one in view.journey.stages), required=False),
            Field("blocker", "Against", options=tuple(one.name for one in view.journey.frictions)),
            Field("intervention", "Intervention", options=tuple(one.name for one in view.journey.interventions)),
            Field("owner", "Owner, if not the intervention's", required=False),
            Field("learning", "What is known of it", "textarea", required=False),
            author,
        ),
    )
    if not names:
        return [added]
    return [
        Form(
            "status",
            "Set the status of a tactic",
            "Save the status",
            (
                which,
                Field("status", "Status", options=tuple(TacticStatus), value=status),
                Field("reason", "Reason", "textarea", required=False),
                Field("owner", "New owner, if any", required=False),
                author,
            ),
        ),
        Form(
            "learn",
            "Note what was learnt",
            "Save the learning",
            (which, Field("learning", "What is known, in a sentence", "textarea"), author),
        ),
        added,
    ]
