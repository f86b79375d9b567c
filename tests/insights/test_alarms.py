"""Alarms of facts: counted, written down once, brought up to date, sent once."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from changed_shop import BEGIN, CHANGE, CHANGED, LAST, SESSIONS_A_DAY, USUAL, changed_shop
from made_facts import SHOP, MadeSession, write_facts
from receiver import receiving
from sqlalchemy import Engine

from features.events import US_PER_SECOND
from insights.alarms import Watch, to_json, watch
from insights.anomalies import expect_rates
from insights.calendar import Step
from insights.counts import read_counts
from insights.facts import Facts
from insights.filters import Filters
from insights.find_alarms import as_found, find_alarms
from insights.say_alarms import say_alarm, say_all, say_moved
from insights.webhook import Webhook, WebhookError
from storage.database import database_url, open_database, writing
from storage.record_store import RecordStore
from storage.records import AlarmStatus, AnnotationKind

# Making the facts takes half a minute: one process makes them.
pytestmark = pytest.mark.xdist_group("alarms")

NOW_US = int(LAST.timestamp()) * US_PER_SECOND
CHANGE_US = int(CHANGE.timestamp()) * US_PER_SECOND
HOUR_US = 3_600 * US_PER_SECOND


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return changed_shop(tmp_path_factory.mktemp("changed"))


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    opened = open_database(database_url(tmp_path))
    yield opened
    opened.dispose()


def look(facts: Facts, engine: Engine, webhook: Webhook | None = None) -> Watch:
    return watch(facts, SHOP, engine, now_us=NOW_US, webhook=webhook)


def test_sessions_count_at_the_hour_they_reached_the_stage(tmp_path: Path) -> None:
    end = timedelta(hours=3)
    made = [
        MadeSession(stage=1, started_at=BEGIN + timedelta(minutes=59), dwell=(120, 60), device="mobile"),
        MadeSession(stage=1, started_at=BEGIN + timedelta(minutes=70), outcome="goal", device="desktop"),
        MadeSession(stage=0, started_at=BEGIN + timedelta(minutes=10), outcome="open"),
        MadeSession(stage=1, started_at=BEGIN + timedelta(minutes=80), outcome="open", device="mobile"),
        MadeSession(stage=0, started_at=BEGIN + end, outcome="goal"),
    ]
    counts = read_counts(write_facts(tmp_path, made), SHOP)
    assert counts.calendar.step is Step.HOUR
    cells = {(cell.stage_index, cell.cohort): place for place, cell in enumerate(counts.cells)}
    # Berlin is two hours ahead in June, and its day began at 22 h UTC.
    first = counts.calendar.place(int(BEGIN.timestamp()) * US_PER_SECOND)
    assert counts.calendar.hour[first] == 2
    browse, product = cells[0, None], cells[1, None]
    assert counts.entered[browse, first : first + 4].tolist() == [1, 2, 0, 1]
    # Who is still open has passed the first stage and has no end at the second.
    assert counts.entered[product, first : first + 4].tolist() == [0, 2, 0, 0]
    assert counts.exited[product, first : first + 4].tolist() == [0, 1, 0, 0]
    assert counts.exited[browse].sum() == 0
    assert counts.entered[cells[1, ("device", "mobile")], first + 1] == 1
    assert counts.parent[cells[1, ("device", "mobile")]] == product


def test_an_hour_counts_once_the_time_out_and_the_stages_time_have_passed(tmp_path: Path) -> None:
    made = [MadeSession(stage=0, started_at=BEGIN + timedelta(minutes=7 * place), dwell=(600,)) for place in range(100)]
    counts = read_counts(write_facts(tmp_path, made), SHOP)
    # Ten minutes at the stage, half an hour of silence.
    assert counts.settle_us == 40 * 60 * US_PER_SECOND
    last_us = int((BEGIN + timedelta(minutes=7 * 99 + 10)).timestamp()) * US_PER_SECOND
    assert counts.known_us(counts.matured - 1) <= last_us < counts.known_us(counts.matured)


def test_filters_choose_who_is_counted(changed: Facts) -> None:
    whole = read_counts(changed, SHOP, cohorts=False)
    mobile = read_counts(changed, SHOP, Filters(cohort=(("device", "mobile"),)), cohorts=False)
    [cohort] = [
        place
        for place, cell in enumerate(read_counts(changed, SHOP).cells)
        if (cell.stage, cell.cohort) == ("cart", ("device", "mobile"))
    ]
    assert len(whole.cells) == len(mobile.cells) == len(SHOP.stages)
    assert mobile.entered[2].sum() == read_counts(changed, SHOP).entered[cohort].sum()


def test_an_alarm_names_stage_time_size_and_what_else_moved(changed: Facts) -> None:
    [alarm] = find_alarms(changed, SHOP)
    assert (alarm.stage, alarm.cohort, alarm.direction, alarm.status) == ("cart", None, "rise", AlarmStatus.OPEN)
    assert alarm.details["since_low_us"] <= CHANGE_US <= alarm.details["since_high_us"]
    assert abs(alarm.since_us - CHANGE_US) <= 3 * HOUR_US
    assert CHANGE_US < alarm.detected_us <= CHANGE_US + 8 * HOUR_US
    assert alarm.rate_before == pytest.approx(USUAL, abs=0.03)
    # Some nine hundred sessions since then: the rate is known to .6 * .4 / 900 ** .5 = 1.6 points.
    assert alarm.rate_after == pytest.approx(CHANGED, abs=0.06)
    assert alarm.ratio_low < CHANGED / USUAL < alarm.ratio_high
    moved = {(one["kind"], one["name"]): (one["before"], one["after"]) for one in alarm.details["moved"]}
    assert set(moved) == {("event", "view_shipping"), ("blocker", "SHIPPING")}
    assert moved["event", "view_shipping"] == pytest.approx((0.1, 0.5), abs=0.06)
    # Of a hundred, 25 left with a confidence of .3 each, then 60 with .6.
    assert moved["blocker", "SHIPPING"] == pytest.approx((0.075, 0.36), abs=0.05)
    [inputs] = [one["inputs"] for one in alarm.details["moved"] if one["name"] == "view_shipping"]
    assert "shipping_share" in inputs or "shipping_views" in inputs


def test_words_say_all_of_it(changed: Facts) -> None:
    [alarm] = find_alarms(changed, SHOP)
    said = say_alarm(alarm, SHOP.timezone)
    assert said.startswith("At cart more sessions are abandoned since 2026-06-19 ")
    assert "95 % interval" in said
    lines = list(say_all([alarm], SHOP.timezone))
    assert lines[0] == said
    assert any("view_shipping in " in line for line in lines)
    fall = replace(alarm, direction="fall", cohort="visitor_kind=new", status=AlarmStatus.CLOSED, closed_us=NOW_US)
    assert "At cart (visitor kind: new only) fewer sessions are abandoned" in say_alarm(fall, "UTC")
    assert say_alarm(fall, "UTC").endswith("Closed by hand at 2026-06-22 00:00.")
    assert list(say_all([], "UTC")) == [
        "No alarm is open: as far as so many sessions can tell, as many leave at each stage as is usual."
    ]
    for moved in (
        {"kind": "cohort", "name": "device=mobile", "before": 0.4, "after": 0.6},
        {"kind": "time", "name": "seconds at the stage", "before": 12.0, "after": 20.0},
    ):
        assert "before" in say_moved(moved)


def test_without_a_change_there_is_no_alarm(tmp_path: Path, engine: Engine) -> None:
    seen = look(changed_shop(tmp_path / "facts", changed=USUAL), engine)
    assert (seen.alarms, seen.new, seen.open) == ((), (), ())


def test_an_alarm_is_written_down_once(changed: Facts, engine: Engine) -> None:
    first, second = look(changed, engine), look(changed, engine)
    assert len(first.new) == len(first.open) == 1
    assert second.new == ()
    assert second.alarms == first.alarms


def test_more_data_bring_an_alarm_up_to_date_and_add_none(changed: Facts, tmp_path: Path, engine: Engine) -> None:
    early = look(changed_shop(tmp_path / "early", until=CHANGE + timedelta(hours=12)), engine)
    late = look(changed, engine)
    assert late.new == ()
    [before], [after] = early.alarms, late.alarms
    assert (after.id, after.detected_us) == (before.id, before.detected_us)
    assert after.details["entered"] > before.details["entered"] + SESSIONS_A_DAY
    assert after.ratio_high - after.ratio_low < before.ratio_high - before.ratio_low


def test_what_somebody_closed_or_acknowledged_stays_so(changed: Facts, engine: Engine) -> None:
    [alarm] = look(changed, engine).alarms
    store = RecordStore(engine, SHOP.name)
    with writing(engine) as connection:
        store.acknowledge_alarm(connection, alarm.id, actor="ann", now_us=NOW_US)
    assert look(changed, engine).alarms[0].status is AlarmStatus.ACKNOWLEDGED
    with writing(engine) as connection:
        store.close_alarm(connection, alarm.id, actor="ann", now_us=NOW_US)
    seen = look(changed, engine)
    assert (seen.alarms[0].status, seen.open, seen.new) == (AlarmStatus.CLOSED, (), ())


def test_an_alarm_is_sent_once_and_again_only_if_nobody_took_it(changed: Facts, engine: Engine) -> None:
    with receiving() as server:
        server.statuses = [400]
        webhook = Webhook(server.url, "s3cret")
        refused = look(changed, engine, webhook)
        assert (refused.sent, len(refused.unsent)) == ((), 1)
        taken = look(changed, engine, webhook)
        assert taken.sent == (taken.alarms[0].id,)
        assert look(changed, engine, webhook).sent == ()
    assert len(server.got) == 2
    content = json.loads(server.got[1][1])
    assert content["journey"] == "ecommerce"
    assert (content["stage"], content["cohort"], content["direction"]) == ("cart", None, "rise")
    assert content["since"].endswith("Z")
    assert content["text"].startswith("At cart more sessions are abandoned")


def test_what_was_noted_down_near_a_change_stands_with_it(changed: Facts, engine: Engine) -> None:
    store = RecordStore(engine, SHOP.name)
    with writing(engine) as connection:
        for days, text in ((-10, "too early"), (-0.5, "Delivery costs 6.90 now"), (2.5, "too late")):
            at_us = CHANGE_US + int(days * 24 * HOUR_US)
            store.annotate(connection, at_us=at_us, kind=AnnotationKind.POLICY, text=text, actor="ann", now_us=NOW_US)
    seen = look(changed, engine)
    told = to_json(seen.alarms[0], SHOP, seen.annotations)
    assert [one["text"] for one in told["annotations"]] == ["Delivery costs 6.90 now"]
    json.dumps(told)


def test_what_is_found_is_kept_beside_the_facts(changed: Facts) -> None:
    found = find_alarms(changed, SHOP)
    kept = changed.folder / "alarms.json"
    assert kept.exists()
    assert find_alarms(changed, SHOP) == found
    text = kept.read_text()
    kept.write_text(text[: len(text) // 2])
    assert find_alarms(changed, SHOP) == found
    assert json.loads(kept.read_text())["alarms"][0]["id"] == found[0].id


def test_what_is_expected_leaves_out_what_an_alarm_is_about(changed: Facts) -> None:
    counts = read_counts(changed, SHOP, cohorts=False)
    [alarm] = find_alarms(changed, SHOP)
    known = as_found(alarm, counts)
    assert known is not None
    expected = expect_rates(counts, [known]).rates[2, counts.matured - 24 : counts.matured]
    assert expected.mean() == pytest.approx(USUAL, abs=0.04)
    unknowing = expect_rates(counts).rates[2, counts.matured - 24 : counts.matured]
    assert unknowing.mean() > expected.mean() + 0.004
    assert as_found(replace(alarm, stage="none"), counts) is None


def test_a_webhook_that_is_no_address_is_refused_before_anything_is_looked_for() -> None:
    with pytest.raises(WebhookError):
        Webhook("example.org/alarms")


def test_of_a_long_log_the_last_twelve_weeks_are_looked_at(tmp_path: Path) -> None:
    made = [
        MadeSession(stage=0, started_at=BEGIN + timedelta(days=place), dwell=(60,)) for place in range(-9_000, 30, 30)
    ]
    counts = read_counts(write_facts(tmp_path, made), SHOP)
    last = int((BEGIN + timedelta(days=0)).timestamp()) * US_PER_SECOND
    assert counts.calendar.starts_us[0] >= last - 85 * 24 * HOUR_US
    assert counts.entered[0].sum() == 3


def test_facts_without_sessions_have_no_alarms(tmp_path: Path) -> None:
    assert find_alarms(write_facts(tmp_path, []), SHOP) == ()
