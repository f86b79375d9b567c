"""Which entries figures open, each once."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import BEGIN, SHOP, MadeSession, write_facts
from made_tactics import DAY_US, NOW_US, tactic

from insights.facts import Facts
from insights.opportunities import find_opportunities
from insights.playbook.change import keep_tactic
from insights.playbook.propose import (
    RENEWED_DAYS,
    from_alarms,
    from_opportunities,
    keep_proposals,
    new_entries,
    renewed_drafts,
    with_proposals,
)
from storage.database import database_url, open_database
from storage.playbook import Draft, Tactic, TacticStatus
from storage.playbook_store import PlaybookStore
from storage.record_store import load_records
from storage.records import Alarm, AlarmStatus, OpportunityStatus, Records

PAYMENT = 5
ALARM = Alarm(
    id="a1",
    stage="payment",
    cohort=None,
    direction="rise",
    since_us=1,
    detected_us=2,
    rate_before=0.2,
    rate_after=0.4,
    ratio=2.0,
    ratio_low=1.5,
    ratio_high=2.5,
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Four weeks: 40 a week left at the payment for it, 30 of them on a phone, 10 for trust, 40 that pay there."""
    week = [
        *[MadeSession(PAYMENT, device="mobile", confidences={"payment": 0.5})] * 30,
        *[MadeSession(PAYMENT, device="desktop", confidences={"payment": 0.5})] * 10,
        *[MadeSession(PAYMENT, device="desktop", confidences={"trust": 0.6})] * 10,
        *[MadeSession(PAYMENT, "goal", device="desktop", value=50.0)] * 20,
        *[MadeSession(PAYMENT, "goal", device="mobile", value=50.0)] * 20,
    ]
    days = [BEGIN + timedelta(days=day) for day in range(28)]
    made = [replace(one, visitor=f"v{n}", started_at=days[n % 28]) for n, one in enumerate(week * 4)]
    return write_facts(tmp_path_factory.mktemp("facts"), made)


def proposed(facts: Facts, *statuses: OpportunityStatus) -> list[Tactic]:
    records = Records(opportunity_statuses=statuses)
    return from_opportunities(SHOP, find_opportunities(SHOP, facts, records=records), NOW_US)


def alarmed(facts: Facts, alarm: Alarm) -> list[Tactic]:
    return from_alarms(SHOP, facts, [alarm], find_opportunities(SHOP, facts), NOW_US)


def test_an_opportunity_proposes_its_plan_with_the_drafted_experiment(facts: Facts) -> None:
    found = {one.source: one for one in proposed(facts)}
    one = found["opportunity payment.payment"]
    assert one.key == ("payment", "payment", "", "other_payment")
    plan = next(item.plan for item in find_opportunities(SHOP, facts).ranked if item.id == "payment.payment")
    assert plan is not None
    assert one.draft is not None
    assert plan.proposal.size is not None
    size = plan.proposal.size
    # Worked out in the tests of opportunities: 93 an arm, 186 people, 35 days.
    drafted = (one.draft.per_arm, one.draft.people, one.draft.days)
    assert drafted == (93, 186, 35) == (size.per_arm, size.total, size.days)
    assert one.draft.hypothesis == plan.proposal.hypothesis
    assert (one.status, one.owner) == (TacticStatus.PROPOSED, "Payments")


@pytest.mark.parametrize(
    ("status", "opens"), [("accepted", True), ("testing", True), ("done", False), ("dismissed", False)]
)
def test_what_people_have_decided_on_otherwise_proposes_nothing(facts: Facts, status: str, opens: bool) -> None:
    decided = OpportunityStatus(1, "payment.payment", status, "", "Ann", 1)
    sources = [one.source for one in proposed(facts, decided)]
    assert ("opportunity payment.payment" in sources) is opens


def test_an_open_alarm_of_more_exits_proposes_the_blocker_that_rose_most(facts: Facts) -> None:
    [one] = alarmed(facts, ALARM)
    assert (one.blocker, one.stage, one.source) == ("payment", "payment", "alarm a1")
    moved = {"moved": [{"kind": "blocker", "name": "trust", "before": 0.01, "after": 0.2}]}
    assert [one.blocker for one in alarmed(facts, replace(ALARM, details=moved))] == ["trust"]
    assert alarmed(facts, replace(ALARM, direction="fall")) == []
    assert alarmed(facts, replace(ALARM, status=AlarmStatus.CLOSED)) == []
    assert alarmed(facts, replace(ALARM, stage="browse")) == []


def test_an_alarm_of_a_cohort_proposes_a_tactic_for_it(facts: Facts) -> None:
    [one] = alarmed(facts, replace(ALARM, cohort="device=mobile"))
    assert one.audience == "device=mobile"
    assert one.draft is not None
    assert "(device mobile)" in one.draft.hypothesis
    assert alarmed(facts, replace(ALARM, cohort="device=watch")) == []


def test_looking_again_opens_nothing_and_what_was_retired_stays_retired(facts: Facts, tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path))
    try:
        opened = keep_proposals(engine, SHOP, facts, Records(alarms=(ALARM,)), now_us=NOW_US)
        assert {one.source.split()[0] for one in opened} == {"opportunity", "alarm"}
        assert keep_proposals(engine, SHOP, facts, Records(alarms=(ALARM,)), now_us=NOW_US + DAY_US) == ()
        for one in opened:
            name = f"{one.stage}.{one.blocker}.{one.intervention}" + (f".{one.audience}" if one.audience else "")
            keep_tactic(engine, SHOP, name, status="retired", reason="no", author="Ann")
        assert keep_proposals(engine, SHOP, facts, load_records(engine, SHOP.name), now_us=NOW_US) == ()
        kept = PlaybookStore(engine, SHOP.name).tactics()
        assert len(kept) == len(opened)
        assert {one.status for one in kept} == {TacticStatus.RETIRED}
    finally:
        engine.dispose()


SOURCES = st.sampled_from(["opportunity a", "opportunity b", "alarm c"])
ENTRIES = st.builds(
    lambda source, blocker, status: tactic(source=source, blocker=blocker, status=status),
    SOURCES,
    st.sampled_from(["form", "price", "trust"]),
    st.sampled_from([TacticStatus.PROPOSED]),
)
KNOWN = st.lists(
    st.builds(
        lambda source, blocker, status: tactic(source=source, blocker=blocker, status=status),
        SOURCES,
        st.sampled_from(["form", "price", "trust"]),
        st.sampled_from(list(TacticStatus)),
    ),
    max_size=4,
    unique_by=lambda one: one.key,
)


@given(KNOWN, st.lists(ENTRIES, max_size=6))
def test_the_same_figures_open_each_entry_once_and_nothing_that_is_there(
    known: Sequence[Tactic], figures: Sequence[Tactic]
) -> None:
    opened = new_entries(known, figures)
    assert new_entries([*known, *opened], figures) == []
    keys = [one.key for one in opened]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {one.key for one in known}
    sources = [one.source for one in opened]
    assert len(set(sources)) == len(sources)
    alive = {one.source for one in known if one.status is not TacticStatus.RETIRED}
    assert not alive & set(sources)


@pytest.mark.parametrize(("days", "renewed"), [(RENEWED_DAYS - 1, False), (RENEWED_DAYS, True)])
def test_a_draft_that_has_waited_is_drafted_anew(days: int, renewed: bool) -> None:
    old = Draft("Old.", "goal", 1, 2, 3, "", NOW_US - days * DAY_US)
    new = replace(old, hypothesis="New.", drafted_us=NOW_US)
    waiting = tactic(draft=old)
    found = renewed_drafts([waiting], [tactic(draft=new)], NOW_US)
    assert [one.draft for one in found] == ([new] if renewed else [])
    tested = replace(waiting, status=TacticStatus.TESTING)
    assert renewed_drafts([tested], [tactic(draft=new)], NOW_US) == []


def test_an_empty_playbook_shows_what_would_be_opened(facts: Facts) -> None:
    shown = with_proposals(Records(), facts, SHOP)
    assert [one.source for one in shown.tactics] == [one.source for one in new_entries((), proposed(facts))]
    kept = Records(tactics=(tactic(),))
    assert with_proposals(kept, facts, SHOP) is kept
