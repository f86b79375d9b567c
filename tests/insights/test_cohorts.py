import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from made_facts import BEGIN, SHOP, MadeSession, write_facts
from scipy import stats

from insights.cohort_pairs import Chosen, compare_cohorts
from insights.cohort_sums import set_cohorts, sum_cohorts
from insights.cohorts import CohortError, Cohorts, describe_cohorts
from insights.comparisons import Correction
from insights.filters import Filters
from insights.sums import Sums

PAYMENT = 5


def many(count: int, session: MadeSession) -> list[MadeSession]:
    return [session] * count


def named(cohorts: Cohorts) -> dict[str | None, int]:
    return {cohort.value: cohort.sessions for cohort in cohorts.cohorts}


@pytest.fixture
def shop() -> list[MadeSession]:
    """100 sessions of as many visitors: 60 with a phone, of which 6 buy, and 40 at a desk, of which 10 buy."""
    phone, desk = MadeSession(device="phone"), MadeSession(device="desk")
    buys = {"stage": PAYMENT, "outcome": "goal"}
    return [
        *many(34, phone),
        *many(20, replace(phone, stage=1, dwell=(4, 30))),
        *many(6, replace(phone, **buys, value=20.0)),
        *many(30, replace(desk, stage=1)),
        *many(10, replace(desk, **buys, value=50.0)),
    ]


def test_a_cohort_has_the_counts_and_rates_that_are_counted_by_hand(tmp_path: Path, shop: list[MadeSession]) -> None:
    found = describe_cohorts(write_facts(tmp_path, shop), SHOP, "device")
    phone, desk = found.cohorts
    assert (found.sessions, found.visitors, found.hidden, found.hidden_sessions) == (100, 100, 0, 0)
    assert [(one.value, one.sessions, one.visitors) for one in (phone, desk)] == [("phone", 60, 60), ("desk", 40, 40)]
    for cohort, hits, count in ((phone, 6, 60), (desk, 10, 40)):
        wanted = stats.binomtest(hits, count).proportion_ci(method="wilson")
        assert cohort.conversion is not None
        assert cohort.conversion.value == hits / count
        assert (cohort.conversion.low, cohort.conversion.high) == pytest.approx((wanted.low, wanted.high))
        assert cohort.abandonment is not None
        assert cohort.abandonment.value == 1 - hits / count
    assert phone.share.value == 0.6
    assert phone.revenue is not None
    assert phone.revenue.value == 6 * 20 / 60
    values = [20.0] * 6 + [0.0] * 54
    wanted = stats.ttest_1samp(values, 0).confidence_interval()
    assert (phone.revenue.low, phone.revenue.high) == pytest.approx((wanted.low, wanted.high))


def test_a_stage_has_those_who_reached_it_and_the_exits_among_them(tmp_path: Path, shop: list[MadeSession]) -> None:
    found = describe_cohorts(write_facts(tmp_path, shop), SHOP, "device", least=0)
    phone = found.cohorts[0]
    assert [(stage.stage, stage.reached, stage.exits) for stage in phone.stages] == [
        ("browse", 60, 34),
        ("product", 26, 20),
        ("cart", 6, 0),
        ("checkout", 6, 0),
        ("address", 6, 0),
        ("payment", 6, 0),
    ]
    assert phone.stages[1].exit_rate is not None
    assert phone.stages[1].exit_rate.value == 20 / 26
    # In the product stage 20 stayed for 30 seconds and 6 for 10.
    assert phone.stages[1].dwell is not None
    assert phone.stages[1].dwell.value == 30


def test_each_cohort_is_compared_with_all_others_and_corrected_over_the_whole_table(
    tmp_path: Path, shop: list[MadeSession]
) -> None:
    found = describe_cohorts(write_facts(tmp_path, shop), SHOP, "device")
    by_name = {(one.kind, one.label, one.one): one for one in found.against_rest}
    # Stages from the cart on were reached by 6 and 10: too few to be shown, and that tells of the exits before.
    assert set(by_name) == {
        (kind, label, device)
        for kind, label in (("conversion", ""), ("revenue", ""), ("exit", "browse"))
        for device in ("phone", "desk")
    }
    one = by_name["conversion", "", "phone"]
    assert one.difference.value == pytest.approx(6 / 60 - 10 / 40)
    assert one.ratio is not None
    wanted = stats.contingency.relative_risk(6, 60, 10, 40)
    assert (one.ratio.value, one.ratio.low) == pytest.approx((wanted.relative_risk, wanted.confidence_interval().low))
    assert one.p_value == pytest.approx(stats.chi2_contingency([[6, 54], [10, 30]], correction=False).pvalue)
    raw = [each.p_value for each in found.against_rest]
    assert [each.adjusted for each in found.against_rest] == pytest.approx(stats.false_discovery_control(raw))
    every = describe_cohorts(write_facts(tmp_path, shop), SHOP, "device", correction=Correction.EVERY)
    assert min(each.adjusted or 0 for each in every.against_rest) == pytest.approx(6 * min(p or 0 for p in raw))


def test_sessions_still_open_count_as_sessions_and_have_no_rate(tmp_path: Path) -> None:
    phone = MadeSession(device="phone")
    sessions = [*many(30, phone), *many(10, replace(phone, outcome="open", stage=1))]
    cohort = describe_cohorts(write_facts(tmp_path, sessions), SHOP, "device", least=0).cohorts[0]
    assert cohort.sessions == 40
    assert cohort.abandonment is not None
    assert cohort.abandonment.value == 1.0
    # The ten have gone on from browse, and nobody knows yet what becomes of them at the product.
    assert [(stage.reached, stage.exits) for stage in cohort.stages[:2]] == [(40, 30), (0, 0)]


@dataclass(frozen=True)
class Row:
    visitor: str
    cohort: str | None
    n: float
    y: float


def added_up(rows: Iterable[Row], keeps: Callable[[Row], bool]) -> Sums:
    counts: dict[str, float] = defaultdict(float)
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        if keeps(row):
            counts[row.visitor] += row.n
            totals[row.visitor] += row.y
    return Sums(
        len(counts),
        round(sum(counts.values())),
        sum(totals.values()),
        sum(n * n for n in counts.values()),
        sum(y * y for y in totals.values()),
        sum(counts[v] * totals[v] for v in counts),
    )


def test_sums_of_a_cohort_and_of_the_rest_are_those_added_up_visitor_by_visitor(tmp_path: Path) -> None:
    chance = random.Random(4)
    sessions = [
        MadeSession(
            visitor=f"v{chance.randrange(40)}",
            device=chance.choice(["phone", "desk", "tv", None]),
            stage=chance.randrange(-1, 6),
            outcome=chance.choice(["abandoned", "abandoned", "competing", "open"]),
        )
        for _ in range(150)
    ]
    sessions += [
        MadeSession(visitor=f"v{number}", device="phone", stage=PAYMENT, outcome="goal", value=float(number))
        for number in range(25)
    ]
    with write_facts(tmp_path, sessions).connect() as connection:
        set_cohorts(connection, "device")
        found = sum_cohorts(connection)
    ended = [one for one in sessions if one.outcome != "open"]
    wanted = {
        ("conversion", ""): [Row(one.visitor, one.device, 1, one.outcome == "goal") for one in ended],
        ("abandonment", ""): [Row(one.visitor, one.device, 1, one.outcome == "abandoned") for one in ended],
        ("revenue", ""): [Row(one.visitor, one.device, 1, one.value or 0.0) for one in ended],
    }
    for stage in range(6):
        wanted["exit", str(stage)] = [
            Row(one.visitor, one.device, 1, one.stage == stage and one.outcome == "abandoned")
            for one in sessions
            if one.stage > stage or (one.stage == stage and one.outcome != "open")
        ]
    assert set(found) == set(wanted)
    for key, rows in wanted.items():
        for cohort in {row.cohort for row in rows}:
            pair = found[key][cohort]
            assert pair.own == added_up(rows, lambda row, cohort=cohort: row.cohort == cohort), key
            assert pair.rest == added_up(rows, lambda row, cohort=cohort: row.cohort != cohort), key


def test_a_visitor_with_many_sessions_widens_the_interval(tmp_path: Path) -> None:
    def sessions(visitor: Callable[[int], str]) -> list[MadeSession]:
        return [
            MadeSession(device="phone", visitor=visitor(number), outcome="goal" if number % 4 == 0 else "abandoned")
            for number in range(160)
        ]

    alone = describe_cohorts(write_facts(tmp_path / "a", sessions(lambda n: f"v{n}")), SHOP, "device").cohorts[0]
    # Always the same four sessions of one person end alike.
    shared = describe_cohorts(write_facts(tmp_path / "b", sessions(lambda n: f"v{n % 40}")), SHOP, "device").cohorts[0]
    assert (alone.visitors, shared.visitors) == (160, 40)
    assert alone.conversion is not None
    assert shared.conversion is not None
    assert alone.conversion.value == shared.conversion.value == 0.25
    wanted = stats.binomtest(10, 40).proportion_ci(method="wilson")
    assert (shared.conversion.low, shared.conversion.high) == pytest.approx((wanted.low, wanted.high))


def test_a_small_cohort_and_the_one_that_would_tell_of_it_are_hidden(tmp_path: Path, shop: list[MadeSession]) -> None:
    tv = many(5, MadeSession(device="tv"))
    tablet = many(90, MadeSession(device="tablet"))
    found = describe_cohorts(write_facts(tmp_path, [*shop, *tv, *tablet]), SHOP, "device")
    assert named(found) == {"tablet": 90, "phone": 60}
    assert (found.sessions, found.hidden, found.hidden_sessions) == (195, 2, 45)
    assert all(one.one in ("tablet", "phone") for one in found.against_rest)
    everything = describe_cohorts(write_facts(tmp_path, [*shop, *tv, *tablet]), SHOP, "device", least=5)
    assert named(everything) == {"tablet": 90, "phone": 60, "desk": 40, "tv": 5}


def test_twenty_visitors_are_shown_and_many_sessions_of_nineteen_are_not(tmp_path: Path) -> None:
    def of(visitors: int, device: str) -> list[MadeSession]:
        return [MadeSession(device=device, visitor=f"{device}{number % visitors}") for number in range(57)]

    found = describe_cohorts(write_facts(tmp_path, [*of(19, "a"), *of(20, "b"), *of(40, "c")]), SHOP, "device")
    assert named(found) == {"c": 57}
    found = describe_cohorts(write_facts(tmp_path, [*of(20, "a"), *of(20, "b"), *of(40, "c")]), SHOP, "device")
    assert named(found) == {"a": 57, "b": 57, "c": 57}


def test_a_stage_that_few_reached_is_hidden_together_with_the_exits_before_it(tmp_path: Path) -> None:
    phone, desk = MadeSession(device="phone"), MadeSession(device="desk")
    sessions = [
        *many(50, phone),
        *many(40, replace(phone, stage=1)),
        *many(8, replace(phone, stage=2)),
        *many(50, desk),
        *many(60, replace(desk, stage=1)),
        *many(70, replace(desk, stage=2)),
    ]
    found = {
        cohort.value: cohort.stages
        for cohort in describe_cohorts(write_facts(tmp_path, sessions), SHOP, "device").cohorts
    }
    # Eight with a phone put something into the cart; the 70 at a desk would tell, and so would the exits before.
    assert [(stage.reached, stage.exits) for stage in found["phone"][:4]] == [
        (98, 50),
        (48, None),
        (None, None),
        (0, 0),
    ]
    assert [(stage.reached, stage.exits) for stage in found["desk"][:4]] == [
        (180, 50),
        (130, None),
        (None, None),
        (0, 0),
    ]


def test_filters_choose_the_sessions_that_cohorts_are_made_of(tmp_path: Path, shop: list[MadeSession]) -> None:
    later = [replace(one, started_at=BEGIN + timedelta(days=7)) for one in shop[:50]]
    found = describe_cohorts(
        write_facts(tmp_path, [*shop, *later]), SHOP, "device", Filters(since=date(2026, 6, 8)), least=0
    )
    assert named(found) == {"phone": 50}


def test_cohorts_of_a_blocker_have_no_conversion_and_a_share_of_the_exits(tmp_path: Path) -> None:
    price = MadeSession(stage=1, device="phone", confidences={"price": 0.5, "trust": 0.2})
    trust = MadeSession(stage=3, device="desk", confidences={"trust": 0.4})
    buys = MadeSession(stage=PAYMENT, outcome="goal", device="phone")
    sessions = [*many(60, price), *many(30, trust), *many(30, MadeSession(stage=1, device="desk")), *many(200, buys)]
    found = describe_cohorts(write_facts(tmp_path, sessions), SHOP, "blocker")
    assert found.is_ending
    assert found.sessions == 120
    assert {cohort.value: cohort.share.value for cohort in found.cohorts} == {"price": 0.5, "trust": 0.25, None: 0.25}
    for cohort in found.cohorts:
        assert cohort.conversion is None
        assert cohort.revenue is None
        assert cohort.stages == ()
    mix = {(one.kind, one.label): one.share for one in found.cohorts[0].mix}
    assert mix["stage", "product"] is not None
    assert mix["stage", "product"].value == 1.0
    assert mix["stage", "checkout"] is not None
    assert mix["stage", "checkout"].value == 0.0
    assert mix["device", "desk"] is not None
    assert mix["device", "desk"].value == 0.0
    assert {one.kind for one in found.against_rest} == {"stage", "device", "visitor_kind"}


def test_the_top_blocker_is_the_one_with_most_expected_exits(tmp_path: Path) -> None:
    price = MadeSession(device="phone", confidences={"price": 0.5, "trust": 0.4})
    trust = MadeSession(device="phone", confidences={"trust": 0.4})
    sessions = [*many(20, price), *many(20, trust), *many(10, MadeSession(device="desk"))]
    cohort = describe_cohorts(write_facts(tmp_path, sessions), SHOP, "device", least=0).cohorts[0]
    assert cohort.blocker is not None
    # 40 times .4 against 20 times .5.
    assert cohort.blocker.friction == "trust"
    assert cohort.blocker.expected.value == pytest.approx(16)
    assert cohort.blocker.share_of_exits == pytest.approx(0.4)
    assert (cohort.blocker.expected.low, cohort.blocker.expected.high) == (
        stats.binom.ppf(0.025, 40, 0.4),
        stats.binom.ppf(0.975, 40, 0.4),
    )


def test_the_median_of_a_session_has_the_interval_of_the_sign_test(tmp_path: Path) -> None:
    seconds = [float(value) for value in np.random.default_rng(1).integers(1, 5000, 101)]
    sessions = [MadeSession(device="phone", dwell=(value,)) for value in seconds]
    cohort = describe_cohorts(write_facts(tmp_path, sessions), SHOP, "device").cohorts[0]
    wanted = stats.quantile_test(seconds, q=1.0, p=0.5).confidence_interval()
    assert cohort.seconds is not None
    assert (cohort.seconds.value, cohort.seconds.low, cohort.seconds.high) == (
        np.median(seconds),
        wanted.low,
        wanted.high,
    )


def test_an_unknown_dimension_is_refused_with_those_that_there_are(tmp_path: Path, shop: list[MadeSession]) -> None:
    with pytest.raises(CohortError, match=r"cannot be told apart by 'size'; there is visitor_kind, .*country"):
        describe_cohorts(write_facts(tmp_path, shop), SHOP, "size")


def test_two_cohorts_are_compared_in_every_figure(tmp_path: Path, shop: list[MadeSession]) -> None:
    facts = write_facts(tmp_path, shop)
    found = compare_cohorts(facts, SHOP, Chosen("device", "phone"), Chosen("device", "desk"))
    assert (found.sessions, found.visitors, found.in_both) == ((60, 40), (60, 40), 0)
    by_kind = {(one.kind, one.label): one for one in found.contrasts}
    assert set(by_kind) == {
        ("conversion", ""),
        ("revenue", ""),
        ("exit", "browse"),
        ("seconds", ""),
    }
    assert by_kind["exit", "browse"].of_one.value == 34 / 60
    assert by_kind["exit", "browse"].of_other.value == 0
    # Only 6 and 10 reached the cart; the exits from the product would tell that.
    everything = compare_cohorts(facts, SHOP, Chosen("device", "phone"), Chosen("device", "desk"), least=0)
    exits = {one.label: (one.of_one.value, one.of_other.value) for one in everything.contrasts if one.kind == "exit"}
    assert exits["product"] == (20 / 26, 30 / 40)
    assert len(exits) == 6
    means = [20.0] * 6 + [0.0] * 54, [50.0] * 10 + [0.0] * 30
    welch = stats.ttest_ind(*means, equal_var=False)
    revenue = by_kind["revenue", ""]
    assert revenue.p_value == pytest.approx(welch.pvalue)
    assert (revenue.difference.low, revenue.difference.high) == pytest.approx(tuple(welch.confidence_interval()))
    # Sessions last 10, 34 or 60 seconds with a phone, 20 or 60 at a desk: 20 is the common median.
    middle = stats.median_test([10] * 34 + [34] * 20 + [60] * 6, [20] * 30 + [60] * 10, correction=False, ties="below")
    assert by_kind["seconds", ""].p_value == pytest.approx(middle.pvalue)


def test_sessions_in_both_cohorts_are_left_out_and_counted(tmp_path: Path) -> None:
    both = MadeSession(device="phone", source="ads", outcome="goal", stage=PAYMENT)
    sessions = [
        *many(25, both),
        *many(30, MadeSession(device="phone", source="search")),
        *many(35, MadeSession(device="desk", source="ads")),
    ]
    found = compare_cohorts(write_facts(tmp_path, sessions), SHOP, Chosen("device", "phone"), Chosen("source", "ads"))
    assert (found.sessions, found.in_both) == ((30, 35), 25)
    assert {one.kind: one.of_one.value for one in found.contrasts}["conversion"] == 0


def test_cohorts_of_an_ending_are_compared_by_their_exits(tmp_path: Path) -> None:
    sessions = [
        *many(60, MadeSession(stage=1, device="phone", confidences={"price": 0.5})),
        *many(40, MadeSession(stage=3, device="phone", confidences={"trust": 0.5})),
        *many(99, MadeSession(stage=PAYMENT, outcome="goal")),
    ]
    found = compare_cohorts(
        write_facts(tmp_path, sessions), SHOP, Chosen("blocker", "price"), Chosen("blocker", "trust")
    )
    assert found.is_of_exits
    assert found.sessions == (60, 40)
    assert {one.kind for one in found.contrasts} == {"stage", "device", "visitor_kind", "seconds"}
    stage = {one.label: (one.of_one.value, one.of_other.value) for one in found.contrasts if one.kind == "stage"}
    assert stage == {"product": (1, 0), "checkout": (0, 1)}


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (("device", "tv"), ("device", "desk"), "there is no cohort device=tv, or one with too few visitors"),
        (("device", "phone"), ("device", "phone"), "is one cohort; name two"),
        (("device", "phone"), ("visitor_kind", "new"), "nearly the same: fewer than 20 visitors part them"),
    ],
)
def test_cohorts_that_cannot_be_compared_are_refused(
    tmp_path: Path, shop: list[MadeSession], one: tuple[str, str], other: tuple[str, str], told: str
) -> None:
    facts = write_facts(tmp_path, [*shop, MadeSession(device="tv"), *many(40, MadeSession(device="pad"))])
    with pytest.raises(CohortError, match=told):
        compare_cohorts(facts, SHOP, Chosen(*one), Chosen(*other))


def test_a_cohort_is_read_as_dimension_and_value() -> None:
    assert Chosen.parse("device=phone", SHOP) == Chosen("device", "phone")
    assert Chosen.parse("campaign=", SHOP) == Chosen("campaign", None)
    assert str(Chosen("campaign", None)) == "campaign=not known"
    with pytest.raises(CohortError, match="write it like device=mobile"):
        Chosen.parse("phone", SHOP)


def test_a_cohort_with_a_quote_in_its_name_is_just_a_name(tmp_path: Path) -> None:
    odd = "o'hare\"; DROP"
    sessions = [*many(30, MadeSession(campaign=odd)), *many(30, MadeSession(campaign="plain"))]
    facts = write_facts(tmp_path, sessions)
    assert compare_cohorts(facts, SHOP, Chosen("campaign", odd), Chosen("campaign", "plain")).sessions == (30, 30)
