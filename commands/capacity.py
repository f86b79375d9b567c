"""What so many sessions a day need."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import JsonOption

app = typer.Typer()


@app.command(epilog="Example: dropoff capacity --sessions-per-day 1e8 --picture plan.png")
def capacity(
    sessions_per_day: Annotated[float, typer.Option(metavar="N", help="Sessions of an average day, such as 1e8.")],
    events_per_session: Annotated[float, typer.Option(metavar="N", help="Events of a session.")] = 12.0,
    events_per_request: Annotated[
        float, typer.Option(metavar="N", help="Events that a client gathers before it sends them together.")
    ] = 1.0,
    decisions_per_session: Annotated[float, typer.Option(metavar="N", help="Recommendations asked for.")] = 1.0,
    scores_per_session: Annotated[float, typer.Option(metavar="N", help="Risks asked for.")] = 0.0,
    peak: Annotated[float, typer.Option(metavar="X", help="The busiest minutes, as a multiple of the average.")] = 3.0,
    open_minutes: Annotated[
        float, typer.Option(metavar="M", help="How long a session stays open, the silence at its end included.")
    ] = 36.0,
    keep_days: Annotated[float, typer.Option(metavar="DAYS", help="For how long the database keeps events.")] = 90.0,
    fullest: Annotated[
        float, typer.Option(metavar="SHARE", help="How full machines may be in the busiest minutes.")
    ] = 0.6,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate a busy minute of one group and show latencies; needs simpy.")
    ] = False,
    costs: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Costs measured on your machine, in place of those that ship."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="PATH", help="A .png or .svg of what grows with the sessions.")
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Say what so many sessions a day need, the bottleneck first.

    Workers, Redis, PostgreSQL, memory, disk and network, from costs that were measured request by request
    (`python -m benchmarks.capacity --out FILE` measures them on your machine). docs/scaling.md says how, and how well
    the simulation says what was measured.
    """
    from capacity.busiest import simulate_busiest
    from capacity.costs import MEASURED, read_costs
    from capacity.plan import Terms, make_plan
    from capacity.show import HEADERS, busiest_to_json, describe_busiest, describe_plan, plan_rows, plan_to_json
    from capacity.workload import Workload
    from console.terminal import out, say, waiting, write_json
    from features.output import require_writable
    from journeys.tables import FittedTable

    if picture is not None:
        require_writable(picture, suffixes=(".png", ".svg"))
    if json_path is not None:
        require_writable(json_path)
    measured = read_costs(costs or MEASURED)
    workload = Workload(
        sessions_per_day,
        events_per_session,
        events_per_request,
        decisions_per_session,
        scores_per_session,
        peak,
        open_minutes,
    )
    plan = make_plan(workload, measured, Terms(fullest, keep_days))
    for line in describe_plan(plan):
        say(line)
    out.print()
    out.print(FittedTable("", HEADERS, plan_rows(plan), numbers=HEADERS[1:5], whole=HEADERS[:1]))
    out.print()
    told = plan_to_json(plan)
    if simulate:
        with waiting("simulating one group in its busiest minutes"):
            busiest = simulate_busiest(plan, measured)
        for line in describe_busiest(busiest):
            say(line)
        told["simulated"] = busiest_to_json(busiest)
    say(f"Costs of {measured.measured_on}, measured on {measured.machine}.")
    if picture is not None:
        from training.pictures.capacity import draw_plan

        draw_plan(workload, measured, plan.terms, picture)
        say(f"The picture is {picture}.")
    write_json(json_path, told)
