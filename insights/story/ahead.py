"""What to do next: for the foremost blockers, what the journey declares against them, and who owns it."""

from insights.pages.figure import Column, Figure, Table, Unit, Value
from insights.story.section import Section, Telling
from insights.story.sentence import Sentence, cell, say

TOLD = 4


def tell_ahead(telling: Telling, obstacles: Figure) -> Section:
    """Return what can be done about the blockers of the figure about obstacles, the foremost first."""
    figure = _remedies(telling, obstacles)
    said = list[Sentence]()
    for row in range(min(TOLD, len(figure.table.rows))):
        cells = {name: cell(figure, row, name) for name in ("what", "blocker", "stage", "effort")}
        said += say("Against {blocker} at {stage} there is {what} ({effort}).", **cells)
        said += say("{what} is owned by {owner}.", owner=cell(figure, row, "owner"), what=cells["what"])
    due = _milestones(telling)
    for row in range(len(due.table.rows)):
        cells = {name: cell(due, row, name) for name in ("title", "due", "owner")}
        said += say("By {due}, {owner}: {title}", **cells)
    figures = tuple(one for one in (figure, due) if one.table.rows)
    return Section("ahead", "What to do next, and who owns it", tuple(said), figures)


def _remedies(telling: Telling, obstacles: Figure) -> Figure:
    rows: list[tuple[Value, ...]] = []
    for blocker, people, stage in zip(
        *(obstacles.table.column(name) for name in ("blocker", "people", "stage")), strict=True
    ):
        fitting = [
            one
            for one in telling.journey.interventions
            if stage in one.stages and blocker in [friction.name for friction in one.treats]
        ]
        for one in sorted(fitting, key=lambda one: (-one.prior_effect, one.name))[:1]:
            what = f"\N{LEFT DOUBLE QUOTATION MARK}{one.title}\N{RIGHT DOUBLE QUOTATION MARK}"
            rows.append((blocker, stage, people, what, one.effort.value.replace("_", " "), one.owner or None))
    columns = (
        Column("blocker", "Blocker"),
        Column("stage", "Stage"),
        Column("people", "Sessions, expected", Unit.COUNT),
        Column("what", "Intervention"),
        Column("effort", "Effort"),
        Column("owner", "Owner"),
    )
    return Figure(
        "ahead",
        "What can be done",
        "For each blocker of the week, at the stage where it stands most often, the intervention that the journey "
        "expects most of.",
        Table(columns, tuple(rows)),
    )


def _milestones(telling: Telling) -> Figure:
    columns = (Column("due", "Due", Unit.DAY), Column("title", "What"), Column("owner", "Who"))
    rows = [
        (one.due.isoformat(), one.title, one.owner or None)
        for one in sorted(telling.records.milestones, key=lambda one: one.due)
        if one.done_us is None
    ]
    return Figure("milestones", "What is due", "Milestones that are not done.", Table(columns, tuple(rows)))
