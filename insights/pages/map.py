"""The journey map: touchpoints, stages, drop-off, blockers, tests and owners along the journey, on one page."""

from collections.abc import Iterable, Sequence

from insights.journey_map import TOUCHED_WITHIN_DAYS, JourneyMap, Stop, map_journey, measured_since
from insights.pages.figure import Column, Figure, Page, Stops, Table, Unit, Value, View
from insights.pages.next_steps import ends_of
from insights.pages.stops import SEPARATOR
from insights.pages.write import write, write_day
from journeys.versions import JourneyVersion

SLUG = "map"
_NOT_MEASURED = "not measured"


def page(view: View) -> Page:
    """Return the map and, where the journey has a past, its versions."""
    found = map_journey(view.journey, view.facts, view.filters, view.records)
    figures = [_map(found)]
    if view.journey.versions:
        figures.append(_versions(view.journey.versions))
    if found.retired:
        figures.append(_retired(found))
    lede = f"{view.journey.title} from the first touch to the goal: who comes how, who goes on, what stops the others."
    return Page(SLUG, "Journey map", lede, tuple(figures))


def _map(found: JourneyMap) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("touchpoints", "Touchpoints"),
        Column("sessions", "Sessions", Unit.COUNT),
        Column("share", "Of those at the first", Unit.SHARE),
        Column("exits", "Left here", Unit.COUNT),
        Column("exit_rate", "Exit rate", Unit.SHARE),
        Column("exit_low", "Low", Unit.SHARE),
        Column("exit_high", "High", Unit.SHARE),
        Column("blockers", "Blockers"),
        Column("interventions", "Interventions"),
        Column("tests", "Running tests"),
        Column("owner", "Owner"),
        Column("measured", "Measured"),
    )
    goal = ("goal", None, found.goals, found.goal_share, *[None] * 8, None)
    definition = (
        "Sessions that began in the period and have ended. Touchpoints: sessions by the channels, in the journey or "
        f"outside of it, that their people touched in the {TOUCHED_WITHIN_DAYS} days before they reached the stage; "
        "one may have several. Left here: abandoned with this as the furthest stage; the exit rate is of those that "
        "reached it, with its interval at 95%. Blockers: sessions expected to have been left here for each friction, "
        "from the calibrated probabilities of the diagnosis; an association. Interventions: what is expected to bring "
        "most against them, with its owner. Running tests: opportunities whose status is testing. A stage that came "
        "with a version of the journey is measured from then on; before, it is not measured."
    )
    rows = (*(_row(stop, found) for stop in found.stops), goal)
    changed = [f"{write_day(version.since)}: {version.note}" for version in found.versions]
    note = f"The journey changed within the period ({SEPARATOR.join(changed)})." if changed else ""
    chart = Stops(
        "stage",
        "share",
        ("measured", "owner", "touchpoints", "sessions", "exits", "exit_rate", "blockers", "interventions", "tests"),
    )
    return Figure("map", "Along the journey", definition, Table(columns, rows), chart, note)


def _row(stop: Stop, found: JourneyMap) -> tuple[Value, ...]:
    exits = stop.exits
    return (
        stop.name,
        _listed(f"{one.channel.replace('_', ' ')} {write(one.sessions, Unit.COUNT)}" for one in stop.touchpoints),
        exits.sessions if exits else None,
        stop.share,
        exits.exits if exits else None,
        *ends_of(exits.rate if exits else None),
        _listed(f"{one.friction} {write(one.sessions.value, Unit.COUNT)}" for one in stop.blockers),
        _listed(f"{one.title} ({one.owner})" for one in stop.interventions),
        _listed(f"{one.intervention} ({one.opportunity}, {one.author})" for one in stop.tests),
        stop.owner or None,
        _measured(stop, found),
    )


def _measured(stop: Stop, found: JourneyMap) -> str | None:
    named = f"formerly {', '.join(stop.life.former_names)}" if stop.life.former_names else ""
    if stop.exits is None:
        return _listed(part for part in (_NOT_MEASURED, named) if part)
    since = measured_since(stop, found.period)
    return _listed(part for part in (f"since {write_day(since)}" if since else "", named) if part)


def _versions(versions: Sequence[JourneyVersion]) -> Figure:
    columns = (
        Column("since", "Since", Unit.DAY),
        Column("note", "What changed"),
        Column("added", "Added"),
        Column("retired", "Retired"),
        Column("renamed", "Renamed"),
    )
    rows = tuple(
        (
            one.since.isoformat(),
            one.note,
            _listed((*one.stages_added, *(f"friction {name}" for name in one.frictions_added))),
            _listed((*one.stages_retired, *(f"friction {name}" for name in one.frictions_retired))),
            _listed(f"{before} to {after}" for before, after in one.renamed.items()),
        )
        for one in versions
    )
    definition = (
        "The versions that the journey declares, the oldest first. Comparisons across one use only stages and "
        "frictions that were there on both sides; a renamed stage keeps its history. Not filtered."
    )
    return Figure("versions", "Versions of the journey", definition, Table(columns, rows))


def _retired(found: JourneyMap) -> Figure:
    columns = (Column("stage", "Stage"), Column("since", "From", Unit.DAY), Column("until", "Retired", Unit.DAY))
    rows = tuple(
        (life.name, life.since.isoformat() if life.since else None, life.until.isoformat() if life.until else None)
        for life in found.retired
    )
    definition = "Stages that are no part of the journey any more; since then they are not measured. Not filtered."
    return Figure("retired", "Retired stages", definition, Table(columns, rows))


def _listed(entries: Iterable[str]) -> str | None:
    return SEPARATOR.join(entries) or None
