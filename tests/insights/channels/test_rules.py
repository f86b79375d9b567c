"""First, last, linear, position-based and time-decay credit, against arithmetic and DuckDB."""

import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from made_paths import DAY_US, HOUR_US, named, ones, paths_of

from insights.channels.paths import Conversions, Touches, build_paths
from insights.channels.rules import first_touch, last_touch, linear, position_based, time_decay

DAY_SECONDS = 86_400.0
CHANNELS = ("ads", "call", "email", "on_site")
written_paths = st.lists(st.lists(st.sampled_from(CHANNELS), max_size=6).map(" > ".join), min_size=1, max_size=12)


def test_a_single_touch_gets_everything_from_every_rule() -> None:
    paths = paths_of(["email"])
    for rule in (first_touch, last_touch, linear, position_based):
        assert named(paths, rule(paths, ones(paths))) == {"email": 1.0}
    assert named(paths, time_decay(paths, ones(paths), half_life_seconds=DAY_SECONDS)) == {"email": 1.0}


def test_first_and_last_look_at_the_ends_of_a_path_only() -> None:
    paths = paths_of(["ads > email > call", "call > email"])
    assert named(paths, first_touch(paths, ones(paths))) == {"ads": 1.0, "call": 1.0, "email": 0.0}
    assert named(paths, last_touch(paths, ones(paths))) == {"ads": 0.0, "call": 1.0, "email": 1.0}


def test_linear_counts_a_channel_as_often_as_it_was_touched() -> None:
    paths = paths_of(["ads > email > ads > call"])
    assert named(paths, linear(paths, ones(paths))) == {"ads": 0.5, "call": 0.25, "email": 0.25}


def test_position_gives_the_ends_forty_percent_each_and_the_middle_twenty_evenly() -> None:
    paths = paths_of(["ads > email > on_site > call"])
    assert named(paths, position_based(paths, ones(paths))) == pytest.approx(
        {"ads": 0.4, "call": 0.4, "email": 0.1, "on_site": 0.1}
    )


def test_position_gives_each_of_two_touches_half() -> None:
    paths = paths_of(["ads > email"])
    assert named(paths, position_based(paths, ones(paths))) == {"ads": 0.5, "email": 0.5}


def test_a_loop_gets_the_shares_of_all_its_places() -> None:
    paths = paths_of(["ads > email > ads"])
    assert named(paths, position_based(paths, ones(paths))) == pytest.approx({"ads": 0.8, "email": 0.2})


def test_a_touch_one_half_life_older_weighs_half() -> None:
    touches = Touches(("ads", "email"), np.zeros(2, np.int64), np.array([0, 7 * DAY_US]), np.array([0, 1]))
    paths = build_paths(
        touches, Conversions(np.zeros(1, np.int64), np.array([9 * DAY_US]), np.ones(1)), lookback_us=30 * DAY_US
    )
    credit = time_decay(paths, ones(paths), half_life_seconds=7 * DAY_SECONDS)
    assert named(paths, credit) == pytest.approx({"ads": 1 / 3, "email": 2 / 3})


def test_time_decay_shares_out_although_all_touches_are_ages_old() -> None:
    touches = Touches(("ads", "email"), np.zeros(2, np.int64), np.array([0, HOUR_US]), np.array([0, 1]))
    paths = build_paths(
        touches, Conversions(np.zeros(1, np.int64), np.array([29 * DAY_US]), np.ones(1)), lookback_us=30 * DAY_US
    )
    assert named(paths, time_decay(paths, ones(paths), half_life_seconds=60.0)) == pytest.approx(
        {"ads": 2.0**-60, "email": 1.0}
    )


def test_rules_share_out_what_conversions_are_worth() -> None:
    paths = paths_of(["ads > email", "email"], value=[10.0, 5.0])
    assert named(paths, linear(paths, paths.value)) == {"ads": 5.0, "email": 10.0}


def test_paths_without_a_conversion_are_of_no_account() -> None:
    with_them, without = paths_of(["ads > email"], ["call", "ads > call"]), paths_of(["ads > email"])
    for rule in (first_touch, last_touch, linear, position_based):
        credit = named(with_them, rule(with_them, ones(with_them)))
        assert credit == {**named(without, rule(without, ones(without))), "call": 0.0}


@settings(max_examples=60, deadline=None)
@given(written_paths, written_paths)
def test_every_rule_shares_out_each_path_with_a_touch_once(converted: list[str], others: list[str]) -> None:
    paths = paths_of(converted, others)
    touched = sum(bool(path) for path in converted)
    for credit in (
        *(rule(paths, ones(paths)) for rule in (first_touch, last_touch, linear, position_based)),
        time_decay(paths, ones(paths), half_life_seconds=3_600.0),
    ):
        assert credit.sum() == pytest.approx(touched)
        assert (credit >= 0).all()


def test_first_last_and_linear_are_what_sql_finds() -> None:
    source = np.random.default_rng(5)
    person = np.sort(source.integers(0, 300, 2_000))
    at = source.integers(0, 60 * DAY_US, 2_000)
    order = np.lexsort((at, person))
    touches = Touches(CHANNELS, person[order], at[order], source.integers(0, 4, 2_000)[order])
    reached = Conversions(source.integers(0, 320, 400), source.integers(0, 60 * DAY_US, 400), np.ones(400))
    paths = build_paths(touches, reached, lookback_us=30 * DAY_US)
    with duckdb.connect() as connection:
        for name, columns in {
            "touches": {"person": touches.person, "at": touches.at_us, "channel": touches.channel},
            "reached": {"number": np.arange(400), "person": reached.person, "at": reached.at_us},
        }.items():
            frame = __import__("pandas").DataFrame(columns)
            connection.register(name, frame)
        rows = connection.execute(f"""
            WITH path AS (
                SELECT channel, row_number() OVER (PARTITION BY number ORDER BY t.at) AS place,
                    count(*) OVER (PARTITION BY number) AS length
                FROM reached r JOIN touches t ON t.person = r.person AND t.at BETWEEN r.at - {30 * DAY_US} AND r.at
            )
            SELECT sum((place = 1)::INT), sum((place = length)::INT), sum(1 / length) FROM path
            GROUP BY channel ORDER BY channel
        """).fetchall()
    for column, rule in enumerate((first_touch, last_touch, linear)):
        assert rule(paths, np.ones(400)) == pytest.approx([row[column] for row in rows])
