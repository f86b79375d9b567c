"""What is watched, noted down and decided about a journey."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import MOVED, JourneyArgument, JsonOption, LogOption, ModelOption, QuarantineOption, to_path

app = typer.Typer()


@app.command(epilog="Example: dropoff quality ecommerce --log shop/events --until 2026-03-28")
def quality(
    journey: JourneyArgument,
    log: LogOption,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Judge this day, as 2026-03-28; by default the log's last one.")
    ] = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say whether a log's data can be trusted.

    Volume, lateness, clocks, duplicates, unknown events, missing fields, refused rows and silences of one day, each
    against yesterday and against what is usual. Exits with status 3 where one is an alarm; with 0 where none is.
    """
    from console.logs import quarantine_path
    from console.terminal import day_of, progress, say, tell, write_json
    from features.output import require_writable
    from insights.measure_quality import quality_of_log
    from journeys.load import load_journey

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    day = None if until is None else day_of(until)
    with progress() as report:
        found, summary = quality_of_log(declared, log, quarantine=refused, until=day, progress=report)
    tell(summary, refused)
    for line in found.describe():
        say(line)
    write_json(json_path, found.to_json())
    if found.alarms:
        raise typer.Exit(MOVED)


@app.command(epilog="Example: dropoff alarms ecommerce --log shop/events --json alarms.json")
def alarms(
    journey: JourneyArgument,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", metavar="PATH", parser=to_path, help="A log; by default the service's figures as they stand."
        ),
    ] = None,
    webhook: Annotated[
        str, typer.Option(metavar="URL", help="Where to send each alarm once; by default DROPOFF_WEBHOOK.")
    ] = "",
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say where more or fewer people leave than is usual.

    Compares each stage's exit rate, and each cohort's, with its own history: weekday, hour and trend. New alarms are
    kept and sent once. Exits with status 3 where one is open; with 0 where none is.
    """
    from console.logs import facts_of
    from console.terminal import progress, say, write_json
    from features.output import require_writable
    from insights.alarms import require_facts, to_json, watch
    from insights.say_alarms import say_all
    from insights.webhook import Webhook
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.database import open_database

    declared, configuration = load_journey(journey), Configuration.from_environment()
    if json_path is not None:
        require_writable(json_path, log=log)
    address = webhook or configuration.webhook
    told = Webhook(address, configuration.webhook_secret) if address else None
    current = None if log is not None else require_facts(configuration.home, declared.name).folder
    with facts_of(declared, journey, log, current, model, quarantine) as facts, progress() as report:
        report("looking for changes", 0.0)
        engine = open_database(configuration.address, configuration.durability)
        seen = watch(facts, declared, engine, now_us=now_us(), webhook=told)
        engine.dispose()
    for line in say_all(seen.alarms, declared.timezone):
        say(line)
    for mistake in seen.unsent:
        say(f"Not sent: {mistake}.")
    content = [to_json(alarm, declared, seen.annotations) for alarm in seen.alarms]
    write_json(json_path, {"journey": declared.name, "open": len(seen.open), "new": list(seen.new), "alarms": content})
    if seen.open:
        raise typer.Exit(MOVED)


@app.command(epilog="Example: dropoff annotate ecommerce --at 2026-03-17 'Sign-in is required'")
def annotate(
    journey: JourneyArgument,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="What was done; without it, what is noted down is listed.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, as 2026-03-17 or 2026-03-17T08:00, in UTC.")
    ] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="release, policy, campaign or other.")] = "other",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says so; by default this account.")] = "",
) -> None:
    """Note down a release or a policy, to read figures with.

    Pages mark it in their charts, and an alarm names what was noted down near its time.
    """
    from console.terminal import moment_us, say
    from insights.annotate import list_annotations, write_annotation
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from storage.database import open_database

    declared = load_journey(journey)
    if text is not None and at is None:
        raise typer.BadParameter("say when with --at TIME")
    moment = None if at is None else moment_us(at)
    engine = open_database(Configuration.from_environment().address)
    if text is not None and moment is not None:
        say(write_annotation(engine, declared, at_us=moment, kind=kind, text=text, author=by))
    else:
        for line in list_annotations(engine, declared):
            say(line)
    engine.dispose()


@app.command(epilog="Example: dropoff agenda ecommerce --log shop/events --out agenda.md")
def agenda(
    journey: JourneyArgument,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", metavar="PATH", parser=to_path, help="A log; by default the service's figures as they stand."
        ),
    ] = None,
    facts: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Facts made of a log before, in place of --log.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="By default the day after the last review, or a week before.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="PATH", help="The Markdown file to write.")] = None,
    held: Annotated[
        bool, typer.Option("--held", help="The review was held: the next agenda begins where this one ends.")
    ] = False,
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write the agenda of the next review.

    What moved since the last one, open alarms, opportunities, milestones, flaws of the data, and the decisions that
    are needed, each with who is to speak.
    """
    from contextlib import nullcontext

    from console.logs import facts_of
    from console.terminal import day_of, say
    from features.output import require_writable
    from insights.agenda import write_agenda
    from insights.current import current_facts
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.database import open_database, writing
    from storage.history import account
    from storage.record_store import RecordStore, load_records

    if out is not None:
        require_writable(out, log=log)
    declared, configuration = load_journey(journey), Configuration.from_environment()
    begin = None if since is None else day_of(since)
    engine = open_database(configuration.address)
    named = log is not None or facts is not None
    opened = (
        facts_of(declared, journey, log, facts, model, quarantine)
        if named
        else nullcontext(current_facts(configuration.home, declared.name))
    )
    with opened as found:
        records = load_records(engine, declared.name, configuration.home)
        written = write_agenda(declared, records, found, now_us=now_us(), since=begin)
    if out is None:
        say(written.to_markdown())
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(written.to_markdown(), encoding="utf-8")
        say(f"The agenda for {written.since} to {written.until} is {out}")
    if held:
        with writing(engine) as connection:
            store = RecordStore(engine, declared.name)
            store.hold_review(connection, written.until, actor=account(), now_us=now_us())
        say(f"The review of the days up to {written.until} was held.")
    engine.dispose()


@app.command(epilog="Example: dropoff milestone ecommerce 'Free returns' --due 2026-07-01")
def milestone(
    journey: JourneyArgument,
    title: Annotated[
        str | None, typer.Argument(metavar="[TITLE]", help="What is to be done; without it, all are listed.")
    ] = None,
    due: Annotated[str | None, typer.Option(metavar="DAY", help="By when, as 2026-07-01.")] = None,
    owner: Annotated[str, typer.Option(metavar="NAME", help="Who does it; by default the journey's owner.")] = "",
    done: Annotated[int | None, typer.Option(metavar="N", help="The milestone of this number is done.")] = None,
    move: Annotated[
        int | None, typer.Option(metavar="N", help="Put the milestone of this number on --due DAY.")
    ] = None,
) -> None:
    """Plan what is to be done for a journey, and by when.

    Lists the milestones, adds one, moves one, or says that one is done. The agenda names what is due.
    """
    import insights.milestones as plan
    from console.terminal import day_of, say
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.database import open_database
    from storage.record_store import load_records

    if sum(one is not None for one in (title, done, move)) > 1:
        raise typer.BadParameter("give one of TITLE, --done and --move")
    if (title is not None or move is not None) and due is None:
        raise typer.BadParameter("say by when with --due DAY")
    declared = load_journey(journey)
    day = None if due is None else day_of(due)
    engine, now = open_database(Configuration.from_environment().address), now_us()
    today = plan.today_of(declared, now)
    if title is not None and day is not None:
        added = plan.add_milestone(engine, declared, title=title, due=day, owner=owner or declared.owner, now_us=now)
        say(plan.say_milestone(added, today))
    elif move is not None and day is not None:
        say(plan.say_milestone(plan.move_milestone(engine, declared, move, day, now), today))
    elif done is not None:
        say(plan.say_milestone(plan.complete_milestone(engine, declared, done, now), today))
    else:
        for line in plan.say_milestones(load_records(engine, declared.name).milestones, today):
            say(line)
    engine.dispose()


@app.command(epilog="Example: dropoff audit ecommerce --json audit.json")
def audit(
    journey: JourneyArgument,
    visitor: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only the erasures of this visitor, whose id the audit does not hold."),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Show who changed what, and when.

    Annotations, alarms, statuses, milestones, reviews, champions and erasures, the oldest first.
    """
    from console.terminal import say, write_json
    from features.output import require_writable
    from insights.audit_words import erasures_of, say_entry, to_json
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from storage.database import open_database
    from storage.record_store import load_records

    if json_path is not None:
        require_writable(json_path)
    declared, configuration = load_journey(journey), Configuration.from_environment()
    engine = open_database(configuration.address)
    entries = load_records(engine, declared.name, configuration.home).audit
    engine.dispose()
    if visitor is not None:
        entries = erasures_of(entries, visitor)
    if entries:
        say(f"Times are those of {declared.timezone}.")
    for entry in entries:
        say(say_entry(entry, declared.timezone))
    if not entries:
        say("Nothing was changed yet." if visitor is None else "No erasure of this visitor is in the audit.")
    write_json(json_path, {"journey": declared.name, "entries": [to_json(entry) for entry in entries]})


@app.command("follow-ups", epilog="Example: dropoff follow-ups ecommerce --retry")
def follow_ups(
    journey: JourneyArgument,
    retry: Annotated[bool, typer.Option("--retry", help="Send those that were given up again.")] = False,
    json_path: JsonOption = None,
) -> None:
    """List the messages that did not reach their webhook.

    Those on their way and those given up, the oldest first, each with what its last attempt ended with. What is sent
    again keeps its id, so that a receiver can tell it.
    """
    from console.terminal import say, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.outbox import describe_follow_up, retry_follow_ups, summarise
    from storage.database import open_database
    from storage.follow_ups import FollowUps

    if json_path is not None:
        require_writable(json_path)
    name = load_journey(journey).name
    engine = open_database(Configuration.from_environment().address)
    store = FollowUps(engine, name)
    if retry:
        say(f"{retry_follow_ups(engine, store):,} will be sent again.")
    unfinished, counts = store.unfinished(), store.counts()
    engine.dispose()
    for one in unfinished:
        say(describe_follow_up(one))
    say(summarise(counts))
    shown = [{"id": one.id, "state": one.state, "attempts": one.attempts, "said": one.said} for one in unfinished]
    write_json(json_path, {"journey": name, "counts": counts, "follow_ups": shown})
