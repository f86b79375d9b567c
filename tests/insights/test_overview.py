"""The overview's figures against sessions made by hand."""

import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_facts import BEGIN, SHOP, MadeSession, write_facts
from scipy.stats import norm

from insights.cohorts import describe_cohorts
from insights.filters import Filters
from insights.overview import look_over, period_before
from insights.pages.figure import View
from insights.pages.overview import page
from insights.stages import count_stages

FIRST, LAST = date(2026, 6, 1), date(2026, 6, 14)
DAY = timedelta(days=1)


def made() -> list[MadeSession]:
    """Ten sessions on the first Monday, ten a week later: 2 and 4 goals, 1 open each; the rest are abandoned."""
    sessions = []
    for week, goals in enumerate((2, 4)):
        at = BEGIN + 7 * week * DAY
        sessions += [MadeSession(5, "goal", value=50.0 + week, started_at=at, device="mobile") for _ in range(goals)]
        sessions += [MadeSession(1, "open", started_at=at)]
        left = 9 - goals
        sessions += [
            MadeSession(2, confidences={"PAYMENT": 0.5, "SHIPPING": 0.25}, started_at=at, device="desktop")
            for _ in range(left)
        ]
    return sessions


def test_totals_are_counted_over_sessions_with_an_end_and_compared_with_as_many_days_before(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", made())
    found = look_over(SHOP, facts, Filters(since=date(2026, 6, 8)), first=FIRST, last=LAST)
    assert (found.now.sessions, found.now.ended, found.now.goals, found.now.abandoned) == (10, 9, 4, 5)
    assert found.now.revenue == 4 * 51
    assert found.before is not None
    assert (found.before.sessions, found.before.goals, found.before.revenue) == (10, 2, 100)
    assert found.now.conversion is not None
    # Wilson's interval at 95 % for 4 of 9, everybody with one session.
    z2, share = norm.ppf(0.975) ** 2, 4 / 9
    middle = (share + z2 / 18) / (1 + z2 / 9)
    half = (z2 * (share * (1 - share) / 9 + z2 / 324)) ** 0.5 / (1 + z2 / 9)
    assert found.now.conversion.value == share
    assert found.now.conversion.low == pytest.approx(middle - half)
    assert found.now.conversion.high == pytest.approx(middle + half)


def test_exits_are_those_abandoned_in_a_stage_among_all_that_reached_it_and_are_not_there_still(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", made())
    found = look_over(SHOP, facts, Filters(), first=FIRST, last=LAST)
    assert [(one.stage, one.sessions, one.exits) for one in found.stages] == [
        ("browse", 20, 0),
        # Two sessions are still at the product.
        ("product", 18, 0),
        ("cart", 18, 12),
        ("checkout", 6, 0),
        ("address", 6, 0),
        ("payment", 6, 0),
    ]


def test_people_expected_to_have_left_for_a_friction_are_the_sum_of_its_probabilities(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", made())
    payment, shipping = look_over(SHOP, facts, Filters(), first=FIRST, last=LAST).blockers
    assert (payment.friction, payment.people.value, payment.share) == ("PAYMENT", 6.0, 0.5)
    assert (shipping.friction, shipping.people.value) == ("SHIPPING", 3.0)
    assert payment.people.low < 6 < payment.people.high


def test_somebody_with_many_sessions_makes_the_interval_wider(tmp_path: Path) -> None:
    alone = [MadeSession(5, "goal" if number < 30 else "abandoned", visitor=f"v{number}") for number in range(60)]
    again = [MadeSession(5, "goal" if number < 30 else "abandoned", visitor=f"v{number // 6}") for number in range(60)]
    widths = []
    for name, sessions in (("alone", alone), ("again", again)):
        found = look_over(SHOP, write_facts(tmp_path / name, sessions), Filters(), first=FIRST, last=LAST)
        assert found.now.conversion is not None
        assert found.now.conversion.value == 0.5
        widths.append(found.now.conversion.high - found.now.conversion.low)
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.parametrize(
    ("filters", "before"),
    [
        (Filters(), None),
        (Filters(until=date(2026, 6, 8)), None),
        (Filters(since=date(2026, 6, 8)), (FIRST, date(2026, 6, 7))),
        (Filters(since=date(2026, 6, 8), until=date(2026, 6, 9)), (date(2026, 6, 6), date(2026, 6, 7))),
        # One day less than the log reaches back.
        (Filters(since=date(2026, 6, 7)), None),
    ],
)
def test_the_period_before_is_as_long_and_ends_where_the_chosen_one_begins(
    filters: Filters, before: tuple[date, date] | None
) -> None:
    found = period_before(filters, first=FIRST, last=LAST)
    assert (found and (found.since, found.until)) == before


def test_the_page_shows_what_the_overview_found_and_names_the_owner_of_the_worst_stage(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", made())
    shown = {figure.name: figure for figure in page(View(SHOP, facts)).figures}
    assert shown["sessions"].table.column("sessions") == (20,)
    assert shown["conversion"].table.column("conversion") == (6 / 18,)
    assert shown["revenue"].table.column("revenue") == (304.0,)
    assert shown["stages"].table.column("exits") == (0, 0, 12, 0, 0, 0)
    assert shown["days"].table.column("day") == ("2026-06-01", "2026-06-08")
    assert shown["open_alarms"].table.column("open_alarms") == (0,)
    said = shown["next"].table.column("sentence")
    assert said[0] == (
        "Start at the stage cart: 12 sessions ended there, 66.7% of those that stood in it. "
        "Shop experience owns the stage."
    )
    assert "about 6 abandoned sessions (50.0%)" in str(said[1])


def test_a_journey_without_a_session_has_an_overview_that_says_so(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", [])
    shown = {figure.name: figure for figure in page(View(SHOP, facts)).figures}
    assert shown["sessions"].table.rows[0][0] == 0
    assert shown["conversion"].table.rows[0][0] is None
    assert shown["next"].table.rows == ()


def test_a_stage_has_the_same_exits_in_the_overview_in_the_funnel_and_over_all_cohorts(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", made())
    overview = [
        (one.stage, one.sessions, one.exits) for one in look_over(SHOP, facts, Filters(), first=FIRST, last=LAST).stages
    ]
    with facts.connect() as connection:
        funnel = [(one.stage, one.reached - one.open, one.exited) for one in count_stages(SHOP, connection)]
    everybody = describe_cohorts(facts, SHOP, "visitor_kind", least=0).cohorts[0]
    assert overview == funnel == [(one.stage, one.reached, one.exits) for one in everybody.stages]
