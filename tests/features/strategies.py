"""Hypothesis strategies: any feature table, and any visitor's events over it."""

from hypothesis import strategies as st
from hypothesis.vendor import pretty

from features import scan as algebra
from features.friction import Friction
from features.scan import EventFilter, Expression, Per
from features.table import Feature, FeatureTable, Stage

# Hypothesis prints a dataclass by its fields, class variables included, and Friction's hold frictions.
pretty._type_pprinters[Friction] = lambda friction, printer, _cycle: printer.text(repr(friction))

NAMES = ("a", "b", "c", "d")
SHOWN = "intervention_shown"
PROPERTIES = ("x", "y")
pers: st.SearchStrategy[Per] = st.sampled_from(("session", "stage", "visitor"))


@st.composite
def filters(draw: st.DrawFn) -> EventFilter:
    chosen = draw(st.lists(st.sampled_from(NAMES), min_size=0, max_size=3, unique=True))
    on = EventFilter(tuple(chosen))
    if draw(st.booleans()):
        low = draw(st.integers(-2, 2))
        on = on.where(x=(low, low + draw(st.integers(0, 3))))
    if draw(st.integers(0, 3)) == 0:
        on = on.within(draw(st.sampled_from((0.5, 2.0, 30.0))), of=draw(st.sampled_from(NAMES)))
    return on


values = st.sampled_from((algebra.prop("x"), algebra.prop("y"), algebra.gap, algebra.position))


@st.composite
def single_scans(draw: st.DrawFn) -> algebra.Scan:
    per, on, value = draw(pers), draw(filters()), draw(values)
    kinds = {
        "count": lambda: algebra.count(on, per=per),
        "total": lambda: algebra.total(value, on, per=per),
        "mean": lambda: algebra.mean(value, on, per=per),
        "last": lambda: algebra.last(value, on, per=per),
        "first": lambda: algebra.first(value, on, per=per),
        "peak": lambda: algebra.peak(value, on, per=per),
        "low": lambda: algebra.low(value, on, per=per),
        "since": lambda: algebra.since(on, per=per),
        "since_first": lambda: algebra.since_first(on, per=per),
        "recent": lambda: algebra.recent(on, half_life=draw(st.sampled_from((5.0, 60.0))), per=per),
        "streak": lambda: algebra.streak(on, per=per),
        "distinct": lambda: algebra.distinct(value, on, per=per),
        "drops": lambda: algebra.drops(value, on, per=per),
        "visits": lambda: algebra.count(algebra.session_start, per="visitor"),
        "absence": lambda: algebra.last(algebra.absence, algebra.session_start, per=per),
    }
    return kinds[draw(st.sampled_from(sorted(kinds)))]()


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    left: Expression = draw(st.one_of(single_scans(), st.sampled_from((algebra.hour, algebra.weekday, algebra.stage))))
    match draw(st.integers(0, 3)):
        case 0:
            return left - draw(single_scans())
        case 1:
            return left / draw(single_scans())
        case _:
            return left


@st.composite
def tables(draw: st.DrawFn) -> FeatureTable:
    drawn = draw(st.lists(expressions(), min_size=1, max_size=8))
    features = []
    for index, expression in enumerate(drawn):
        clock = expression in (algebra.hour, algebra.weekday)
        features.append(Feature(f"f{index}", expression, Friction.NONE, "clock" if clock else "{:.1f} of it"))
    stages = (Stage("one", "a"), Stage("two", algebra.on("b", "c")))
    return FeatureTable(
        (*NAMES, SHOWN), stages, tuple(features), draw(st.sampled_from(("UTC", "Europe/Paris", "Asia/Kolkata")))
    )


@st.composite
def sessions(draw: st.DrawFn, max_sessions: int = 3) -> list[list[tuple[int, str, dict[str, float]]]]:
    """Sessions of one visitor, by first event: lists of (seconds in half steps as microseconds, name, properties)."""
    drawn = []
    for _ in range(draw(st.integers(1, max_sessions))):
        start = draw(st.integers(0, 200))
        steps = draw(st.lists(st.integers(0, 40), min_size=1, max_size=8))
        at = 1_700_000_000_000_000 + start * 500_000
        events = []
        for step in steps:
            name = draw(st.sampled_from((*NAMES, "undeclared", SHOWN)))
            properties = draw(st.dictionaries(st.sampled_from(PROPERTIES), st.integers(-2, 3).map(float)))
            events.append((at, name, properties))
            at += step * 500_000
        drawn.append(events)
    return sorted(drawn, key=lambda events: events[0][0])
