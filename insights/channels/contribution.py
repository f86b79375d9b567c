"""Channel contribution: what channels are credited with for reaching the goal and, along a journey, each stage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.log_files import touchpoints_beside
from features.plan import compile_plan
from features.read_log import ReadSummary, read_log
from features.staging import Progress
from features.table import nearest
from insights.channels.credit import STANDARD, Credit, CreditSettings, credit_channels, require_models
from insights.channels.paths import Touches
from insights.channels.touch_log import DIMENSIONS, TouchLog, read_touch_log
from insights.session_rows import follow, stage_rows
from journeys.journey import Journey

CAVEAT = (
    "Credit tells which touches came before, not what would have happened without them: it is association. "
    "Only a randomised experiment, with its interval, tells that."
)


class ContributionError(ValueError):
    """Channels cannot be credited as asked; the text says what to write instead."""


@dataclass(frozen=True)
class Contribution:
    """Credit for the goal, and for each stage where a journey says what they are; ``stages`` is in their order."""

    goal: Credit
    by: str
    settings: CreditSettings
    summaries: tuple[ReadSummary, ...]
    stages: tuple[Credit, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the figures for a file."""
        written: dict[str, Any] = {
            "goal": self.goal.target,
            "by": self.by,
            "lookback_seconds": self.settings.lookback_seconds,
            "half_life_seconds": self.settings.half_life_seconds,
            "order": self.settings.order,
            **self.goal.to_json(),
        }
        if self.stages:
            written["stages"] = [{"stage": credit.target, **credit.to_json()} for credit in self.stages]
        return {**written, "caveat": CAVEAT}


def measure_contribution(
    log: Path,
    goal: str,
    *,
    by: str = "channel",
    touchpoints: Path | None = None,
    journey: Journey | None = None,
    models: Sequence[str] = STANDARD,
    settings: CreditSettings | None = None,
    value: str | None = None,
    quarantine: Path | None = None,
    threads: int = 2,
    progress: Progress = lambda _phase, _fraction: None,
) -> Contribution:
    """Return what the channels of a log are credited with for each event named ``goal``.

    Touchpoints that stand beside the log's events are read, too, or those at ``touchpoints``. With a journey, a session
    that gets to a stage counts for that stage once. Raises :class:`ContributionError`, ``ChannelsError``, ``LogError``.
    """
    if by not in DIMENSIONS:
        raise ContributionError(f"channels cannot be told apart by {by!r}; use one of {', '.join(DIMENSIONS)}")
    chosen, settings = require_models(models), settings or CreditSettings()
    beside = touchpoints or touchpoints_beside(log)
    paths = (log,) if beside is None else (log, beside)
    with read_touch_log(
        paths, goals=(goal,), value=value, quarantine=quarantine, threads=threads, progress=progress
    ) as found:
        touches = found.touches(by)
        progress("sharing out credit", 0.0)
        credit = credit_channels(
            goal, touches, found.goals_reached(), models=chosen, settings=settings, with_value=value is not None
        )
        stages = () if journey is None else _credit_stages(journey, log, found, touches, chosen, settings, progress)
        return Contribution(credit, by, settings, found.summaries, stages, tuple(_notes(found, credit, by, value)))


def _credit_stages(
    journey: Journey,
    path: Path,
    found: TouchLog,
    touches: Touches,
    models: Sequence[str],
    settings: CreditSettings,
    progress: Progress,
) -> tuple[Credit, ...]:
    plan = compile_plan(journey.table)
    parts = []
    with read_log(path, plan, timeout_seconds=journey.session_timeout_seconds, progress=progress) as log:
        for encoded in log.batches():
            rows = stage_rows(follow(journey, plan, encoded, 0, log.summary.last_at_us))
            session = rows["session"]
            parts.append(
                pa.table(
                    {
                        "visitor_id": pa.array(encoded.visitor_ids, pa.string()).take(session),
                        "user_id": pa.array(encoded.user_ids, pa.string()).take(session),
                        "at_us": rows["entered_at"].cast(pa.int64()),
                        "stage": rows["stage"],
                    }
                )
            )
    moments = pa.concat_tables(parts)
    return tuple(
        credit_channels(
            stage.name,
            touches,
            found.reached(moments.filter(pc.equal(moments["stage"], stage.name))),
            models=models,
            settings=settings,
        )
        for stage in journey.stages
    )


def _notes(found: TouchLog, credit: Credit, by: str, value: str | None) -> Iterator[str]:
    names = found.event_names()
    if not credit.total:
        meant = ", ".join(nearest(credit.target, names)) or ", ".join(names[:3])
        yield f"No event of the log is named {credit.target!r}; did you mean {meant}?"
    if not credit.counts:
        yield f"No event of the log names a {by}, so there is no touch; channels can be told apart by others with --by."
    if value is not None and credit.total and not credit.total_value:
        yield f"No {credit.target} carries a number as {value!r}, so no value is shared out."
