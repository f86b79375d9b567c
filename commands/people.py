"""What is kept about people, and how it is forgotten."""

from typing import Annotated, Literal

import typer

from commands.options import JsonOption

app = typer.Typer()


@app.command(epilog="Example: dropoff forget 3f9c2d4e --dry-run")
def forget(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A visitor's id, or a user's.")],
    journey: Annotated[
        str, typer.Option(metavar="NAME", help="Only in this journey; by default in all of the database.")
    ] = "",
    only_visitor: Annotated[
        bool, typer.Option("--only-visitor", help="This visitor alone, not the person's other devices.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, and erase nothing.")] = False,
    json_path: JsonOption = None,
) -> None:
    """Erase all that is kept about a person, and give a receipt.

    Events, sessions, decisions, identity links and whatever else the database holds, on all the person's devices; a
    running service forgets within a second. Models keep no rows: the receipt lists those that learnt from them.
    """
    from console.databases import open_service
    from console.terminal import say, write_json
    from features.output import require_writable
    from insights.forget import forget_person
    from serving.configuration import Configuration
    from serving.privacy import ids_of
    from serving.runtime import now_us
    from storage.history import account

    if json_path is not None:
        require_writable(json_path)
    configuration = Configuration.from_environment()
    ids = ids_of(configuration)
    with open_service() as engine:
        receipts = forget_person(
            engine,
            configuration.home,
            ids=ids.every_id(id_),
            journey=journey,
            whole_person=not only_visitor,
            keep=dry_run,
            actor=account(),
            now_us=now_us(),
        )
    for line in (line for receipt in receipts for line in receipt.describe(dry_run=dry_run)):
        say(line)
    if not receipts:
        where = engine.url.render_as_string(hide_password=True)
        say(f"The database {where} holds no journey yet, so nothing is kept about anybody.")
    write_json(json_path, {"receipts": [receipt.to_json() for receipt in receipts]})


@app.command(epilog="Example: dropoff identity show 3f9c2d4e")
def identity(
    action: Annotated[Literal["show", "undo"], typer.Argument(metavar="ACTION", help="show or undo.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="An id, a visitor's or a user's; to undo, a link's number.")],
    journey: Annotated[
        str, typer.Option(metavar="NAME", help="Only in this journey; by default in all of the database.")
    ] = "",
    json_path: JsonOption = None,
) -> None:
    """Say who an id is, or undo a link between two.

    `show` tells the person's visitors, users and sessions, and each link and refusal with its number, time and reason.
    `undo` appends that a link no longer holds: from then on, and whatever events go on to say; past scores stay.
    """
    from console.databases import open_service
    from console.terminal import say, write_json
    from features.output import require_writable
    from insights.who_is import undo_link, who_is
    from serving.configuration import Configuration
    from serving.privacy import ids_of
    from serving.runtime import now_us

    if json_path is not None:
        require_writable(json_path)
    if action == "undo" and not id_.isdecimal():
        raise typer.BadParameter("give the number of a link, as `dropoff identity show ID` tells it", param_hint="ID")
    configuration = Configuration.from_environment()
    ids = ids_of(configuration)
    with open_service() as engine:
        if action == "undo":
            undone = undo_link(engine, int(id_), now_us())
            found = who_is(engine, undone.visitor_id, undone.visitor_id, journey)
        else:
            found = who_is(engine, ids.visitor_id(id_), ids.user_id(id_), journey)
    for line in (line for one in found for line in one.describe()):
        say(line)
    if not found:
        where = engine.url.render_as_string(hide_password=True)
        say(f"The database {where} holds no journey yet, so nothing is known about anybody.")
    write_json(json_path, {"found": [one.to_json() for one in found]})
