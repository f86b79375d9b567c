"""Where people stop and what goes with it, from any log."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import (
    FactsOption,
    JourneyArgument,
    JsonOption,
    LogOption,
    LogOrFactsOption,
    ModelOption,
    QuarantineOption,
)

app = typer.Typer()


@app.command(epilog="Example: dropoff funnel --log events/ --steps view,cart,buy --window 30m")
def funnel(
    log: LogOption,
    steps: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Event names by commas; `a|b` takes either, `view[page=home,price>=10]` asks for columns or "
            "properties, double quotes keep a comma in a name.",
        ),
    ],
    window: Annotated[
        str | None,
        typer.Option(metavar="30m", help="From the first step to the last at most; by default without limit."),
    ] = None,
    order: Annotated[
        str,
        typer.Option(
            metavar="ORDER",
            help="ordered: other events may lie between; strict: nothing may; unordered: within one window.",
        ),
    ] = "ordered",
    step_window: Annotated[
        str | None, typer.Option(metavar="10m", help="From the step before to each step at most.")
    ] = None,
    exclude: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="Leave out whoever does one of these within the attempt, step 1 included."),
    ] = None,
    optional: Annotated[
        str | None, typer.Option(metavar="B", help="Which of the steps people may leave out; not the first.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Break down by a column (device) or a property (country).")
    ] = None,
    attribution: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="Whose value counts with --by. first, last: the first or last known one of the person; step: each "
            "step its own event's; all: a funnel for each value, of the events that have it.",
        ),
    ] = "first",
    attribution_step: Annotated[
        str | None,
        typer.Option(metavar="B", help="With --attribution step: everybody under the value at this step."),
    ] = None,
    count_by: Annotated[str, typer.Option(metavar="WHO", help="visitor, user or session.")] = "visitor",
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="Attempts that begin on this local day or later.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Attempts that begin on this local day or before.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Whose days these are, such as Europe/Berlin.")] = "UTC",
    session_timeout: Annotated[
        str, typer.Option(metavar="30m", help="The silence that ends a session, where events carry no session id.")
    ] = "30m",
    json: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Count who takes the steps of a funnel, and who stops where.

    Needs no journey. Of several attempts of one person that which gets furthest counts, the earliest of equals. Shows
    shares with 95 % intervals, the time from step to step, a breakdown and the days; docs/insights/funnels.md defines
    each of them.
    """
    from console.logs import quarantine_path
    from console.terminal import out, progress, say, tell, write_json
    from features.output import require_writable
    from insights.funnel.declare import declare
    from insights.funnel.measure import measure_funnel
    from insights.funnel.show import show_funnel

    declared = declare(
        steps,
        order=order,
        window=window,
        step_window=step_window,
        exclude=exclude,
        optional=optional,
        count_by=count_by,
        by=by,
        attribution=attribution,
        attribution_step=attribution_step,
        since=since,
        until=until,
        timezone=timezone,
        session_timeout=session_timeout,
    )
    if json is not None:
        require_writable(json, log=log)
    refused = quarantine_path(quarantine, log)
    with progress() as report:
        result = measure_funnel(declared, log, quarantine=refused, progress=report)
    tell(result.summary, refused)
    for part in show_funnel(result):
        say(part) if isinstance(part, str) else out.print(part)
        out.print()
    write_json(json, result.to_json())


@app.command(epilog="Example: dropoff channels --log shop --goal purchase --json channels.json")
def channels(
    log: LogOption,
    goal: Annotated[str, typer.Option(metavar="NAME", help="The event that counts as a conversion, each time.")],
    by: Annotated[str, typer.Option(metavar="COLUMN", help="channel, source or campaign.")] = "channel",
    touchpoints: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A log of touchpoints outside of sessions; by default those beside events/."),
    ] = None,
    lookback: Annotated[str, typer.Option(metavar="TIME", help="How long before a conversion a touch counts.")] = "30d",
    half_life: Annotated[str, typer.Option(metavar="TIME", help="How fast a touch fades with time_decay.")] = "7d",
    order: Annotated[int, typer.Option(metavar="N", min=1, help="How many touches the Markov chain remembers.")] = 1,
    models: Annotated[
        str | None, typer.Option(metavar="A,B", help="Some models only; shapley_rates is shown when it is named.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(metavar="PROPERTY", help="What a conversion is worth, to share out as well.")
    ] = None,
    journey: Annotated[
        str | None, typer.Option(metavar="JOURNEY", help="Credit each of its stages as well: a name or a file.")
    ] = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say which channels are credited with what people reach.

    First, last, linear, position-based, time-decay, Markov removal and Shapley credit side by side; each adds up to
    the conversions exactly. What was reached without any touch is credited to none.
    """
    from console.logs import quarantine_path
    from console.terminal import out, progress, say, tell, write_json
    from features.output import require_writable
    from insights.channels.contribution import CAVEAT, measure_contribution
    from insights.channels.credit import STANDARD, read_settings
    from insights.channels.tables import contribution_tables
    from journeys.load import load_journey

    refused = quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    with progress() as report:
        found = measure_contribution(
            log,
            goal,
            by=by,
            touchpoints=touchpoints,
            journey=None if journey is None else load_journey(journey),
            models=STANDARD if models is None else models.split(","),
            settings=read_settings(lookback, half_life, order),
            value=value,
            quarantine=refused,
            progress=report,
        )
    for summary in found.summaries:
        tell(summary, refused)
    for table in contribution_tables(found):
        out.print(table)
        out.print()
    for note in (*found.notes, CAVEAT):
        say(note)
    write_json(json_path, found.to_json())


@app.command(epilog="Example: dropoff cohorts ecommerce --log shop/events --by device")
def cohorts(
    journey: JourneyArgument,
    log: LogOrFactsOption = None,
    facts: FactsOption = None,
    by: Annotated[str, typer.Option(metavar="NAME", help="visitor_kind, device, blocker, country, ...")] = "device",
    compare: Annotated[
        str | None, typer.Option(metavar="A,B", help="Two cohorts side by side: device=mobile,device=desktop.")
    ] = None,
    progress_from: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Also what goes with going on from this stage.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only these sessions, also since= and until= a day; may be repeated."),
    ] = None,
    correction: Annotated[
        str, typer.Option(metavar="NAME", help="For many comparisons: discovery (lenient), every (strict) or none.")
    ] = "discovery",
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Compare cohorts: how far each gets and where it leaves.

    Each against all others, or any two with --compare, with 95 % intervals. Groups of fewer than 20 visitors are
    hidden; DROPOFF_MIN_CELL in the environment says another number.
    """
    from console.logs import facts_of
    from console.terminal import out, say, write_json
    from features.output import require_writable
    from insights.cohort_report import report_cohorts
    from journeys.load import load_journey

    if json_path is not None:
        require_writable(json_path, log=log)
    declared = load_journey(journey)
    with facts_of(declared, journey, log, facts, model, quarantine) as made:
        found = report_cohorts(
            made, declared, by, compare=compare, progress_from=progress_from, only=only or [], correction=correction
        )
    for table in found.tables:
        out.print(table)
        out.print()
    for note in found.notes:
        say(note)
    write_json(json_path, found.figures)


@app.command(epilog="Example: dropoff pacing ecommerce --log shop/events --json pacing.json")
def pacing(
    journey: JourneyArgument,
    log: LogOrFactsOption = None,
    facts: FactsOption = None,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0.05, max=0.95, help="How many of those silent should be leaving when a nudge comes."
        ),
    ] = 0.5,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Show where people speed up, hesitate and fall silent.

    The pace of each stage, the moments of hesitation with how often people left afterwards, and the silence from which
    on somebody is probably leaving: the best moment for a nudge.
    """
    from console.logs import facts_of
    from console.terminal import out, write_json
    from features.output import require_writable
    from insights.pacing.measure import measure_pacing
    from insights.pacing.tables import pacing_tables
    from journeys.load import load_journey

    declared = load_journey(journey)
    if json_path is not None:
        require_writable(json_path, log=log)
    with facts_of(declared, journey, log, facts, model, quarantine) as made, made.connect() as connection:
        measured = measure_pacing(declared, connection, threshold)
    for table in pacing_tables(measured):
        out.print(table)
        out.print()
    write_json(json_path, measured.to_json())
