"""A small journey and logs of it made by hand or drawn by Hypothesis, as arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from decisions.intervention import Effort, Intervention
from features.events import CodeArray, EncodedLog
from features.friction import Friction
from features.plan import compile_plan
from features.scan import any_event, count, gap, last, on, since, since_first, stage
from features.table import CONTEXT_COLUMNS, Feature, Stage
from journeys.journey import Ends, Journey, PolicySettings

SECOND = 1_000_000
START_US = 1_700_000_000 * SECOND
TIMEOUT = 1_800
NAMES = ("page_view", "edit_field", "form_error", "sign_up", "leave", "refuse", "terms")

SOURCES = ("https://www.example.com/?q=a&b=/../", "newsletter " + "x" * 280, "rare")

Events = Sequence[tuple[float, str]]
"""Seconds since the log's start, and the event's name."""


@dataclass(frozen=True)
class Visit:
    events: Events
    visitor: str = "v"
    user: str | None = None
    name: str | None = None


def signup(**changes: Any) -> Journey:
    """Return a small journey with one event for every way to end; keyword arguments replace its parts."""
    declared: dict[str, Any] = {
        "name": "signup",
        "title": "Sign-up",
        "description": "From a page to an account.",
        "events": dict.fromkeys(NAMES, "something happens"),
        "properties": {},
        "stages": (Stage("read", on("page_view")), Stage("form", on("edit_field"))),
        "ends": Ends(goal=("sign_up",), abandoned=("leave",), competing=("refuse",), closes=("terms",)),
        "features": (
            Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
            Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
            Feature("session_seconds", since_first(any_event), Friction.NONE, "here for {:duration}"),
            Feature("idle_seconds", since(any_event), Friction.NONE, "idle for {:duration}"),
            Feature("last_gap_seconds", last(gap), Friction.NONE, "{:duration} before the latest step"),
            Feature("events_ever", count(any_event, per="visitor"), Friction.NONE, "{:event|events} in all visits"),
            Feature("form_errors", count("form_error"), Friction.FORM, "{:form error|form errors}"),
        ),
        "interventions": (
            Intervention(
                name="form_help",
                title="Help",
                message="We fill it in with you.",
                channel="on_site",
                stages=("form",),
                treats=(Friction.FORM,),
                prior_effect=0.05,
                cost=0.1,
                effort=Effort.QUICK_WIN,
                owner="Forms",
            ),
        ),
        "policy": PolicySettings(goal_value=10.0),
        "session_timeout_seconds": float(TIMEOUT),
        "idle_ticks_seconds": (30.0, 120.0),
    }
    return Journey(**{**declared, **changes})


def encode(journey: Journey, visits: Iterable[Visit]) -> EncodedLog:
    """Return the visits as a log in the total order; events without properties."""
    plan = compile_plan(journey.table)
    numbered = [(visit, visit.name or f"s{place:04}") for place, visit in enumerate(visits)]
    ordered = sorted(numbered, key=lambda pair: (pair[0].visitor, pair[0].events[0][0], pair[1]))
    moments = [START_US + round(seconds * SECOND) for visit, _ in ordered for seconds, _ in visit.events]
    codes: CodeArray = np.array([plan.code_of(name) for visit, _ in ordered for _, name in visit.events], np.int32)
    return EncodedLog(
        session_ids=np.array([name for _, name in ordered], object),
        visitor_ids=np.array([visit.visitor for visit, _ in ordered], object),
        user_ids=np.array([visit.user for visit, _ in ordered], object),
        starts=np.cumsum([0, *(len(visit.events) for visit, _ in ordered)]),
        at_us=np.array(moments, np.int64),
        codes=codes,
        values=np.full((len(moments), len(plan.columns)), np.nan),
        event_ids=np.array([f"e{place:06}" for place in range(len(moments))], object),
        context={column: np.full(len(ordered), None, object) for column in CONTEXT_COLUMNS},
    )


def at(seconds: float) -> int:
    """Return the moment so many seconds after the log's start, in microseconds."""
    return START_US + round(seconds * SECOND)


@st.composite
def visits(draw: st.DrawFn, max_sessions: int = 4, max_gap: int = TIMEOUT) -> list[Visit]:
    """Draw sessions of few visitors, with ties, and pauses that are often exactly an idle tick or the timeout."""
    gaps = st.one_of(st.sampled_from([0, 1, 29, 30, 31, 120, max_gap]), st.integers(0, max_gap))
    names = st.sampled_from((*NAMES, *("page_view", "edit_field", "form_error") * 5, "undeclared"))
    pauses = st.one_of(st.lists(gaps, min_size=1, max_size=6), st.lists(gaps, min_size=11, max_size=14))
    drawn = []
    for _ in range(draw(st.integers(1, max_sessions))):
        moment = draw(st.integers(0, 4_000))
        events = []
        for pause in draw(pauses):
            events.append((float(moment), draw(names)))
            moment += pause
        drawn.append(Visit(events, draw(st.sampled_from("abc"))))
    return drawn


def until(drawn: Sequence[Visit], seconds: float) -> list[Visit]:
    """Return what was known at a moment: the events by then, the sessions under the names they have in the whole."""
    known = [
        Visit([event for event in visit.events if event[0] <= seconds], visit.visitor, visit.user, f"s{place:04}")
        for place, visit in enumerate(drawn)
    ]
    return [visit for visit in known if visit.events]


def sign_ups(
    count: int, seed: int, *, signal: float = 1.0, returning: bool = True, seconds_apart: float = 200.0
) -> pa.Table:
    """Return a log of simulated sessions in the canonical columns: who meets form errors leaves, times ``signal``.

    Without a signal the end is the toss of a coin that nothing before it knows.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        visitor = int(rng.integers(count)) if returning else number
        context = {
            "session_id": f"s{number:05}",
            "visitor_id": f"v{visitor:05}",
            "user_id": f"u{visitor // 2}" if visitor % 10 < 2 else None,
            "device": str(rng.choice(["mobile", "desktop"])),
            "source": str(rng.choice(SOURCES, p=[0.6, 0.398, 0.002])),
        }
        moment, errors, length = number * seconds_apart + rng.random(), 0, int(rng.geometric(0.15))
        end = "sign_up" if rng.random() < 0.5 else None
        for step in range(length):
            name = "page_view" if step == 0 else str(rng.choice(["edit_field", "form_error", "undeclared"]))
            errors += name == "form_error"
            rows.append({**context, "name": name, "occurred_at": at(moment)})
            moment += rng.exponential(20.0) + 1.0
        if signal:
            stays = rng.random() < 1 / (1 + np.exp(signal * (1.5 * errors - 2.0)))
            end = "sign_up" if stays else "leave" if rng.random() < 0.3 else None
        if end:
            rows.append({**context, "name": end, "occurred_at": at(moment)})
    table = pa.Table.from_pylist([{"event_id": f"e{place:06}", **row} for place, row in enumerate(rows)])
    moments = table["occurred_at"].cast(pa.timestamp("us", tz="UTC"))
    return table.set_column(table.column_names.index("occurred_at"), "occurred_at", moments)
