"""Who leaves soon, on a simulated shop: how well it is foreseen on later sessions, and what it costs a request.

python -m benchmarks leaving
"""

import tempfile
import time
import timeit
from pathlib import Path

import numpy as np

from benchmarks.report import Figure, Report
from features.build import build
from features.plan import compile_plan
from features.read_log import read_log
from features.vocabulary import Vocabulary
from journeys.ends import find_ends
from journeys.load import load_journey
from training.cutoffs import after_every_event
from training.evaluate import stage_names
from training.hazard import fit_hazard, held_out_sessions, rows_at_risk
from training.leaving import describe_leaving, foresee, tally_leaving
from training.simulator import simulate
from training.split import TooFewSessions, forward_split

_CALLS, _REPEATS = 2_000, 9


def run(sessions: int = 16_000, seed: int = 3) -> Report:
    """Learn it on a simulated log, measure it on the latest quarter, and time one row."""
    journey = load_journey("ecommerce")
    plan = compile_plan(journey.table)
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=seed, out=folder)
        with read_log(folder / "events", plan, timeout_seconds=journey.session_timeout_seconds) as read:
            log, end_us = read.whole(), read.summary.last_at_us
        ends = find_ends(plan, log, journey, end_us)
        split = forward_split(log, ends)
        training = after_every_event(log, np.where(split.training, ends.usable, 0))
        rows = build(plan, log, training)
        vocabulary = Vocabulary.learn(journey.table, rows)
        hazard = fit_hazard(
            journey, rows_at_risk(journey, plan, log, ends, split, seed=7), vocabulary, seed=7, threads=1
        )
        if hazard is None:
            raise TooFewSessions("simulate more sessions to learn who leaves soon")
        hazard.save(folder)
        size = sum((folder / file).stat().st_size for file in ("hazard.txt", "hazard.json"))
    late = held_out_sessions(log, ends, split)
    foreseen = foresee(journey, plan, log, ends, late, end_us, vocabulary, hazard)
    block = describe_leaving(hazard, tally_leaving(hazard, foreseen), stage_names(journey))
    if block is None:
        raise TooFewSessions("simulate more sessions to measure who leaves soon")
    row, idle = vocabulary.apply(rows[:1]), np.array([40.0])
    hazard.predict(row, idle)
    timed = timeit.repeat(lambda: hazard.predict(row, idle), number=_CALLS, repeat=_REPEATS, timer=time.process_time)
    against = {"model": block, "idle time alone": block["idle_alone"], "base rate": block["base_rate_alone"]}
    return Report(
        "Who leaves within a minute (simulated shop)",
        "python -m benchmarks leaving",
        [
            Figure("moments, sessions", f"{block['n_rows']:,}, {block['n_sessions']:,}"),
            Figure("base rate", f"{block['base_rate']:.3f}"),
            *(
                Figure(f"{what}: AUC, log loss, ECE", f"{one['auc']:.3f}, {one['log_loss']:.3f}, {one['ece']:.3f}")
                for what, one in against.items()
            ),
            *(
                Figure(f"idle for {idle_time}: base rate, ECE", f"{one['base_rate']:.3f}, {one['ece']:.3f}")
                for idle_time, one in block["by_idle"].items()
            ),
            Figure("CPU time of one row", f"{min(timed) / _CALLS * 1e6:.0f} us", "20 us"),
            Figure("trees; files", f"{hazard.booster.num_trees()}; {size / 1e3:.0f} kB"),
        ],
    )
