"""Where a rollout takes place, and who moves it."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from decisions.rollout import DEFAULT_GATES, Gates
from journeys.journey import Journey


class RolloutRefused(ValueError):
    """What was asked of a rollout cannot be; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A journey's database and home folder, the account that acts, the moment (microseconds), and the gates."""

    engine: Engine
    home: Path
    journey: Journey
    actor: str
    now_us: int
    gates: Gates = DEFAULT_GATES
