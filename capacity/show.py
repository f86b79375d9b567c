"""A plan in words and rows, for a terminal and for documents."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from capacity.busiest import Busiest
from capacity.costs import BATCH_EVENTS
from capacity.plan import Need, Plan

HEADERS = ("Needed", "In all", "How many", "Each", "One bears a day", "Grow by")
_SCALES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_UNITS = {"bytes": "B", "bytes/s": "B/s", "bits/s": "bit/s"}


def plan_rows(plan: Plan) -> Sequence[tuple[str, ...]]:
    """Return a row for each need in the order of :data:`HEADERS`, the one that is full first on top."""
    return [_row(need) for need in plan.needs]


def describe_plan(plan: Plan) -> Sequence[str]:
    """Return what a plan says, in sentences."""
    work, first = plan.workload, plan.bottleneck
    rates = ", ".join(f"{rate:,.0f} {_REQUESTS[kind]}" for kind, rate in plan.workload.peak_rates.items())
    said = [
        f"{work.sessions_per_day:,.0f} sessions a day of {work.events_per_session:g} events are, in the busiest "
        f"minutes ({work.peak:g} x the average), {rates} a second and {work.open_sessions:,.0f} open sessions.",
        f"Full first: {first.name}. One bears {show_count(first.one_bears)} sessions a day when "
        f"{plan.terms.fullest:.0%} full.",
    ]
    if work.events_per_request > BATCH_EVENTS:
        said.append(
            f"Requests of more than {BATCH_EVENTS} events were not measured: what {work.events_per_request:g} take is "
            "carried on from those, and services take no more than DROPOFF_MAX_BATCH_EVENTS."
        )
    if plan.groups == 1:
        said.append("One group is enough: a PostgreSQL and a Redis, with the workers below.")
    else:
        said.append(
            f"{plan.groups:,} groups that share nothing, each a PostgreSQL and a Redis with workers of its own: people "
            "are divided among them by a hash of their id, in front. Caps, budgets, holdouts and who is who hold "
            "within a group."
        )
    history, log = plan.history, show_amount(plan.history["log_bytes"], "bytes")
    said.append(
        f"A day's log is {log}. Its features take {_three(history['features_core_hours'])} core hours and "
        f"{show_amount(history['rows_bytes'], 'bytes')}, a model of all of it "
        f"{_three(history['training_core_hours'])} core hours."
    )
    return said


def describe_busiest(busiest: Busiest) -> Sequence[str]:
    """Return what a simulated group does, in sentences."""
    site, seen = busiest.site, busiest.simulated
    busy = ", ".join(f"{name} {share:.0%}" for name, share in seen.busy.items())
    latencies = "; ".join(
        f"{_REQUESTS[kind]} {seen.quantile_ms(0.5, kind):,.3g} ms and {seen.quantile_ms(0.99, kind):,.3g} ms"
        for kind, found in seen.latencies_ms.items()
        if len(found)
    )
    return [
        f"Simulated, one group with {_of(site.workers, 'worker')} and {_of(site.postgres_cores, 'core')} of PostgreSQL "
        f"answers {seen.per_second:,.0f} requests a second; half of them, and 99 of 100, within: {latencies}.",
        f"Busy: {busy}. A commit holds {seen.writes_per_commit:.2g} writes.",
    ]


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan for machines; what has no bound is null."""
    return {
        "workload": asdict(plan.workload) | {"open_sessions": plan.workload.open_sessions},
        "terms": asdict(plan.terms),
        "peak_rates": dict(plan.workload.peak_rates),
        "groups": plan.groups,
        "bottleneck": plan.bottleneck.name,
        "needs": [{name: _finite(value) for name, value in asdict(need).items()} for need in plan.needs],
        "history": dict(plan.history),
    }


def busiest_to_json(busiest: Busiest) -> dict[str, Any]:
    """Return a simulated group for machines; latencies of a kind that is too rare to come are null."""
    seen = busiest.simulated
    return asdict(busiest.site) | {
        "per_second": seen.per_second,
        "busy": dict(seen.busy),
        "writes_per_commit": seen.writes_per_commit,
        "latency_ms": {
            kind: {"p50": _finite(seen.quantile_ms(0.5, kind)), "p99": _finite(seen.quantile_ms(0.99, kind))}
            for kind in seen.latencies_ms
        },
    }


def show_amount(amount: float, unit: str) -> str:
    """Return an amount with three digits: `1.24 TB`."""
    shown = _UNITS[unit]
    for size, letter in _SCALES:
        if amount >= size:
            return f"{_three(amount / size)} {letter}{shown}"
    return f"{_three(amount)} {shown}"


def show_count(count: float) -> str:
    """Return a large number as people read it: `2.4 M`."""
    if math.isinf(count):
        return "-"
    for size, name in ((1e9, "G"), (1e6, "M")):
        if count >= size:
            return f"{_three(count / size)} {name}"
    return f"{count:,.0f}" if count >= 1_000 else _three(count)


_REQUESTS = {"event": "requests with events", "score": "scores", "recommend": "decisions"}


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _three(number: float) -> str:
    return f"{float(f'{number:.3g}'):,g}"


def _of(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _row(need: Need) -> tuple[str, ...]:
    if math.isnan(need.full):
        each = show_amount(need.amount / need.count, need.unit)
        return need.name, show_amount(need.amount, need.unit), f"{need.count:,}", each, "-", str(need.grows)
    each, borne = f"{need.full:.0%} full", show_count(need.one_bears)
    return need.name, f"{_three(need.amount)} busy", f"{need.count:,}", each, borne, str(need.grows)
