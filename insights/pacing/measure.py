"""The pacing of a journey as one object: paces, the curve, hesitations and nudges."""

from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from insights.pacing.curve import PacePoint, StagePace, StepPace, pace_curve, stage_paces, step_paces
from insights.pacing.hesitations import Hesitation, find_hesitations
from insights.pacing.nudge import THRESHOLD, Nudge, find_nudges
from insights.pacing.silences import silence_grid
from journeys.journey import Journey


@dataclass(frozen=True, slots=True)
class Pacing:
    """How people move through a journey, and what a silence says."""

    stages: tuple[StagePace, ...]
    steps: tuple[StepPace, ...]
    curve: tuple[PacePoint, ...]
    hesitations: tuple[Hesitation, ...]
    nudges: tuple[Nudge, ...]
    threshold: float
    leaving_within_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return all figures as numbers, texts and lists; the intervals of shares are among them."""
        figures = asdict(self)
        for figure, one in zip(figures["hesitations"], self.hesitations, strict=True):
            for name in ("share_left", "share_of_others", "difference"):
                estimate = getattr(one, name)
                figure[name] = asdict(estimate) if estimate else None
        for figure, nudge in zip(figures["nudges"], self.nudges, strict=True):
            for point, told in zip(figure["points"], nudge.points, strict=True):
                point |= {"reached": told.reached, "interrupted": told.interrupted}
        return figures


def measure_pacing(journey: Journey, connection: duckdb.DuckDBPyConnection, threshold: float = THRESHOLD) -> Pacing:
    """Return the pacing of the sessions that a connection to facts shows.

    ``threshold`` is how many of those silent have to be about to leave for a nudge to be in place.
    """
    stages = tuple(stage.name for stage in journey.stages)
    return Pacing(
        stages=stage_paces(connection, stages),
        steps=step_paces(connection, stages),
        curve=pace_curve(connection),
        hesitations=find_hesitations(connection, stages),
        nudges=find_nudges(connection, stages, silence_grid(journey), threshold),
        threshold=threshold,
        leaving_within_seconds=journey.leaving_soon_within_seconds,
    )
