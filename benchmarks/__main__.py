"""Measure what README and docs/benchmarks.md state.

python -m benchmarks                  # all of it, some hours; writes docs/benchmarks.md
python -m benchmarks features loan    # some of it; only shows
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import (
    access,
    anomalies,
    arrivals,
    backup,
    channels,
    choices,
    closedloop,
    cluster,
    dashboards,
    diagnosis,
    drift,
    experiments,
    explanationtrial,
    features,
    funnel,
    hillstrom,
    identity,
    imports,
    ingest,
    leaving,
    load,
    loan,
    offpolicy,
    pages,
    parity,
    policies,
    quality,
    recalibration,
    recommend,
    replicas,
    samples,
    scale,
    serving,
    sessions,
    shoppers,
    simulator,
    sizes,
    soak,
    swap,
    traces,
    workers,
)
from benchmarks.capacity import report as capacity
from benchmarks.report import Report, as_table, write_page
from journeys.load import load_journey
from training.pipeline import train
from training.simulator import simulate

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def measure_serving(sessions: int = 24_000, rate: float = 100.0) -> Report:
    """Train on a simulated log as the demo does, then drive the service."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=7, out=folder)
        train(load_journey("ecommerce"), folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        measured = serving.run("ecommerce", folder / "home", rate=rate)
    return serving.report(measured, "python -m benchmarks serving", rate)


BENCHMARKS: Mapping[str, Callable[[], Report]] = {
    "features": features.run,
    "cluster": cluster.run,
    "funnel": funnel.run,
    "serving": measure_serving,
    "load": load.run,
    "recommend": recommend.run,
    "identity": identity.run,
    "ingest": ingest.run,
    "imports": imports.run,
    "workers": workers.run,
    "replicas": replicas.run,
    "backup": backup.run,
    "access": access.run,
    "sessions": sessions.run,
    "capacity": capacity.run,
    "arrivals": arrivals.run,
    "parity": parity.run,
    "loan": loan.run,
    "quality": quality.run,
    "simulator": simulator.run,
    "onboarding": partial(simulator.run, "onboarding"),
    "diagnosis": diagnosis.run,
    "leaving": leaving.run,
    "policies": policies.run,
    "closedloop": closedloop.run,
    "drift": drift.run,
    "anomalies": anomalies.run,
    "recalibration": recalibration.run,
    "channels": channels.run,
    "offpolicy": offpolicy.run,
    "choices": choices.run,
    "experiments": experiments.run,
    "explanationtrial": explanationtrial.run,
    "sizes": sizes.run,
    "samples": samples.run,
    "scale": scale.run,
    "pages": pages.run,
    "hillstrom": hillstrom.run,
    "soak": soak.run,
    "swap": swap.run,
    "traces": traces.run,
    "dashboards": dashboards.run,
}


NEEDED: Mapping[str, tuple[Path, ...]] = {
    "loan": (loan.DEFAULT_PATH,),
    "quality": (loan.DEFAULT_PATH, shoppers.DEFAULT_PATH),
    "hillstrom": (hillstrom.DEFAULT_PATH,),
}
"""The public data sets that a benchmark reads, beside the checkout."""


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    console, reports = Console(), []
    for name in names or BENCHMARKS:
        missing = [path for path in NEEDED.get(name, ()) if not path.exists()]
        if missing:
            console.print(f"{name}: left out, there is no {missing[0]}")
            continue
        reports.append(BENCHMARKS[name]())
        console.print(as_table(reports[-1]))
    if not names:
        write_page(reports, PAGE)
        console.print(f"Written to {PAGE}")


if __name__ == "__main__":
    main()
