"""Run from the command line; see the package."""

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks.capacity import __doc__ as told
from benchmarks.capacity.page import SIZES, parts_of_check, parts_of_costs, write_figures
from benchmarks.capacity.picture import draw_check
from benchmarks.capacity.report import measure, report
from benchmarks.report import as_table
from benchmarks.service import ROOT
from capacity.costs import MEASURED, read_costs, write_costs
from capacity.plan import Terms
from capacity.workload import Workload
from training.pictures.capacity import draw_plan

_PAGE, _PICTURES = ROOT / "docs" / "scaling.md", ROOT / "docs" / "pictures"


def main() -> None:
    """Measure, show, and keep what is asked for."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each load lasts")
    parser.add_argument("--sessions", type=int, nargs="+", default=[20_000, 100_000], help="sizes of the logs")
    parser.add_argument("--open", type=int, default=100_000, help="open sessions")
    parser.add_argument("--out", type=Path, help="a file for the costs")
    parser.add_argument("--keep", action="store_true", help="let what ships be what is measured now")
    parser.add_argument("--pages", action="store_true", help="measure nothing: write the page from the costs that ship")
    given = parser.parse_args()
    if given.pages:
        _write_costs_page()
        return
    measured = measure(given.seconds, given.sessions, given.open)
    Console().print(as_table(report(measured)))
    if given.out is not None:
        write_costs(measured.costs, given.out)
    if given.keep:
        write_costs(measured.costs, MEASURED)
        write_figures(_PAGE, parts_of_check(measured.check))
        draw_check(measured.check, _PICTURES / "capacity_check.png")
        _write_costs_page()


def _write_costs_page() -> None:
    costs = read_costs()
    write_figures(_PAGE, parts_of_costs(costs))
    draw_plan(Workload(SIZES[-1]), costs, Terms(), _PICTURES / "capacity_plan.png")


if __name__ == "__main__":
    main()
