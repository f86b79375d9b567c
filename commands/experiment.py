"""Experiments: how large they have to be, and what came of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import GuardrailOption, JsonOption

if TYPE_CHECKING:
    from insights.experiments.sizing import Sizing

app = typer.Typer()

_PICTURES = (".png", ".svg", ".html")

PictureOption = Annotated[
    Path | None, typer.Option("--out", metavar="PATH", help="Also a picture, .png or .svg, or a page, .html.")
]


@app.callback(epilog="Example: dropoff experiment size --baseline .05 --lift .2")
def experiment() -> None:
    """Size and analyse experiments.

    Each of them has a help of its own: dropoff experiment size --help.
    """


@app.command(epilog="Example: dropoff experiment size --baseline .05 --lift .2 --out size.png")
def size(
    baseline: Annotated[
        float, typer.Option(metavar="RATE", help="What the metric is today: .05 for five in a hundred.")
    ],
    lift: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="The change to find, relative to the baseline: .2 is from .05 to .06."),
    ] = None,
    absolute: Annotated[
        float | None, typer.Option(metavar="CHANGE", help="The change to find in the metric's unit: .01, -.01.")
    ] = None,
    power: Annotated[float, typer.Option(metavar="SHARE", help="How probable it should be to find it.")] = 0.8,
    alpha: Annotated[
        float, typer.Option(metavar="SHARE", help="How often a change may be found where there is none.")
    ] = 0.05,
    visitors_per_day: Annotated[
        float | None, typer.Option(metavar="N", help="People who enter each day, over all arms: gives the days.")
    ] = None,
    arms: Annotated[int, typer.Option(metavar="N", help="Variants, with the one that they are compared with.")] = 2,
    metric: Annotated[
        str, typer.Option(metavar="KIND", help="proportion, mean, revenue, or ratio (orders per visit).")
    ] = "proportion",
    deviation: Annotated[
        float | None,
        typer.Option(metavar="S", help="The standard deviation of one person, for a mean, revenue or ratio."),
    ] = None,
    days: Annotated[
        float | None, typer.Option(metavar="N", help="Also say the least change that so many days would find.")
    ] = None,
    json_path: JsonOption = None,
    out_path: PictureOption = None,
) -> None:
    """Say how many people an experiment needs, and for how long.

    Twice: for a test that is looked at once, in the end, and for an always-valid one, that may be looked at every day
    and stopped as soon as it is clear. With fewer people a change is missed more often than the power says; who
    looks a hundred times at a plain test finds a change in 37 of 100 experiments that have none. People are counted,
    not sessions; more arms share the error between them.
    """
    from console.terminal import out, say, write_json
    from features.output import require_writable
    from insights.experiments.say_size import change_table, say_size, size_table
    from insights.experiments.sizing import read_kind
    from insights.experiments.sizing import size as find_size

    for path, endings in ((json_path, ()), (out_path, _PICTURES)):
        if path is not None:
            require_writable(path, suffixes=endings)
    found = find_size(
        baseline,
        relative=lift,
        absolute=absolute,
        kind=read_kind(metric),
        deviation=deviation,
        visitors_per_day=visitors_per_day,
        days=days,
        alpha=alpha,
        power=power,
        arms=arms,
    )
    for sentence in say_size(found):
        say(sentence)
    for table in (size_table(found), change_table(found)):
        out.print()
        out.print(table)
    write_json(json_path, found.to_json())
    if out_path is not None:
        _draw_size(found, out_path)
        say(f"{out_path} shows it.")


@app.command(epilog="Example: dropoff experiment analyse --exposures e.csv --outcomes o.csv")
def analyse(
    journey: Annotated[
        str | None, typer.Argument(metavar="[JOURNEY]", help="Of one of the service's experiments: its journey.")
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Its name; its plan stands in place of the options.")
    ] = None,
    exposures: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Who met which variant: unit, variant, exposed_at, covariates, slices."),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="What they did: unit, at, and metric and value, or a column a metric."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="What decides: NAME, or KIND:NAME with proportion, mean or revenue, or a ratio NAME/PER.",
        ),
    ] = None,
    guardrail: GuardrailOption = None,
    secondary: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="Shown beside it, and decides nothing; repeatable.")
    ] = None,
    less_is_better: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A metric that should fall; repeatable.")
    ] = None,
    control: Annotated[str | None, typer.Option(metavar="VARIANT", help="What the others are compared with.")] = None,
    shares: Annotated[
        str | None, typer.Option(metavar="A=.5,B=.5", help="The planned parts of the variants; equal by default.")
    ] = None,
    rule: Annotated[
        str, typer.Option(metavar="RULE", help="always-valid: may be looked at any time; fixed: once, in the end.")
    ] = "always-valid",
    alpha: Annotated[float, typer.Option(metavar="SHARE", help="How often chance may be called a change.")] = 0.05,
    power: Annotated[float, typer.Option(metavar="SHARE", help="For the sample that is still needed.")] = 0.8,
    minimum_effect: Annotated[
        float | None, typer.Option(metavar="SHARE", help="The least relative change worth having: .1 is a tenth.")
    ] = None,
    planned: Annotated[
        int | None, typer.Option(metavar="N", help="The planned people per arm: the end of a fixed horizon.")
    ] = None,
    ends: Annotated[str | None, typer.Option(metavar="TIME", help="The planned end, as 2026-03-17.")] = None,
    within: Annotated[
        str | None, typer.Option(metavar="7d", help="Outcomes count for so long; who is newer is left out.")
    ] = None,
    covariate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Adjust for this column; by default all numbers; repeatable."),
    ] = None,
    adjust: Annotated[bool, typer.Option(help="Whether to adjust for covariates at all.")] = True,
    before: Annotated[
        bool, typer.Option("--before", help="What people did before the exposure is a covariate, too.")
    ] = False,
    slice_: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="NAME", help="Check the arms' ratio in it; by default day and all texts."),
    ] = None,
    segment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Break the metric down by it; by default all texts.")
    ] = None,
    unit: Annotated[str | None, typer.Option(metavar="COLUMN", help="The person, in both tables.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="COLUMN", help="The variant.")] = None,
    exposed_at: Annotated[str | None, typer.Option(metavar="COLUMN", help="The time of the exposure.")] = None,
    outcome_unit: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The person, where the outcomes call it otherwise.")
    ] = None,
    outcome_at: Annotated[str | None, typer.Option(metavar="COLUMN", help="The time of the outcome.")] = None,
    metric_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="The metric's name.")] = None,
    value_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="The metric's value.")] = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The declared experiment as JSON, in place of these options.")
    ] = None,
    json_path: JsonOption = None,
    out_path: PictureOption = None,
) -> None:
    """Say what an experiment comes to: ship, stop or neither.

    Reads any tables, or the service's database for an experiment that it runs or ran. The verdict comes first: ship,
    stop, inconclusive (with the sample still needed and what to test next) or invalid (with the reason). Below it are
    both results side by side: of a fixed horizon, to be read once, and the always-valid one, to be read at any time.
    Everything that was not used is counted.
    """
    from commands.experiment_results import analyse_kept, tell_analysis
    from console.terminal import write_json
    from features.output import require_writable
    from insights.experiments.analyse import analyse as analyse_tables
    from insights.experiments.ask import Asked, from_options
    from insights.experiments.columns import ColumnNames
    from insights.experiments.read import read_exposures, read_outcomes

    if (journey is None) == (exposures is None) or (exposures is None) != (outcomes is None):
        raise typer.BadParameter("give either JOURNEY and NAME of the service's, or --exposures and --outcomes")
    if journey is not None and name is None:
        raise typer.BadParameter(f"name the experiment: dropoff experiment list {journey} shows them")
    for path, endings in ((json_path, ()), (out_path, _PICTURES)):
        if path is not None:
            require_writable(path, suffixes=endings)
    if journey is not None or exposures is None or outcomes is None:
        analyse_kept(journey or "", name or "", json_path, out_path)
        return
    names = ColumnNames(unit, variant, exposed_at, outcome_unit, outcome_at, metric_column, value_column)
    asked = Asked(
        metric=metric,
        guardrails=guardrail or (),
        secondary=secondary or (),
        less_is_better=less_is_better or (),
        control=control,
        shares=shares,
        rule=rule,
        alpha=alpha,
        power=power,
        minimum_effect=minimum_effect,
        planned_per_arm=planned,
        ends=ends,
        within=within,
        covariates=() if not adjust else covariate,
        before=before,
        slices=slice_,
        segments=segment,
        plan=plan,
    )
    exposed, happened = read_exposures(exposures, names), read_outcomes(outcomes, names)
    found = analyse_tables(exposed, happened, from_options(asked, exposed, happened))
    tell_analysis(found, out_path)
    write_json(json_path, found.to_json())


def _draw_size(found: "Sizing", path: Path) -> None:
    if path.suffix.lower() == ".html":
        from insights.experiments.size_page import write_size

        write_size(found, path)
    else:
        from training.pictures.experiment_size import draw_size

        draw_size(found, path)
