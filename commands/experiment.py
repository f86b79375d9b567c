"""Experiments: how large they have to be, and what came of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import JsonOption

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
    from console import out, say, write_json
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


def _draw_size(found: "Sizing", path: Path) -> None:
    if path.suffix.lower() == ".html":
        from insights.experiments.size_page import write_size

        write_size(found, path)
    else:
        from training.pictures.experiment_size import draw_size

        draw_size(found, path)
