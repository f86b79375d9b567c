"""What is kept about people, and how it is forgotten."""

from typing import Annotated

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
    from console import say, write_json
    from features.output import require_writable
    from insights.forget import forget_person
    from serving.configuration import Configuration
    from serving.privacy import ids_of
    from serving.runtime import now_us
    from storage.database import open_database
    from storage.history import account

    if json_path is not None:
        require_writable(json_path)
    configuration = Configuration.from_environment()
    ids = ids_of(configuration)
    engine = open_database(configuration.address, configuration.durability)
    try:
        receipts = forget_person(
            engine,
            configuration.home,
            visitor_id=ids.visitor_id(id_),
            user_id=ids.user_id(id_),
            journey=journey,
            whole_person=not only_visitor,
            keep=dry_run,
            actor=account(),
            now_us=now_us(),
        )
    finally:
        engine.dispose()
    for line in (line for receipt in receipts for line in receipt.describe(dry_run=dry_run)):
        say(line)
    if not receipts:
        say("The database holds no journey yet, so nothing is kept about anybody.")
    write_json(json_path, {"receipts": [receipt.to_json() for receipt in receipts]})
