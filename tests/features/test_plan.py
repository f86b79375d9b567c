"""Plans: what is read off an event, what shares its state, and the clock that every feature reads."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from strategies import tables

from features.friction import Friction
from features.plan import (
    FIRST_NAME_CODE,
    SESSION_START_CODE,
    STAGE_ENTERED,
    STEP_FROM,
    STEP_TO,
    TREATMENT_CODE,
    UNKNOWN_CODE,
    Plan,
    compile_plan,
    offsets_of,
)
from features.scan import (
    Expression,
    absence,
    any_event,
    category,
    count,
    distinct,
    last,
    on,
    prop,
    recent,
    session_start,
    since,
    streak,
)
from features.scan import key as key_value
from features.table import Feature, FeatureTable, Stage

EVENTS = ("intervention_shown", "click", "view", "pay")
STAGES = (Stage("browse", "view"), Stage("pay", on("pay", "click")))


def plan_of(*expressions: Expression) -> Plan:
    features = tuple(
        Feature(f"f{number}", expression, Friction.NONE, "{:.0f}") for number, expression in enumerate(expressions)
    )
    return compile_plan(FeatureTable(EVENTS, STAGES, features))


def steps_of(plan: Plan, code: int) -> int:
    return int(plan.arrays.codes[code, STEP_TO] - plan.arrays.codes[code, STEP_FROM])


def test_each_heard_name_has_a_code_and_all_that_was_shown_has_one() -> None:
    plan = plan_of(count("click"))
    assert plan.codes == {"click": FIRST_NAME_CODE, "view": 4, "pay": 5, "intervention_shown": TREATMENT_CODE}
    assert plan.code_of("never heard of") == plan.code_of("") == plan.code_of("Click") == UNKNOWN_CODE
    # Names of what was shown need not be listed, so that a new one changes nothing.
    assert plan.code_of("intervention_faded") == TREATMENT_CODE
    assert len(plan.arrays.codes) == FIRST_NAME_CODE + 3


def test_events_are_heard_by_those_who_listen_and_no_others() -> None:
    plan = plan_of(count("click"), count(any_event), count(session_start, per="visitor"), streak("view"), since("pay"))
    # Any event and the streak, which any event may break, hear every name.
    assert steps_of(plan, plan.codes["click"]) == 3
    assert steps_of(plan, plan.codes["view"]) == 2
    assert steps_of(plan, plan.codes["pay"]) == 3
    assert steps_of(plan, UNKNOWN_CODE) == 2
    assert steps_of(plan, SESSION_START_CODE) == 1
    assert steps_of(plan, TREATMENT_CODE) == 0


def test_stages_are_entered_by_their_events_alone() -> None:
    plan = plan_of(count("click"))
    entered = plan.arrays.codes[:, STAGE_ENTERED]
    assert entered.tolist() == [-1, -1, -1, 1, 0, 1]


def test_equal_scans_share_their_state_and_different_ones_do_not() -> None:
    one = plan_of(count("click"))
    shared = plan_of(count("click"), count(on("click")), count("click") / count("click"))
    assert len(shared.arrays.initial) == len(one.arrays.initial)
    assert len(shared.arrays.steps) == len(one.arrays.steps)
    for other in (
        count("click", per="stage"),
        count(on("click", x=1)),
        count("view"),
        count(on("click").within(1, of="pay")),
    ):
        assert len(plan_of(count("click"), other).arrays.initial) > len(one.arrays.initial)


def test_columns_are_read_once_whoever_wants_them() -> None:
    plan = plan_of(
        last(prop("x")),
        distinct(key_value("x"), "view"),
        distinct(prop("x")),
        count(on("view", x=(1, None), y=2)),
        recent("view", half_life=5, value=prop("y")),
    )
    assert plan.columns == (prop("x"), key_value("x"), prop("y"))


def test_a_combination_of_combinations_is_read_from_the_inside_out() -> None:
    plan = plan_of((count("click") - count("view")) / (count("click") - count("pay")))
    targets = [int(row[1]) for row in plan.arrays.readings]
    # The operands of each reading that combines have been read before it, and the feature itself comes last.
    known: set[int] = set()
    for operation, target, left, right in plan.arrays.readings.tolist():
        if operation >= 100:
            assert {left, right} <= known
        known.add(target)
    assert targets[-1] == 0
    assert plan.register_count == max(targets) + 1
    # click, view and pay are read once each.
    assert len(targets) == 6


def test_only_a_look_at_earlier_sessions_uses_the_history() -> None:
    assert not plan_of(count("click"), last(prop("x"), per="stage")).uses_visitor_history
    assert plan_of(count("click", per="visitor")).uses_visitor_history
    assert plan_of(last(absence, session_start)).uses_visitor_history
    assert plan_of(count("click") - count("click", per="visitor")).uses_visitor_history


@settings(max_examples=100, deadline=None)
@given(tables())
def test_every_plan_keeps_its_scopes_apart_and_writes_inside_its_arrays(table: FeatureTable) -> None:
    plan = compile_plan(table)
    arrays = plan.arrays
    assert arrays.scope_starts.tolist() == sorted(arrays.scope_starts.tolist())
    assert arrays.scope_starts[-1] == len(arrays.initial)
    assert (arrays.codes[:, STEP_FROM] <= arrays.codes[:, STEP_TO]).all()
    assert arrays.codes[:, STEP_TO].max() == len(arrays.steps)
    assert (arrays.readings[:, 1] < plan.register_count).all()
    assert set(range(len(table.features))) <= set(arrays.readings[:, 1].tolist())
    assert plan.fingerprint == table.fingerprint
    assert plan.feature_names == table.names


ZONES = sorted(available_timezones())


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ZONES), st.integers(int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()), 2_800_000_000))
def test_the_clock_of_a_plan_is_the_clock_of_its_zone(zone: str, second: int) -> None:
    offsets = offsets_of(zone)
    place = np.searchsorted(offsets[:, 0], second * 1_000_000, side="right") - 1
    expected = datetime.fromtimestamp(second, ZoneInfo(zone)).utcoffset()
    assert timedelta(microseconds=int(offsets[place, 1])) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
def test_the_clock_changes_at_the_very_second(zone: str) -> None:
    offsets = offsets_of(zone)
    assert len(offsets) > 60
    for moment, offset in offsets[1:].tolist():
        before, after = (datetime.fromtimestamp(moment // 1_000_000 - back, ZoneInfo(zone)) for back in (1, 0))
        assert after.utcoffset() == timedelta(microseconds=offset) != before.utcoffset()


def test_a_zone_without_summer_has_one_offset() -> None:
    assert offsets_of("UTC").tolist() == [[0, 0]]
    assert offsets_of("Asia/Kolkata").tolist() == [[0, 19_800_000_000]]


def test_a_category_reads_the_context_column_of_its_name() -> None:
    plan = compile_plan(FeatureTable(EVENTS, STAGES, (Feature("device", category("device"), Friction.NONE, "device"),)))
    assert plan.columns == (key_value("device"),)
