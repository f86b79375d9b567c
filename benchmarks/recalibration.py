"""What recalibrating does after the policy change in the middle of the simulated log.

    python -m benchmarks recalibration

Trains on the log until the change, recalibrates that model on the first days after it (`dropoff recalibrate`), and
measures both on the sessions that began later than those days: against how they ended, where chance alone makes a gap
that the true risk shows too, and against the true risk, where it makes none.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.report import Figure, Report
from benchmarks.world import true_risk
from features.build import build
from features.events import US_PER_SECOND, FloatArray
from features.plan import compile_plan
from features.read_log import read_log
from journeys.ends import find_ends
from journeys.load import load_journey
from training.cutoffs import after_every_event
from training.labels import label
from training.metrics import calibration_error
from training.pipeline import train
from training.recalibrate import recalibrate
from training.simulator import simulate
from training.simulator.simulate import policy_change_us

JOURNEY = "ecommerce"
FIRST_DAYS = 5
LATE_STAGE = 2


def run(sessions: int = 60_000, seed: int = 1, threads: int | None = None) -> Report:
    """Measure calibration at all stages and from the basket on, with the former calibrator and the new one."""
    journey, change_us = load_journey(JOURNEY), policy_change_us()
    until_us = change_us + FIRST_DAYS * 86_400 * US_PER_SECOND
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        home, mlruns = folder / "home", folder / "mlruns"
        simulate(JOURNEY, sessions=sessions, seed=seed, out=folder)
        _cut(folder / "events", folder / "before.parquet", change_us)
        _cut(folder / "events", folder / "until.parquet", until_us)
        former = train(journey, folder / "before.parquet", home=home, mlruns=mlruns, threads=threads).model
        recalibrated = recalibrate(
            journey, folder / "until.parquet", former, home=home, mlruns=mlruns, since_us=change_us
        )
        plan = compile_plan(journey.table)
        with read_log(folder / "events", plan, timeout_seconds=journey.session_timeout_seconds) as read:
            log, end_us = read.whole(), read.summary.last_at_us
    ends = find_ends(plan, log, journey, end_us)
    later = (log.at_us[log.starts[:-1]] >= until_us) & ~np.isnan(ends.outcome)
    cutoffs = after_every_event(log, np.where(later, ends.usable, 0))
    labels = label(ends, cutoffs, None, end_us)
    rows = build(plan, log, cutoffs)
    late = rows[:, plan.feature_names.index("stage_index")] >= LATE_STAGE
    truth = true_risk(log, cutoffs, name=JOURNEY, sessions=sessions, seed=seed)
    risks = {
        "as trained before the change": former.predict(rows),
        f"recalibrated on {FIRST_DAYS} days": recalibrated.model.predict(rows),
        "the true risk": truth,
    }

    def told(risk: FloatArray) -> str:
        every, some = np.ones(len(risk), np.bool_), late
        of_ends = [calibration_error(labels[part], risk[part], np.ones(part.sum())) for part in (every, some)]
        of_truth = [calibration_error(truth[part], risk[part], np.ones(part.sum())) for part in (every, some)]
        return f"{of_ends[0]:.4f}, {of_ends[1]:.4f}; {of_truth[0]:.4f}, {of_truth[1]:.4f}"

    figures = [Figure(who, told(risk), ".02 (the last)" if "recal" in who else "") for who, risk in risks.items()]
    figures.append(Figure("the new version is", recalibrated.promotion, "champion"))
    shifts = ", ".join(f"{shift:+.2f}" for shift in recalibrated.model.calibrator.shifts)
    figures.append(Figure("shifts of log-odds, before the first stage and at each", shifts or "none", ""))
    return Report(
        "After a change of policy: ECE of all prefixes, of those at stage 2 or later; both against the true risk",
        f"python -m benchmarks.recalibration --sessions {sessions}",
        figures,
    )


def _cut(events: Path, out: Path, until_us: int) -> None:
    """Write the events that had occurred by then."""
    table = pq.read_table(events)
    moment = pa.scalar(until_us, pa.timestamp("us", tz="UTC"))
    pq.write_table(table.filter(pc.less(table["occurred_at"], moment)), out)


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=None)
    Console().print(as_table(run(**vars(parser.parse_args()))))
