"""Two weeks of a shop made by hand, with blockers, sessions retold, interventions, and a third week that has begun."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from made_facts import BEGIN, MadeSession, write_facts

from insights.facts import Facts

WEEK = timedelta(days=7)


def stopped(count: int, stage: int, weeks: int = 0, friction: str | None = None, **more: Any) -> list[MadeSession]:
    """Sessions that were abandoned at a stage, so many weeks after the first Monday, maybe for a friction."""
    confidences = {friction: 0.5} if friction else {}
    made = MadeSession(stage=stage, confidences=confidences, started_at=BEGIN + weeks * WEEK, **more)
    return [made] * count


def bought(count: int, weeks: int = 0) -> list[MadeSession]:
    """Sessions that reached the goal from the last stage."""
    return [MadeSession(stage=5, outcome="goal", started_at=BEGIN + weeks * WEEK)] * count


def shown(intervention: str, *reactions: str) -> MadeSession:
    """A session of the second week that was shown an intervention and reacted so."""
    names = ["intervention_shown", *(f"intervention_{reaction}" for reaction in reactions)]
    events = [(0.0, "page_view", 0), *((10.0 + place, name, 0) for place, name in enumerate(names))]
    elements = dict.fromkeys(range(1, len(events)), intervention)
    return MadeSession(events=events, elements=elements, started_at=BEGIN + WEEK)


def facts_of(folder: Path, sessions: Iterable[MadeSession]) -> Facts:
    """Facts whose log goes on into the third week, so that the second one is the last whole week."""
    return write_facts(folder / "facts", [*sessions, replace(MadeSession(), started_at=BEGIN + 2 * WEEK)])


def two_weeks(folder: Path) -> Facts:
    """Sixty sessions a week: in the second more of them are abandoned at the basket, with shipping in the way."""
    told = [(0.0, "view_cart", None, ""), (30.0, "view_shipping", "shipping", "shipping is 20% of the basket")]
    events = [(0.0, "page_view", 0), (15.0, "view_cart", 2), (30.0, "view_shipping", 2)]
    sessions = stopped(10, 2) + stopped(10, 0) + bought(40)
    sessions += (
        stopped(40, 2, 1, "shipping", events=events, told=told, risk=0.8) + stopped(15, 0, 1, "trust") + bought(15, 1)
    )
    return facts_of(folder, [*sessions, shown("free_delivery", "clicked"), shown("free_delivery", "dismissed")])
