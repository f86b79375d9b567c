"""The ``dropoff`` command: its commands put together, and how it ends when one of them cannot go on."""

import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn, cast

import typer

from commands import (
    backups,
    capacity,
    champions,
    doctor,
    effects,
    experiment,
    experiment_life,
    explore,
    govern,
    keys,
    learn,
    measure,
    people,
    playbook,
    policy,
    policy_list,
    policy_rollout,
    policy_segments,
    policy_train,
    report,
    start,
)
from commands.options import MISUSED

app = typer.Typer(
    name="dropoff",
    help="Predict who abandons a journey, say in plain words what may be in the way, and recommend one intervention.",
    epilog="Start with: dropoff demo",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# An error of one of these is about what the user gave, in one sentence; any other is a mistake in dropoff itself.
_SPEAK_FOR_THEMSELVES = frozenset(
    {
        "capacity",
        "features",
        "journeys",
        "decisions",
        "storage",
        "insights",
        "training",
        "serving",
        "demo",
        "mlflow",
        "duckdb",
        "_duckdb",
    }
)

# Typer carries its own click, or uses another; all that it raises about arguments is one of these.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)

_INTERRUPTED = 130

_interrupted = threading.Event()

for kind in (start, learn, measure, champions, explore, report, effects):
    app.add_typer(kind.app)
policy_list.attach_to(policy.app)
policy_segments.attach_to(policy.app)
policy.app.add_typer(policy_train.app)
policy.app.add_typer(policy_rollout.app)
app.add_typer(policy.app, name="policy")
experiment.app.add_typer(experiment_life.app)
app.add_typer(experiment.app, name="experiment")
for kind in (playbook, govern, people, keys, backups, capacity, doctor):
    app.add_typer(kind.app)


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Predict who abandons a journey, say in plain words what may be in the way, and recommend one intervention."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"dropoff {installed('dropoff')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(MISUSED)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave: status 0, 1 after one line about what is wrong, or 2 for a command that is no such."""
    # A service that the demo started must not outlive it, whatever ends it.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(128 + signal.SIGTERM))
    _interrupted.clear()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        status = app(args=None if arguments is None else list(arguments), prog_name="dropoff", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)
    except _UsageError as error:
        _misused(error)
    except Exception as error:  # noqa: BLE001 (the last resort: whatever it is, people get one line)
        # DuckDB, for one, makes an error of its own of Ctrl-C.
        if _interrupted.is_set():
            sys.exit(_INTERRUPTED)
        _fail(_explain(error), 1)
    sys.exit(status if isinstance(status, int) else 0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def _misused(error: Exception) -> NoReturn:
    text, context = error.format_message(), error.ctx  # type: ignore[attr-defined]
    _fail(f"{text.rstrip('.')} (see {context.command_path if context else 'dropoff'} --help)", MISUSED)


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    if isinstance(error, OSError | MemoryError) or type(error).__module__.split(".")[0] in _SPEAK_FOR_THEMSELVES:
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}; this is a mistake in dropoff itself{_keep_traceback(error)}"


def _keep_traceback(error: Exception) -> str:
    from storage.models import home_folder

    path = home_folder() / "error.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return ""
    return f", and {path} says where it happened"


def _fail(text: str, status: int) -> NoReturn:
    print(f"dropoff: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


if __name__ == "__main__":
    main()
