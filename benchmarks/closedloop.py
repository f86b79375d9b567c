"""The closed loop: a live service recommends, simulated visitors do what comes of it, and the service learns.

    python -m benchmarks closedloop
    python -m benchmarks.closedloop --decisions 20000

A real process answers over HTTP by the clock of the simulation. Visitors send their events, wait at a decision, and
walk on under what was recommended, so that who buys depends on it. The service starts from what the journey declares,
and learns from what it sees: rewards mature, revisions of its policy are written, and it answers with them.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.clocked_service import SharedClock
from benchmarks.policies import JOURNEY, train_model
from benchmarks.report import Figure, Report
from benchmarks.service import free_port, running
from benchmarks.visitors import Visits
from decisions.logged import BoolArray
from decisions.off_policy.payoff import net_values
from decisions.policy import NOTHING
from decisions.risk import RiskModel
from features.events import FloatArray
from journeys.load import load_journey
from storage.models import point_champion, publish
from training.simulator.remedies import deciding_world
from training.simulator.simulate import draw

DECISIONS = 6_000
PARTS = 6
_DECISIONS_A_SESSION = 0.185
_SETTLING_EVERY, _SETTLING_SECONDS = 200, 0.5
"""Simulated time flies, and learning takes real time: it gets a moment now and then."""
_SETTINGS = {
    "DROPOFF_SWEEP_SECONDS": "0.2",
    "DROPOFF_REWARD_SECONDS": "0.2",
    "DROPOFF_LEARN_SECONDS": "0.2",
    "DROPOFF_POLICY_WATCH_SECONDS": "0.2",
    "DROPOFF_INSIGHTS_REFRESH": "0",
    "DROPOFF_LATE_SECONDS": "0",
}
DECLARATION = '''"""The shop with what simulated visitors react to; all else waits until they have left."""

from dataclasses import replace

from journeys.ecommerce import JOURNEY as SHOP

KNOWN = {known!r}
JOURNEY = replace(
    SHOP,
    interventions=tuple(
        one if one.name in KNOWN else replace(one, channel="email", needs_consent=True) for one in SHOP.interventions
    ),
    policy=replace(SHOP.policy, learns=True, only_matching=False, low_risk=0.0, holdout=0.0),
)
'''


@dataclass(frozen=True, slots=True)
class Course:
    """What decisions were worth (D,) in true net value: the service's, and others' about the same visitors."""

    service: FloatArray
    never: FloatArray
    evenly: FloatArray
    """An even draw of what could be shown, nothing included."""
    by_chance: FloatArray
    """Options drawn as often as the service chose each, whoever the visitor is."""
    best: FloatArray
    acted: BoolArray
    converted: FloatArray

    def share(self, part: slice = slice(None)) -> float:
        """Return the uplift share of some of the decisions, against the mean gain of the best in all."""
        return float((self.service - self.never)[part].mean() / (self.best - self.never).mean())

    def better_than(self, others: FloatArray) -> float:
        """Return by how many standard errors they are worth more than others' (D,)."""
        gap = self.service - others
        return float(gap.mean() / (gap.std() / np.sqrt(len(gap))))


def run(decisions: int = DECISIONS, seed: int = 7, json_path: Path | None = None) -> Report:
    """Let so many decisions be made by a service whose risk model was trained on another log."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        home = Path(name) / "home"
        home.mkdir()
        publish_champion(home, train_model())
        course = follow(home, Path(name), decisions, seed)
    parts = np.array_split(np.arange(len(course.service)), PARTS)
    shares = [course.share(slice(part[0], part[-1] + 1)) for part in parts]
    if json_path is not None:
        told = {"shares": shares, "share": course.share(), "better_than_chance": course.better_than(course.by_chance)}
        json_path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    figures = [
        Figure("net value of a decision: never acting", f"{course.never.mean():.3f}"),
        Figure("the live service", f"{course.service.mean():.3f}"),
        Figure("the same options, whoever the visitor is", f"{course.by_chance.mean():.3f}"),
        Figure("the best on what is visible", f"{course.best.mean():.3f}"),
        Figure("uplift share, exploration included", f"{course.share():.3f}"),
        Figure(f"the same by {PARTS} parts of time", ", ".join(f"{share:.2f}" for share in shares)),
        Figure("standard errors above that", f"{course.better_than(course.by_chance):.1f}"),
        Figure("something was recommended", f"{course.acted.mean():.1%}"),
        Figure("reached the goal", f"{course.converted.mean():.1%}"),
    ]
    return Report(
        f"A live service that learns from {decisions:,} decisions about simulated visitors",
        f"python -m benchmarks.closedloop --decisions {decisions} --seed {seed}",
        figures,
    )


def publish_champion(home: Path, model: RiskModel) -> None:
    """Make a model the champion of a home folder."""
    publish(home, model.journey, model.version, model.save)
    point_champion(home, model.journey, model.version)


def follow(home: Path, folder: Path, decisions: int, seed: int) -> Course:
    """Let visitors meet a service whose champion is in ``home``; files go into ``folder``."""
    world = deciding_world(JOURNEY)
    declared = folder / "closed_loop.py"
    declared.write_text(DECLARATION.format(known=tuple(one.name for one in world.remedies)), encoding="utf-8")
    journey = load_journey(str(declared))
    [chunk] = draw(world, sessions=int(decisions / _DECISIONS_A_SESSION * 1.1) + 50, seed=seed)
    port, clock = free_port(), SharedClock(folder / "clock")
    clock.move_to(int(chunk.visits.started_us.min()))
    environment = {
        "DROPOFF_HOME": str(home.resolve()),
        "DROPOFF_DATABASE_URL": f"sqlite:///{folder}/closed_loop.db",
        **_SETTINGS,
    }
    command = [sys.executable, "-m", "benchmarks.clocked_service", str(declared), str(port), str(folder / "clock")]
    with running(command, port, environment):
        visits = Visits(world, journey, chunk, port, clock)
        try:
            made = []
            for decision in visits.go(decisions):
                made.append(decision)
                if len(made) % _SETTLING_EVERY == 0:
                    time.sleep(_SETTLING_SECONDS)
        finally:
            visits.close()
    places, chosen, converted = (np.array(column) for column in zip(*made, strict=True))
    asked, true, known = visits.truth(places)
    payoff = net_values((NOTHING, *(one.name for one in world.remedies)), journey.interventions, journey.policy)
    worth = np.where(asked, payoff.expected(true), -np.inf)
    best = np.where(asked, payoff.expected(known), -np.inf).argmax(axis=1)
    rows = np.arange(len(places))
    odds = np.where(asked, np.bincount(chosen, minlength=asked.shape[1]), 0)
    return Course(
        service=worth[rows, chosen],
        never=worth[:, 0],
        evenly=np.where(asked, worth, 0.0).sum(axis=1) / asked.sum(axis=1),
        by_chance=(odds * np.where(asked, worth, 0.0)).sum(axis=1) / odds.sum(axis=1),
        best=worth[rows, best],
        acted=chosen > 0,
        converted=converted.astype(np.float64),
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=DECISIONS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, dest="json_path")
    Console().print(as_table(run(**vars(parser.parse_args()))))
