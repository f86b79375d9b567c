"""What marketers read: the pages as a file, the week in words, opportunities."""

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


@app.command(epilog="Example: dropoff insights ecommerce --log shop/events --out report.html")
def insights(
    journey: JourneyArgument,
    log: LogOption,
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The .html file to write.")],
    since: Annotated[str | None, typer.Option(metavar="DAY", help="Sessions from this day on, as 2026-03-17.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="Sessions up to this day, included.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only this cohort: device=mobile; may be repeated.")
    ] = None,
    retell: Annotated[bool, typer.Option(help="Retell single sessions; leave them out of a file to pass on.")] = True,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write the marketer's pages as one file.

    The same as a running service shows at /: where people stop, why, for whom, what changed and what to do. The file
    needs no server and loads nothing from elsewhere. Without a model it says nothing of risk and blockers.
    """
    from console.databases import decisions_of, noted_down
    from console.logs import facts_of
    from console.terminal import progress, say, write_json
    from features.output import require_writable
    from insights.effects.kept import keep_effects
    from insights.filters import Filters
    from insights.report import figures_json, make_pages, write_report
    from journeys.load import load_journey

    declared = load_journey(journey)
    require_writable(out, log=log, suffixes=(".html",))
    if json_path is not None:
        require_writable(json_path, log=log)
    filters = Filters.from_texts(only or (), since, until, declared)
    with facts_of(declared, journey, log, None, model, quarantine) as facts, progress() as report:
        keep_effects(facts.folder, declared, decisions_of(declared, None))
        pages = make_pages(declared, facts, filters, noted_down(declared), report, retell=retell)
        report("writing the report", 0.0)
        write_report(pages, declared, facts, filters, out)
        write_json(json_path, figures_json(pages, declared, facts, filters))
    size_mb = out.stat().st_size / 1e6
    say(f"{len(pages)} pages with {sum(len(page.figures) for page in pages)} figures in {out} ({size_mb:.1f} MB)")


@app.command(epilog="Example: dropoff story ecommerce --log shop/events --out week.md")
def story(
    journey: JourneyArgument,
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="A .md, .html or .eml (an e-mail) to write.")],
    log: LogOrFactsOption = None,
    facts: FactsOption = None,
    week: Annotated[
        str, typer.Option(metavar="DAY", help="The week of this day, as 2026-11-16; by default the last whole one.")
    ] = "",
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write the week of a journey in words.

    What changed, where people stop and what stood in their way, what was tried, what is known of it, and what to do
    next. Every sentence links to its figures. DROPOFF_REPHRASE in the environment may name a local language model.
    """
    import os

    from console.databases import noted_down
    from console.logs import facts_of
    from console.terminal import say
    from features.output import require_writable
    from insights.find_alarms import with_alarms
    from insights.story.compose import tell_week
    from insights.story.documents import SUFFIXES, write_story
    from insights.story.rephrase import SETTING, rephrase_by
    from insights.story.week import find_week
    from journeys.load import load_journey

    declared, rephrase = load_journey(journey), rephrase_by(os.environ.get(SETTING, ""))
    require_writable(out, log=log, suffixes=SUFFIXES)
    with facts_of(declared, journey, log, facts, model, quarantine) as made:
        records = with_alarms(noted_down(declared), made, declared)
        told = tell_week(declared, made, find_week(made, week), records, rephrase)
    write_story(told, out)
    say(f"The week of {told.week.since} in {sum(1 for _ in told.sentences())} sentences: {out}")


@app.command(epilog="Example: dropoff opportunities ecommerce --log shop/events")
def opportunities(
    journey: JourneyArgument,
    log: LogOption,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Rank what could be done by its value per day of work.

    Each blocker at each stage with the people it stops, the value at stake, the gain that an intervention is expected
    to bring, its owner, its status, and the experiment that would tell. Values are per week; gains are priors until an
    experiment has measured them.
    """
    from console.databases import decisions_of, noted_down
    from console.logs import quarantine_path
    from console.models import load_model
    from console.terminal import out, progress, tell, write_json
    from features.output import require_writable
    from features.read_log import ReadSummary
    from insights.build_facts import facts_for_now
    from insights.effects.kept import keep_effects
    from insights.opportunities import find_opportunities
    from insights.opportunity_tables import opportunity_tables, to_json
    from journeys.load import load_journey

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    loaded = load_model(declared, journey, model)
    with progress() as report, facts_for_now(declared, log, loaded, quarantine=refused, progress=report) as facts:
        keep_effects(facts.folder, declared, decisions_of(declared, None))
        found = find_opportunities(declared, facts, records=noted_down(declared))
        summary = ReadSummary(**facts.summary)
    tell(summary, refused)
    for table in opportunity_tables(found):
        out.print(table)
        out.print()
    write_json(json_path, to_json(found))


@app.command(epilog="Example: dropoff decide ecommerce payment.form testing --by Ada")
def decide(
    journey: JourneyArgument,
    opportunity: Annotated[
        str, typer.Argument(metavar="OPPORTUNITY", help="Its name, as dropoff opportunities shows it.")
    ],
    status: Annotated[str, typer.Argument(metavar="STATUS", help="proposed, accepted, testing, done or dismissed.")],
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who decides; by default the account.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; dismissing needs one.")] = "",
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it came into force, as 2026-03-17T08:00, in UTC; by default now."),
    ] = None,
) -> None:
    """Give an opportunity a status, for its history and its page.

    Of one that is done, the page compares the days before and after the change.
    """
    from console.databases import open_service
    from console.terminal import moment_us, say
    from insights.opportunity_status import keep_status
    from journeys.load import load_journey

    declared = load_journey(journey)
    at_us = None if since is None else moment_us(since)
    with open_service() as engine:
        kept = keep_status(engine, declared, opportunity, status, reason=reason, author=by, at_us=at_us)
    say(f"{kept.opportunity_id} of {declared.name} is {kept.status}, says {kept.author}.")
