"""Arguments and options that several commands share, and the statuses they exit with."""

from pathlib import Path
from typing import Annotated

import typer

MISUSED, MOVED, UNSUPPORTED = 2, 3, 4
"""Exit statuses: the command was not understood; something that is watched has moved; what there is cannot tell."""
_LOG_HELP = "Parquet, CSV, JSON Lines, or a folder of one of them, here or at an address such as s3://bucket/log."
MLRUNS = Path("mlruns")
"""Where runs are kept, under the working directory."""


def to_path(text: str) -> Path:
    """Return the path, or the address in an object store, that somebody has written."""
    from features.store_path import to_path as read_path

    return read_path(text)


JourneyArgument = Annotated[str, typer.Argument(metavar="JOURNEY", help="A journey's name, or the path of your file.")]
LogOption = Annotated[Path, typer.Option("--log", metavar="PATH", parser=to_path, help=_LOG_HELP)]
LogOrFactsOption = Annotated[Path | None, typer.Option("--log", metavar="PATH", parser=to_path, help=_LOG_HELP)]
FactsOption = Annotated[
    Path | None, typer.Option("--facts", metavar="FOLDER", help="Facts made of a log before, in place of --log.")
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="WHERE", help="local:4 for four processes here, or a Dask scheduler's tcp://host:port."
    ),
]
FeaturesOption = Annotated[
    Path,
    typer.Option(
        "--out", metavar="PATH", parser=to_path, help="The .parquet file to write, or a new folder of several."
    ),
]
ScoresOption = Annotated[
    Path, typer.Option("--out", metavar="PATH", parser=to_path, help="A .parquet, .csv or .jsonl file to write.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Also write the figures as JSON.")]
QuarantineOption = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Where this run's refused rows go, each with its reason; by default DROPOFF_HOME/quarantine.jsonl.",
    ),
]
AllowLeakOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Train although this event or feature gives the end away; may be repeated."),
]
ModelOption = Annotated[str | None, typer.Option("--model", metavar="VERSION", help="By default the champion.")]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history of champions.")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Return once every running process answers with it; fails after 30 s.")
]
ResamplesOption = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, help="Draws of other visitors behind the 95 % intervals; 0 leaves the intervals out."
    ),
]
TruthOption = Annotated[
    Path | None,
    typer.Option(
        "--truth", metavar="PATH", help="A file of session_id, blocker and caused_exit: Parquet, CSV, JSON Lines."
    ),
]
PortOption = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 chooses a free port.")]
SeedOption = Annotated[
    int, typer.Option(metavar="N", min=0, max=2**31 - 1, help="The same seed and input give the same result.")
]
DecidedLogOption = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="PATH",
        parser=to_path,
        help="The log of the decisions in --decisions, to read raw features from.",
    ),
]
DecisionsOption = Annotated[
    Path | None,
    typer.Option(
        "--decisions", metavar="PATH", help="A Parquet file of decisions, in place of those of the service's ledger."
    ),
]
GuardrailOption = Annotated[
    list[str] | None,
    typer.Option(
        "--guardrail",
        metavar="METRIC:MARGIN",
        help="Must not be worse by .05 of the control's, or =.01 of its unit; repeatable.",
    ),
]
