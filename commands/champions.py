"""Which model serves, and serving it."""

from typing import Annotated

import typer

from commands.options import MLRUNS, JourneyArgument, JsonOption, LogOption, PortOption, ReasonOption, WaitOption

app = typer.Typer()


@app.command(epilog="Example: dropoff models ecommerce")
def models(journey: JourneyArgument, json_path: JsonOption = None) -> None:
    """List the registered versions, and who was champion when.

    Figures of versions with the same log and as many held-out sessions can be compared; for others there is
    `dropoff compare`. Where a service runs, each process says which version it answers with.
    """
    from dataclasses import asdict

    from console.databases import registry_home, service_database
    from console.terminal import out, say, write_json
    from features.output import require_writable
    from insights.challenges import challenge_table
    from journeys.load import load_journey
    from serving.answering import process_table
    from storage.challenge_store import ChallengeStore
    from storage.process_store import Processes
    from training.versions import history_table, list_versions, versions_table

    if json_path is not None:
        require_writable(json_path)
    name = load_journey(journey).name
    with registry_home(name) as home, service_database() as (engine, _):
        listed = list_versions(home, name)
        processes = () if engine is None else Processes(engine, name).answering()
        challenges = () if engine is None else ChallengeStore(engine, name).all()
    tables = [versions_table(listed), history_table(listed)]
    tables += [process_table(name, processes)] if processes else []
    tables += [challenge_table(name, challenges)] if challenges else []
    for table in tables:
        out.print(table)
        out.print()
    for one in listed.registered:
        if one.damage is not None:
            say(f"Version {one.version} cannot serve: {one.damage}.")
    if listed.history.damaged:
        say(f"Lines of the history that cannot be read: {', '.join(map(str, listed.history.damaged))}.")
    running = {"processes": [asdict(one) for one in processes], "challenges": [one.to_json() for one in challenges]}
    write_json(json_path, listed.to_json() | running)


@app.command(epilog="Example: dropoff promote ecommerce 3 --reason 'better on mobile'")
def promote(
    journey: JourneyArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version to serve from now on.")],
    reason: ReasonOption = "",
    wait: WaitOption = False,
) -> None:
    """Make a registered version the champion.

    A running service notices by itself, and so do all replicas that share its database.
    """
    from console.databases import registry_home
    from console.models import check_servable, say_promoted, wait_for_switch
    from journeys.load import load_journey
    from training.promote import promote as run

    declared = load_journey(journey)
    with registry_home(declared.name) as home:
        check_servable(declared, journey, version)
        promoted = run(declared.name, version, home=home, mlruns=MLRUNS, reason=reason)
    say_promoted(declared, promoted)
    if wait:
        wait_for_switch(declared, version)


@app.command(epilog="Example: dropoff rollback ecommerce --reason 'too many false alarms'")
def rollback(journey: JourneyArgument, reason: ReasonOption = "", wait: WaitOption = False) -> None:
    """Go back to the champion before this one.

    Again, and it goes one further back. A running service notices by itself, and so do all replicas that share its
    database.
    """
    from console.databases import registry_home
    from console.models import say_promoted, wait_for_switch
    from journeys.load import load_journey
    from training.promote import roll_back

    declared = load_journey(journey)
    with registry_home(declared.name) as home:
        promoted = roll_back(declared, home=home, mlruns=MLRUNS, reason=reason)
    say_promoted(declared, promoted)
    if wait:
        wait_for_switch(declared, promoted.line.version)


@app.command(epilog="Example: dropoff challenger ecommerce 4 --reason 'more sessions'")
def challenger(
    journey: JourneyArgument,
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="The version to ask; without it, what was seen so far is shown."),
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="Ask nobody beside the champion any more.")] = False,
    reason: ReasonOption = "",
    json_path: JsonOption = None,
) -> None:
    """Ask a version what the champion answers, unseen by anybody.

    Running services ask it off the answers' path, on at most a fifth of a core each, and count how often risk, first
    blocker and recommendation agree, and how long both take. `dropoff promote` makes it the champion.
    """
    from console.databases import registry_home, service_database
    from console.models import check_servable
    from console.terminal import out, say, write_json
    from features.output import require_writable
    from insights.challenges import challenge_table, say_challenge
    from journeys.load import load_journey
    from storage.challenge_store import ChallengeStore
    from storage.models import challenger_version
    from training.challenge import end_challenger, set_challenger

    if end and version is not None:
        raise typer.BadParameter("give one of VERSION and --end")
    if json_path is not None:
        require_writable(json_path)
    declared = load_journey(journey)
    name = declared.name
    with registry_home(name) as home, service_database() as (engine, _):
        if end:
            ended = end_challenger(declared, home=home, mlruns=MLRUNS, reason=reason).previous
            say(f"Version {ended} is no challenger of {name} any more.")
        elif version is not None:
            check_servable(declared, journey, version)
            set_challenger(declared, version, home=home, mlruns=MLRUNS, reason=reason)
            say(f"Version {version} is asked what the champion of {name} answers, from now on.")
        found = () if engine is None else ChallengeStore(engine, name).all()
        standing = challenger_version(home, name)
    if version is None:
        if standing is None and not end:
            say(f"{name} has no challenger; dropoff challenger {journey} VERSION sets one.")
        if found:
            out.print(challenge_table(name, found))
            out.print()
        for one in found:
            for line in say_challenge(one) if one.version == standing else ():
                say(line)
    write_json(json_path, {"journey": name, "challenger": standing, "challenges": [one.to_json() for one in found]})


@app.command(epilog="Example: dropoff build ecommerce")
def build(journey: JourneyArgument) -> None:
    """Build a Bento with the champion inside.

    It serves anywhere, without a checkout of this project.
    """
    from console.terminal import say, waiting
    from serving.build import build as run

    with waiting("building"):
        built = run(journey)
    say(f"{built.tag} holds version {built.model_version}; serve it with: bentoml serve {built.folder}")
    say(f"An image of it: docker build --file {built.folder}/Containerfile --tag dropoff:1 {built.folder}")


@app.command(epilog="Example: dropoff serve ecommerce --port 3000")
def serve(
    journey: JourneyArgument,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Where to listen; elsewhere than on this machine only with keys.")
    ] = "127.0.0.1",
    port: PortOption = 3000,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes that serve together; by default DROPOFF_WORKERS.")
    ] = None,
) -> None:
    """Serve the champion until Ctrl-C.

    Without keys (`dropoff keys`) everything is accepted, from this machine only.
    """
    from console.terminal import say, waiting
    from serving.access import KEYLESS
    from serving.configuration import Configuration
    from serving.keyed import has_keys
    from serving.logs import telling
    from serving.run import serve as run

    with waiting("loading and warming up") as over:

        def ready(address: str) -> None:
            over()
            configuration = Configuration.from_environment()
            tell = telling(configuration.logs, say)
            tell(f"Serving {journey} at {address} (its API: {address}/docs.json). Ctrl-C stops it.")
            if not has_keys(configuration):
                tell(KEYLESS)

        run(journey, host=host, port=port, workers=workers, ready=ready)


@app.command(epilog="Example: dropoff replay ecommerce --log shop/events --sessions 2")
def replay(
    journey: JourneyArgument,
    log: LogOption,
    url: Annotated[str, typer.Option(metavar="URL", help="Where the service is.")] = "http://127.0.0.1:3000",
    sessions: Annotated[int, typer.Option(metavar="N", min=1, help="How many of the latest sessions.")] = 3,
    min_events: Annotated[int, typer.Option(metavar="N", min=1, help="Leave shorter sessions out.")] = 5,
    session: Annotated[list[str] | None, typer.Option(metavar="ID", help="These sessions; may be repeated.")] = None,
) -> None:
    """Send recorded sessions to a service, event by event.

    Shows the stage, the risk, the top blocker and the recommendation after each event. Where the service has keys,
    DROPOFF_KEY in the environment is one that may write and read.
    """
    from console.shown import show_replay
    from console.terminal import progress
    from features.plan import compile_plan
    from features.read_sessions import read_sessions
    from journeys.load import load_journey
    from serving.replay import replay as run
    from serving.replay import require_ready

    declared = load_journey(journey)
    require_ready(url)
    with progress() as report:
        recorded = read_sessions(
            log,
            compile_plan(declared.table),
            timeout_seconds=declared.session_timeout_seconds,
            session_ids=session or (),
            most=sessions,
            min_events=min_events,
            progress=report,
        )
    show_replay(run(url, recorded, ends=declared.ends.all_names))
