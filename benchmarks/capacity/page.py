"""The parts of docs/scaling.md that are figures: written from what was measured, between marks, and never by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.capacity.check import Check, Checked
from capacity.busiest import simulate_busiest
from capacity.costs import BATCH_EVENTS, KINDS, Costs
from capacity.plan import POSTGRES, WORKERS, Plan, make_plan
from capacity.show import HEADERS, plan_rows, show_amount, show_count
from capacity.workload import Workload

SIZES = (1e5, 1e6, 1e7, 1e8)
GATHERED = (1, 10, BATCH_EVENTS)
"""Events that a client sends together, in the tables."""
_NAMES = {"event": "one event", "batch": f"{BATCH_EVENTS} events", "score": "a score", "recommend": "a decision"}


def write_figures(page: Path, parts: Mapping[str, str]) -> None:
    """Put figures between their marks; raises ValueError for a mark that the page does not have."""
    text = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->\n\n", f"\n\n<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{page} has no part <!-- {name} -->")
        text = f"{before}{begin}{content}{end}{after}"
    page.write_text(text, encoding="utf-8")


def parts_of_costs(costs: Costs) -> dict[str, str]:
    """Return what follows from costs alone: their tables, and the plans."""
    return {
        "costs": _costs(costs),
        "history": _history(costs),
        "plan": _plan(make_plan(Workload(SIZES[-1]), costs)),
        "ladder": _ladder(costs),
    }


def parts_of_check(check: Check) -> dict[str, str]:
    """Return how far the simulation is off."""
    header = ("load", "requests a second", "p50", "p99", "off by")
    every = [one.errors for one in (*check.fastest, *check.rising)]
    means = (sum(abs(one[place]) for one in every) / len(every) for place in range(3))
    rows = [
        *(_checked(one, f"{_NAMES.get(one.name, one.name)}, as fast as it goes") for one in check.fastest),
        *(_checked(one, f"mixed, {one.name} of that") for one in check.rising),
        ("mean of what it is off by", "", "", "", ", ".join(f"{mean:.0%}" for mean in means)),
    ]
    return {"check": _table(header, rows)}


def _costs(costs: Costs) -> str:
    header = ("", "worker", "Redis", "PostgreSQL", "database's turn", "outside", "inside", "disk", "journal")
    rows = []
    for kind in KINDS:
        one = costs.requests[kind]
        sizes = (
            one.request_bytes + one.answer_bytes,
            one.redis_bytes + one.postgres_bytes,
            one.disk_bytes,
            one.journal_bytes,
        )
        taken = (one.worker_ms, one.redis_ms, one.postgres_ms, one.turn_ms)
        rows.append((_NAMES[kind], *(f"{part:.3g} ms" for part in taken), *(show_amount(b, "bytes") for b in sizes)))
    said = f"Measured on {costs.measured_on}: {costs.machine}."
    return f"{said}\n\n{_table(header, rows)}"


def _history(costs: Costs) -> str:
    history, memory = costs.history, costs.memory
    rows = [
        ("features of a million events", f"{history.features_seconds:.3g} s of one core"),
        (
            "a model of a million events",
            f"{history.training_seconds:.3g} s of one core, and {history.training_fixed_seconds:.3g} s however few",
        ),
        (f"largest memory with {history.events:,} events: features", show_amount(history.features_peak_bytes, "bytes")),
        ("training", show_amount(history.training_peak_bytes, "bytes")),
        (
            "an event in a Parquet log, in the table of features",
            f"{history.log_bytes:.3g} B, {history.rows_bytes:.3g} B",
        ),
        (f"an open session of {memory.events} events in a worker", f"{memory.worker_bytes:,.0f} B"),
        ("in Redis", f"{memory.redis_bytes:,.0f} B"),
        ("a worker without any", show_amount(memory.empty_worker_bytes, "bytes")),
    ]
    return _table(("what", "takes"), rows)


def _plan(plan: Plan) -> str:
    return _table(tuple(header.lower() for header in HEADERS), plan_rows(plan))


def _ladder(costs: Costs) -> str:
    header = ("sessions a day", "events a request", "groups", "workers", "PostgreSQL cores", "p99: events, decisions")
    rows = []
    for size in SIZES:
        for gathered in GATHERED:
            plan = make_plan(replace(Workload(size), events_per_request=float(gathered)), costs)
            seen = simulate_busiest(plan, costs).simulated
            slow = ", ".join(f"{seen.quantile_ms(0.99, kind):,.0f} ms" for kind in seen.latencies_ms)
            counts = (plan.groups, plan.count(WORKERS), plan.count(POSTGRES))
            rows.append((show_count(size), f"{gathered}", *(f"{count:,}" for count in counts), slow))
    return _table(header, rows)


def _checked(one: Checked, name: str) -> tuple[str, ...]:
    return (
        name,
        f"{one.simulated_per_second:,.0f} ({one.measured_per_second:,.0f})",
        *(f"{said:.1f} ({seen:.1f}) ms" for said, seen in zip(one.simulated_ms, one.measured_ms, strict=True)),
        ", ".join(f"{error:+.0%}" for error in one.errors),
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, *others = ("| " + " | ".join(line) + " |" for line in (header, *rows))
    return "\n".join((first, "|" + "---|" * len(header), *others))
