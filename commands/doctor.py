"""Whether an installation is well."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import MOVED, JsonOption, to_path

if TYPE_CHECKING:
    from serving.doctor import Checkup
    from serving.name_checks import NamedUnknown, UnknownNames

app = typer.Typer()


@app.command(epilog="Example: dropoff doctor ecommerce --json doctor.json")
def doctor(
    journey: Annotated[
        str | None,
        typer.Argument(metavar="JOURNEY", help="A journey's name, or the path of your file; else DROPOFF_JOURNEY's."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="PATH", parser=to_path, help="Look for unknown names in this log instead."),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Say whether the installation is well, and what to do.

    Home, disk, database, Redis, keys, model, the registry that replicas share, the last event, refused events, and
    names that the journey does not declare, with the events that they may mean. Nothing is changed. Exit status: 0
    well, 1 broken, 3 something to do.
    """
    from console.terminal import say, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.doctor import examine
    from serving.findings import State
    from serving.name_checks import UnknownNames, names_of_database, names_of_log

    configuration = Configuration.from_environment()
    given = journey or configuration.journey
    if log is not None and not given:
        raise typer.BadParameter("a log is looked at for a journey: dropoff doctor JOURNEY --log PATH")
    if json_path is not None:
        require_writable(json_path, log=log)
    declared = load_journey(given) if given else None
    checkup = examine(configuration, declared)
    names = UnknownNames(())
    if declared is not None:
        if log is not None:
            names = names_of_log(log, declared)
        elif checkup.is_readable:
            names = names_of_database(configuration, declared)
    _show(checkup, names)
    if names.names and log is not None:
        say(f"A log is named anew by: dropoff import canonical {log} --out FILE.parquet --journey {given}")
    state = State.TODO if names.names and checkup.state is State.WELL else checkup.state
    write_json(json_path, {**checkup.to_json(), "state": state, **names.to_json()})
    if state is not State.WELL:
        raise typer.Exit(1 if state is State.BROKEN else MOVED)


def _show(checkup: "Checkup", names: "UnknownNames") -> None:
    from console.terminal import out, say
    from journeys.tables import FittedTable
    from serving.findings import State
    from serving.times import show_time

    marks = {State.WELL: "well", State.TODO: "TO DO", State.BROKEN: "BROKEN"}
    for one in checkup.findings:
        say(f"{marks[one.state]:<7} {one.about}: {one.found}")
        if one.advice:
            say(f"        -> {one.advice}")
    for reason in checkup.refused:
        say(f"refused {reason.rows:,} x {reason.reason}, last at {show_time(reason.last_us)}: {reason.example[:200]}")
    if not names.names:
        return
    rows = [_row(one) for one in names.names]
    headers = ("name", "events", "last", "with", "perhaps", "why")
    out.print(FittedTable("Names that the journey does not declare", headers, rows, numbers=("events",)))
    if names.aliases:
        say("If these are the same events, write into the journey's file, beside the aliases that are there:")
        say(f"    {names.aliases}")


def _row(named: "NamedUnknown") -> tuple[str, ...]:
    from serving.times import show_time

    found, proposal = named.found, named.proposal
    meant = (f"{proposal.meant} ({proposal.confidence:.0%})", proposal.why) if proposal else ("", "")
    return (found.name, f"{found.events:,}", show_time(found.last_us)[:10], ", ".join(found.properties), *meant)
