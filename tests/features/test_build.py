"""Building rows: golden vectors worked out by hand, where cutoffs may lie, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import TEN_US, event, read, write_lines

from features.build import build, every_event, opens_visitor
from features.encode import key
from features.events import Cutoffs, EncodedLog
from features.friction import Friction
from features.plan import Plan, compile_plan
from features.scan import (
    Expression,
    absence,
    any_event,
    category,
    count,
    distinct,
    drops,
    first,
    gap,
    hour,
    last,
    low,
    mean,
    on,
    peak,
    position,
    prop,
    recent,
    session_start,
    since,
    since_first,
    stage,
    streak,
    total,
    weekday,
)
from features.scan import key as key_value
from features.table import Feature, FeatureTable, Stage

NAN = float("nan")
NAMES = ("view", "click", "buy", "intervention_shown")
STAGES = (Stage("look", "view"), Stage("act", on("click", "buy")))


def plan_of(**expressions: Expression) -> Plan:
    features = []
    for name, expression in expressions.items():
        for phrase in ("{:.0f}", "words"):
            try:
                features.append(Feature(name, expression, Friction.NONE, phrase))
            except ValueError:
                continue
    assert len(features) == len(expressions)
    return compile_plan(FeatureTable(NAMES, STAGES, tuple(features), "Europe/Berlin"))


# One visitor with two visits, each event with its seconds after ten o'clock UTC, noon in Berlin. The second visit
# begins an hour after the first.
ROWS = [
    event(0, name="view", device="mobile", properties={"price": 10, "product": "a"}),
    event(4, name="click", properties={"price": "2.5"}),
    event(10, name="view", properties={"price": 30, "product": "b"}),
    event(10, event_id="e010b", name="unheard of", properties={"price": -1}),
    event(12, name="intervention_shown", properties={"price": 1_000}),
    event(16, name="view", properties={"product": "a"}),
    event(3_600, name="view", event_id="f000", properties={"price": 7, "product": "c"}),
    event(3_602, name="buy", event_id="f002", device="desktop", properties={"price": 7}),
]
LOOKS = 8

# What each feature is right after each of the eight events.
GOLDEN: dict[str, tuple[Expression, list[float]]] = {
    "views": (count("view"), [1, 1, 2, 2, 2, 3, 1, 1]),
    "events_seen": (count(any_event), [1, 2, 3, 4, 4, 5, 1, 2]),
    "dear_views": (count(on("view", price=(10, 20))), [1, 1, 1, 1, 1, 1, 0, 0]),
    "views_soon_after_clicks": (count(on("view").within(6, of="click")), [0, 0, 1, 1, 1, 1, 0, 0]),
    "views_of_stage": (count("view", per="stage"), [1, 0, 1, 1, 1, 2, 1, 0]),
    "views_ever": (count("view", per="visitor"), [1, 1, 2, 2, 2, 3, 4, 4]),
    "visits": (count(session_start, per="visitor"), [1, 1, 1, 1, 1, 1, 2, 2]),
    "price_total": (total(prop("price")), [10, 12.5, 42.5, 41.5, 41.5, 41.5, 7, 14]),
    "price_mean": (mean(prop("price"), "view"), [10, 10, 20, 20, 20, 20, 7, 7]),
    "price_last": (last(prop("price")), [10, 2.5, 30, -1, -1, -1, 7, 7]),
    "price_first": (first(prop("price"), "click"), [NAN, 2.5, 2.5, 2.5, 2.5, 2.5, NAN, NAN]),
    "price_peak": (peak(prop("price")), [10, 10, 30, 30, 30, 30, 7, 7]),
    "price_low": (low(prop("price")), [10, 2.5, 2.5, -1, -1, -1, 7, 7]),
    "since_view": (since("view"), [0, 4, 0, 0, 2, 0, 0, 2]),
    "since_first_click": (since_first("click"), [NAN, 0, 6, 6, 8, 12, NAN, NAN]),
    # Halved every two seconds: 1; 1/4; 1/32 + 1; the same; half of that; 1/256 + 1/8 + 1; 1; 1/2.
    "recent_views": (recent("view", half_life=2), [1, 0.25, 1.03125, 1.03125, 0.515625, 1.12890625, 1, 0.5]),
    "views_in_a_row": (streak("view"), [1, 0, 1, 0, 0, 1, 1, 0]),
    "products": (distinct(key_value("product")), [1, 1, 2, 2, 2, 2, 1, 1]),
    "products_ever": (distinct(key_value("product"), per="visitor"), [1, 1, 2, 2, 2, 2, 3, 3]),
    "price_drops": (drops(prop("price")), [0, 1, 1, 2, 2, 2, 0, 0]),
    "steps_back": (drops(position), [0, 0, 1, 1, 1, 1, 0, 0]),
    # What was shown is nothing that people did: the third view ends a silence of six seconds, not of four.
    "gap_peak": (peak(gap), [NAN, 4, 6, 6, 6, 6, NAN, 2]),
    "absence": (last(absence, session_start), [NAN, NAN, NAN, NAN, NAN, NAN, 3_584, 3_584]),
    "device": (category("device"), [key("mobile")] * 6 + [NAN, key("desktop")]),
    "stage_index": (stage, [0, 1, 1, 1, 1, 1, 0, 1]),
    "hour": (hour, [12] * 6 + [13, 13]),
    "weekday": (weekday, [2] * 8),
    "price_share": (last(prop("price")) / peak(prop("price")), [1, 0.25, 1, -1 / 30, -1 / 30, -1 / 30, 1, 1]),
    "clicks_a_buy": (count("click") / count("buy"), [NAN] * 7 + [0]),
    "views_less_clicks": (count("view") - count("click"), [1, 0, 1, 1, 1, 2, 1, 1]),
}
GOLDEN_PLAN = plan_of(**{name: expression for name, (expression, _) in GOLDEN.items()})


@pytest.fixture
def log(tmp_path: Path) -> EncodedLog:
    found, _ = read(write_lines(tmp_path / "log.jsonl", ROWS[::-1]), GOLDEN_PLAN)
    assert np.diff(found.starts).tolist() == [6, 2]
    return found


def test_golden_vectors(log: EncodedLog) -> None:
    rows = build(GOLDEN_PLAN, log, every_event(log))
    assert rows.shape == (LOOKS, len(GOLDEN))
    for place, (name, (_, expected)) in enumerate(GOLDEN.items()):
        np.testing.assert_allclose(rows[:, place], expected, rtol=1e-12, err_msg=name)


def test_silence_is_a_moment_of_its_own(log: EncodedLog) -> None:
    # After the third event, at once, three seconds later and a minute and a half later.
    at_us = TEN_US + np.array([10, 13, 100]) * 1_000_000
    rows = build(GOLDEN_PLAN, log, Cutoffs(np.zeros(3, np.int64), np.full(3, 3), at_us))
    names = list(GOLDEN)
    assert rows[:, names.index("since_view")].tolist() == [0, 3, 90]
    assert rows[:, names.index("recent_views")].tolist() == pytest.approx(
        [1.03125, 1.03125 * 2**-1.5, 1.03125 * 2**-45]
    )
    still = [name for name in names if not name.startswith(("since", "recent"))]
    for name in still:
        np.testing.assert_array_equal(rows[0, names.index(name)], rows[2, names.index(name)], err_msg=name)


def test_rows_are_written_into_what_was_given(log: EncodedLog) -> None:
    cutoffs = every_event(log)
    out = np.full((LOOKS, len(GOLDEN)), 77.0)
    assert build(GOLDEN_PLAN, log, cutoffs, out) is out
    np.testing.assert_array_equal(out, build(GOLDEN_PLAN, log, cutoffs))
    with pytest.raises(ValueError, match=r"out has the shape \(1, 2\); these cutoffs and features need \(8, 30\)"):
        build(GOLDEN_PLAN, log, cutoffs, np.empty((1, 2)))


def test_no_cutoffs_are_no_rows(log: EncodedLog) -> None:
    nothing = every_event(log).take(np.zeros(LOOKS, np.bool_))
    assert build(GOLDEN_PLAN, log, nothing).shape == (0, len(GOLDEN))


def cut(*rows: tuple[int, int, float]) -> Cutoffs:
    """Cutoffs of (session, events seen, seconds after ten)."""
    session, after, seconds = zip(*rows, strict=True)
    return Cutoffs(np.array(session), np.array(after), TEN_US + (np.array(seconds) * 1e6).astype(np.int64))


@pytest.mark.parametrize(
    ("cutoffs", "said"),
    [
        (cut((2, 1, 9_999)), "a session that the log does not have"),
        (cut((-1, 1, 9_999)), "a session that the log does not have"),
        (cut((0, 0, 9_999)), "fewer than one event, or more than its session has"),
        (cut((1, 3, 9_999)), "fewer than one event, or more than its session has"),
        (cut((0, 2, 3.999999)), "before the last event that it has seen"),
        (cut((1, 1, 3_600), (0, 1, 0)), "ordered by session, events seen and time"),
        (cut((0, 2, 4), (0, 1, 4)), "ordered by session, events seen and time"),
        (cut((0, 1, 2), (0, 1, 1)), "ordered by session, events seen and time"),
    ],
)
def test_cutoffs_that_make_no_sense_are_refused(log: EncodedLog, cutoffs: Cutoffs, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build(GOLDEN_PLAN, log, cutoffs)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 6))
def test_every_so_many_events_of_each_session_there_is_a_row(sizes: list[int], step: int) -> None:
    starts = np.cumsum([0, *sizes])
    events = int(starts[-1])
    texts = np.array([str(number) for number in range(len(sizes))], object)
    log = EncodedLog(
        texts,
        texts,
        np.full(len(sizes), None, object),
        starts,
        np.arange(events) * 10,
        np.zeros(events, np.int32),
        np.empty((events, 0)),
        np.array([str(number) for number in range(events)], object),
    )
    cutoffs = every_event(log, step)
    expected = [(session, after) for session, size in enumerate(sizes) for after in range(step, size + 1, step)]
    assert list(zip(cutoffs.session.tolist(), cutoffs.after.tolist(), strict=True)) == expected
    assert cutoffs.at_us.tolist() == [10 * (int(starts[session]) + after - 1) for session, after in expected]


def test_a_step_below_one_is_refused(log: EncodedLog) -> None:
    with pytest.raises(ValueError, match=r"every_event\(..., step=0\) needs a step of at least 1"):
        every_event(log, 0)


def test_the_first_session_of_each_visitor_opens_its_history(tmp_path: Path) -> None:
    rows = [event(number, visitor_id=visitor, session_id=f"s{number}") for number, visitor in enumerate("aabcc")]
    log, _ = read(write_lines(tmp_path / "log.jsonl", rows), GOLDEN_PLAN)
    assert opens_visitor(log).tolist() == [True, False, True, True, False]


def test_ties_in_a_file_go_by_the_bytes_of_their_ids(tmp_path: Path) -> None:
    ids = ["10", "9", "Z", "a", "é", "\uffff", "\U0001f600"]
    rows = [event(0, event_id=name, properties={"price": place}) for place, name in enumerate(ids)]
    log, _ = read(write_lines(tmp_path / "log.jsonl", rows[::-1]), GOLDEN_PLAN)
    assert log.event_ids.tolist() == sorted(ids, key=str.encode) == ids
    prices = build(GOLDEN_PLAN, log, every_event(log))[:, list(GOLDEN).index("price_last")]
    assert prices.tolist() == list(range(len(ids)))
