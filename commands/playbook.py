"""The playbook: which tactics are proven, what is to be tested, and what people note down about them."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import JourneyArgument, JsonOption, ModelOption, QuarantineOption, to_path

app = typer.Typer()


@app.command(epilog="Example: dropoff playbook ecommerce --markdown playbook.md")
def playbook(
    journey: JourneyArgument,
    status: Annotated[
        str, typer.Option(metavar="STATUS", help="Only these: proposed, testing, proven or retired.")
    ] = "",
    blocker: Annotated[str, typer.Option(metavar="NAME", help="Only what is against this blocker.")] = "",
    due: Annotated[bool, typer.Option("--due", help="Only what is to be tested again.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Also write them as a document, a .md file.")
    ] = None,
    json_path: JsonOption = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="PATH", parser=to_path, help="First open what this log's figures propose."),
    ] = None,
    propose: Annotated[bool, typer.Option("--propose", help="First open what the service's figures propose.")] = False,
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """List which tactics work, and what to test.

    A tactic is an intervention against a blocker; a randomised experiment proves it, and its evidence ages. What is
    proven comes first, with the tests that are due. dropoff tactic adds and changes them.
    """
    from console.databases import open_service
    from console.logs import facts_of
    from console.terminal import out, progress, say, write_json
    from features.output import require_writable
    from insights.alarms import require_facts
    from insights.find_alarms import with_alarms
    from insights.playbook.export import playbook_tables, to_json
    from insights.playbook.follow import follow_experiments
    from insights.playbook.look import choose_entries, look_up
    from insights.playbook.markdown import to_markdown
    from insights.playbook.propose import keep_proposals
    from insights.playbook.status import parse_tactic_status
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.playbook_store import PlaybookStore
    from storage.record_store import load_records

    if log is not None and propose:
        raise typer.BadParameter("--log names the figures already; leave --propose out")
    for path, suffixes in ((markdown, (".md",)), (json_path, ())):
        if path is not None:
            require_writable(path, log=log, suffixes=suffixes)
    wanted = parse_tactic_status(status) if status else None
    declared, configuration, now = load_journey(journey), Configuration.from_environment(), now_us()
    current = require_facts(configuration.home, declared.name).folder if propose else None
    with open_service() as engine:
        if log is not None or current is not None:
            with facts_of(declared, journey, log, current, model, quarantine) as facts, progress() as report:
                report("looking for what to propose", 0.0)
                records = with_alarms(load_records(engine, declared.name), facts, declared)
                opened = keep_proposals(engine, declared, facts, records, now_us=now)
            say(f"New in the playbook: {len(opened)}.")
        follow_experiments(engine, declared, now_us=now)
        tactics = PlaybookStore(engine, declared.name).tactics()
    entries = choose_entries(look_up(declared, tactics, now), status=wanted, blocker=blocker, due=due)
    for table in playbook_tables(declared, entries):
        out.print(table)
        out.print()
    if not entries:
        say("No tactic is of this kind." if tactics else "The playbook is empty.")
    if not tactics:
        say(
            "Open what figures propose with --log PATH or --propose, or add a tactic: dropoff tactic JOURNEY NAME --add"
        )
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(to_markdown(declared, entries, now), encoding="utf-8")
        say(f"The playbook is {markdown}")
    write_json(json_path, to_json(declared, entries, now))


@app.command(epilog="Example: dropoff tactic ecommerce payment.payment.other_payment --add")
def tactic(
    journey: JourneyArgument,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="STAGE.BLOCKER.INTERVENTION, as dropoff playbook shows it.")
    ],
    add: Annotated[bool, typer.Option("--add", help="Put it into the playbook, as proposed.")] = False,
    status: Annotated[str, typer.Option(metavar="STATUS", help="proposed, testing, proven or retired.")] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; retiring needs one.")] = "",
    owner: Annotated[str, typer.Option(metavar="NAME", help="Who answers for it.")] = "",
    learning: Annotated[str, typer.Option(metavar="TEXT", help="What is known of it, in a sentence.")] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says so; by default this account.")] = "",
) -> None:
    """Add a tactic to the playbook, or change one.

    Its status with the reason, its owner, or what was learnt. Proven takes an experiment whose verdict is ship; what is
    retired has to be proposed again before it is tested.
    """
    from console.databases import open_service
    from console.terminal import say
    from insights.playbook.change import keep_tactic
    from journeys.load import load_journey

    if not (add or status or owner or learning):
        raise typer.BadParameter("say what to change: --add, --status, --owner or --learning")
    declared = load_journey(journey)
    with open_service() as engine:
        kept = keep_tactic(
            engine, declared, name, add=add, status=status, reason=reason, owner=owner, learning=learning, author=by
        )
    say(f"{name} of {declared.name} is {kept.status}, owned by {kept.owner}.")
