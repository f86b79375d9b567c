"""Who may send, ask and govern."""

from typing import Annotated

import typer

from commands.options import JsonOption

app = typer.Typer()

_LIST, _NEW, _ROTATE, _REVOKE = ACTIONS = ("list", "new", "rotate", "revoke")


@app.command(epilog="Example: dropoff keys new --permission write --name 'web shop'")
def keys(
    action: Annotated[str, typer.Argument(metavar="[ACTION]", help="list, new, rotate or revoke.")] = _LIST,
    key_id: Annotated[
        str | None, typer.Argument(metavar="[KEYID]", help="The key to rotate or revoke: what follows do_ in it.")
    ] = None,
    permission: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT", help="write (send events), read (ask), metrics or admin (all else); repeatable."),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="What or whom the key is for; the audit names it.")] = "",
    journey: Annotated[
        str | None, typer.Option(metavar="JOURNEY", help="The only journey that it opens; by default all.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long it is valid, as 90d; by default until it is revoked.")
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(metavar="N", help="By default DROPOFF_REQUESTS_PER_SECOND.")
    ] = None,
    max_body_bytes: Annotated[
        int | None, typer.Option(metavar="N", help="Largest request; by default DROPOFF_MAX_BODY_BYTES.")
    ] = None,
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old key stays valid after a rotation.")
    ] = "1d",
    json_path: JsonOption = None,
) -> None:
    """Make, list, rotate and revoke the keys of the service.

    A new key is shown once, and kept as a hash. From the first one on, the service answers nobody without a key;
    it notices changes within seconds, without a restart. rotate makes a key that opens the same as the one named.
    """
    from console.terminal import say, write_json
    from features.duration import parse_duration
    from features.events import US_PER_SECOND
    from features.output import require_writable
    from journeys.load import load_journey
    from serving.access import Permission
    from serving.configuration import Configuration
    from serving.key_words import say_key, to_json
    from serving.runtime import now_us
    from storage.database import open_database, writing
    from storage.history import account
    from storage.key_store import Grant, KeyStore

    if action not in ACTIONS:
        raise typer.BadParameter(f"{action!r} is no action: there are {', '.join(ACTIONS)}")
    named = action in (_ROTATE, _REVOKE)
    if named and key_id is None:
        raise typer.BadParameter(f"name the key to {action}: `dropoff keys list` shows their ids")
    if not named and key_id is not None:
        raise typer.BadParameter(f"{action} takes no KEYID")
    if action == _NEW and (not permission or not name):
        raise typer.BadParameter("a new key needs --permission WHAT and --name NAME")
    unknown = [one for one in permission or () if one not in tuple(Permission)]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is no permission: there are {', '.join(Permission)}")
    if json_path is not None:
        require_writable(json_path)
    configuration, now = Configuration.from_environment(), now_us()
    overlap_us = round(parse_duration(overlap) * US_PER_SECOND)
    granted = Grant(
        name=name,
        permissions=frozenset(permission or ()),
        journey=None if journey is None else load_journey(journey).name,
        requests_per_second=requests_per_second,
        max_body_bytes=max_body_bytes,
        expires_us=None if expires is None else now + round(parse_duration(expires) * US_PER_SECOND),
    )
    engine = open_database(configuration.address)
    store = KeyStore(engine)
    try:
        if action == _LIST:
            found = store.all_keys()
            for key in found:
                say(say_key(key, now))
            if not found:
                say("There are no keys: the service answers its own machine only.")
        elif action == _REVOKE:
            with writing(engine) as connection:
                revoked = store.revoke(connection, key_id or "", actor=account(), now_us=now)
            say(f"The key {revoked.key_id} ({revoked.grant.name}) opens nothing from now on.")
        else:
            with writing(engine) as connection:
                if action == _NEW:
                    made = store.add(connection, granted, actor=account(), now_us=now)
                else:
                    made, old = store.rotate(
                        connection, key_id or "", overlap_us=overlap_us, actor=account(), now_us=now
                    )
                    say(f"The old key: {say_key(old, now)}")
            say("The new key, which is shown this once:")
            say(made.text)
        write_json(json_path, {"keys": [to_json(key, now) for key in store.all_keys()]})
    finally:
        engine.dispose()
