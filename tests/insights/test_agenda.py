"""The agenda of a review: made sessions and records, and every point that they come to."""

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import NormalDist

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_facts import SHOP, MadeSession, write_facts

from insights.agenda import Agenda, Item, last_review, write_agenda
from insights.audit_words import erasures_of, say_change, say_entry
from insights.facts import Facts
from insights.filters import Filters
from insights.milestones import state_of, today_of
from insights.moves import moves_between
from insights.opportunities import find_opportunities
from insights.owners import owners_of, without_owner
from insights.pages.figure import View
from insights.pages.governance import page
from storage.audit import AuditEntry, visitor_subject
from storage.records import Alarm, AlarmStatus, Annotation, AnnotationKind, Milestone, OpportunityStatus, Records

MONDAY = datetime(2026, 6, 1, 10, tzinfo=UTC)
DAYS = 14
LAST = (MONDAY + timedelta(DAYS - 1)).date()


def us(day: int, hour: int = 10) -> int:
    return int((MONDAY + timedelta(days=day, hours=hour - 10)).timestamp()) * 1_000_000


NOW_US = us(DAYS - 1, 20)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Two weeks of 40 sessions a day; 10 a day leave with a basket in the first, 30 in the second, and the rest buy."""
    sessions = []
    for day in range(DAYS):
        for number in range(40):
            leaves = number < (10 if day < 7 else 30)
            sessions.append(
                MadeSession(
                    stage=2,
                    outcome="abandoned" if leaves else "goal",
                    channel="on_site" if number % 2 else "kiosk",
                    started_at=MONDAY + timedelta(days=day, minutes=10 * number),
                )
            )
    return write_facts(tmp_path_factory.mktemp("facts"), sessions)


def points(agenda: Agenda, title: str) -> tuple[Item, ...]:
    (found,) = [section.items for section in agenda.sections if section.title == title]
    return found


ALARM = Alarm(
    id="a",
    stage="cart",
    cohort="device=mobile",
    direction="rise",
    since_us=us(7),
    detected_us=us(8),
    rate_before=0.25,
    rate_after=0.75,
    ratio=3.0,
    ratio_low=2.5,
    ratio_high=3.5,
)


def test_a_share_that_moved_stands_beside_the_one_of_as_many_days_before(facts: Facts) -> None:
    moves = {move.stage: move for move in moves_between(SHOP, facts, MONDAY.date() + timedelta(7), LAST)}
    goal, cart, browse = moves[None], moves["cart"], moves["browse"]
    # Of 280 sessions a week 70 left, then 210.
    assert (goal.now.value, goal.before.value) == (70 / 280, 210 / 280)
    assert (cart.now.value, cart.before.value, cart.difference.value) == (210 / 280, 70 / 280, 0.5)
    assert (browse.now.value, browse.before.value) == (0.0, 0.0)
    assert (goal.beyond_chance, cart.beyond_chance, browse.beyond_chance) == (True, True, False)
    # Wilson's interval of 210 of 280 and of 70 of 280, and their difference after Newcombe.
    z, n = NormalDist().inv_cdf(0.975), 280

    def wilson(p: float, sign: int) -> float:
        return (p + z * z / 2 / n + sign * z * (p * (1 - p) / n + z * z / 4 / n / n) ** 0.5) / (1 + z * z / n)

    below = ((0.75 - wilson(0.75, -1)) ** 2 + (wilson(0.25, 1) - 0.25) ** 2) ** 0.5
    assert cart.difference.low == pytest.approx(0.5 - below)


def test_nothing_moved_where_the_log_does_not_reach_back(facts: Facts) -> None:
    assert moves_between(SHOP, facts, MONDAY.date() + timedelta(5), LAST) == ()


def test_what_moved_is_told_with_who_owns_the_stage(facts: Facts) -> None:
    told = points(write_agenda(SHOP, Records(), facts, now_us=NOW_US), "What moved")
    cart = next(item for item in told if "Left at cart" in item.text)
    assert cart.text.startswith("Left at cart: 75.0%, before 25.0%; a difference of +50.0 points (95 % interval +")
    assert cart.who == next(stage.owner for stage in SHOP.stages if stage.name == "cart")
    assert told[-1].text == "No more exits or fewer than chance may bring at browse, product."


def test_an_agenda_begins_after_the_last_review_else_a_week_before(facts: Facts) -> None:
    assert write_agenda(SHOP, Records(), facts, now_us=NOW_US).since == LAST - timedelta(6)
    held = [
        AuditEntry(
            number, us(day), "ann", "hold review", "review", None, {"until": str(MONDAY.date() + timedelta(day))}
        )
        for number, day in enumerate((9, 4))
    ]
    records = Records(audit=tuple(held))
    assert last_review(records) == MONDAY.date() + timedelta(9)
    assert write_agenda(SHOP, records, facts, now_us=NOW_US).since == MONDAY.date() + timedelta(10)
    named = write_agenda(SHOP, records, facts, now_us=NOW_US, since=MONDAY.date())
    assert (named.since, named.until) == (MONDAY.date(), LAST)


def test_alarms_that_nobody_looks_after_ask_for_a_decision_of_the_stages_owner(facts: Facts) -> None:
    seen = Alarm(**{name: getattr(ALARM, name) for name in ("stage", "cohort", "direction", "since_us", "detected_us")},
        id="b", rate_before=0.2, rate_after=0.3, ratio=1.5, ratio_low=1.2, ratio_high=1.9,
        status=AlarmStatus.ACKNOWLEDGED)  # fmt: skip
    over = Alarm(**{name: getattr(ALARM, name) for name in ("stage", "cohort", "direction", "since_us", "detected_us")},
        id="c", rate_before=0.2, rate_after=0.3, ratio=1.5, ratio_low=1.2, ratio_high=1.9,
        status=AlarmStatus.CLOSED)  # fmt: skip
    agenda = write_agenda(SHOP, Records(alarms=(ALARM, seen, over)), facts, now_us=NOW_US)
    told = points(agenda, "Open alarms")
    assert len(told) == 2
    assert told[0].text.startswith("At cart (device: mobile only) more sessions are abandoned since ")
    assert told[0].who == "Shop experience"
    assert told[1].text.endswith("It is acknowledged.")
    asked = [item for item in points(agenda, "Decisions needed") if "alarm at" in item.text]
    assert [(item.text, item.who) for item in asked] == [
        ("Who looks after the alarm at cart (device=mobile)? Nobody has acknowledged it.", "Shop experience")
    ]


def test_milestones_are_told_when_they_are_due_and_asked_for_when_they_are_late() -> None:
    today = LAST
    planned = [
        Milestone(number, today + timedelta(days), f"m{number}", "Logistics", done_us)
        for number, (days, done_us) in enumerate([(-1, None), (0, None), (14, None), (15, None), (-9, us(13))])
    ]
    assert [state_of(one, today) for one in planned] == ["overdue", "due soon", "due soon", "later", "done"]
    agenda = write_agenda(SHOP, Records(milestones=tuple(planned)), None, now_us=NOW_US)
    assert [item.text for item in points(agenda, "Milestones due")] == [
        "m0: 1 day overdue (2026-06-13).",
        "m1: due today (2026-06-14).",
        "m2: due in 14 days (2026-06-28).",
    ]
    assert [item.text for item in points(agenda, "Decisions needed")] == ["Do, move or drop the milestone 'm0'?"]
    assert [item.text for item in points(agenda, "What was done")] == ["Milestone done: m4."]


def test_what_was_done_since_then_is_told_and_nothing_older() -> None:
    notes = tuple(Annotation(day, us(day), AnnotationKind.RELEASE, f"r{day}", "ann", us(day)) for day in (3, 12))
    statuses = (OpportunityStatus(1, "cart:shipping", "accepted", "as agreed", "bob", us(12)),)
    champion = AuditEntry(None, us(12), "ann", "promote", "champion", {"version": "1"}, {"version": "2", "reason": ""})
    agenda = write_agenda(
        SHOP, Records(annotations=notes, opportunity_statuses=statuses, audit=(champion,)), None, now_us=NOW_US
    )
    assert [(item.text, item.who) for item in points(agenda, "What was done")] == [
        ("2026-06-13 12:00: r12 (release).", "ann"),
        ("2026-06-13 12:00: model version 2 became the champion (promote).", "ann"),
        ("Opportunity cart:shipping is accepted: as agreed.", "bob"),
    ]


def test_a_channel_without_a_steward_asks_who_answers_for_it(facts: Facts) -> None:
    asked = points(write_agenda(SHOP, Records(), facts, now_us=NOW_US), "Decisions needed")
    assert Item("Who answers for the data of kiosk? The journey names nobody.", "E-commerce", "governance") in asked
    assert without_owner(SHOP, ("on_site",)) == ()


def test_an_agenda_without_figures_says_that_nothing_was_measured() -> None:
    text = write_agenda(SHOP, Records(), None, now_us=NOW_US).to_markdown()
    assert text.count("Nothing was measured: there are no figures.") == 2
    assert text.startswith("# Review: Online shop\n\n2026-06-08 to 2026-06-14, as of 2026-06-14. Owner: E-commerce.")


def test_decisions_have_a_box_to_tick_and_a_name() -> None:
    records = Records(milestones=(Milestone(1, date(2026, 6, 1), "Free returns", "Logistics"),))
    text = write_agenda(SHOP, records, None, now_us=NOW_US).to_markdown()
    assert "- [ ] Do, move or drop the milestone 'Free returns'? **Logistics**" in text
    assert "\n- Free returns: 13 days overdue (2026-06-01). **Logistics**" in text


def test_every_team_is_listed_with_all_that_it_answers_for() -> None:
    owners = {one.name: one for one in owners_of(SHOP)}
    assert owners["Checkout"].stages == ("checkout", "address")
    assert owners["CRM"].data == ("email",)
    assert set(owners["Logistics"].interventions) == {
        one.name for one in SHOP.interventions if one.owner == "Logistics"
    }
    assert sum(len(one.stages) for one in owners.values()) == len(SHOP.stages)


def test_the_day_is_that_of_the_journeys_time_zone() -> None:
    # Half past ten at night in UTC is past midnight in Berlin.
    assert today_of(SHOP, int(datetime(2026, 6, 1, 22, 30, tzinfo=UTC).timestamp()) * 1_000_000) == date(2026, 6, 2)


def test_an_audit_entry_is_said_with_what_changed() -> None:
    moved = AuditEntry(4, us(0), "bob", "move milestone", "milestone 3",
        {"due": "2026-06-01", "done_us": None}, {"due": "2026-07-01", "done_us": us(1)})  # fmt: skip
    assert say_change(moved, "UTC") == "due: 2026-06-01 -> 2026-07-01, done: nothing -> 2026-06-02 10:00"
    assert say_entry(moved, "Europe/Berlin").startswith("2026-06-01 12:00  bob: move milestone, milestone 3 (due: ")
    champion = AuditEntry(None, 0, "bob", "promote", "champion", {"version": "1"}, {"version": "2", "reason": "better"})
    assert say_change(champion, "UTC") == "version: 1 -> 2, reason: better"
    new = AuditEntry(5, us(0), "bob", "annotate", "annotation 1", None, {"text": "x" * 100, "author": ""})
    assert say_change(new, "UTC") == f"text: {'x' * 77}..."


def test_the_erasure_of_a_visitor_is_found_by_the_id_alone() -> None:
    entries = [
        AuditEntry(number, us(0), "ann", "erase visitor", visitor_subject(visitor), {}, None)
        for number, visitor in enumerate(("v1", "v2", "v1"))
    ]
    assert [entry.id for entry in erasures_of(entries, "v1")] == [0, 2]
    assert erasures_of(entries, "v3") == ()


def test_the_page_has_the_agenda_milestones_owners_and_the_latest_changes_first(facts: Facts) -> None:
    audit = tuple(AuditEntry(day, us(day), "ann", "annotate", f"annotation {day}", None, {}) for day in range(3))
    planned = (Milestone(1, date(2026, 6, 20), "Free returns", "Logistics"),)
    shown = page(View(SHOP, facts, Filters(), Records(audit=audit, milestones=planned)))
    tables = {one.name: one.table for one in shown.figures}
    assert tables["audit"].column("subject") == ("annotation 2", "annotation 1", "annotation 0")
    assert tables["audit"].column("at")[0] == "2026-06-03T10:00:00+00:00"
    assert tables["milestones"].rows == ((1, "2026-06-20", "Free returns", "Logistics", "due soon", None),)
    written = write_agenda(SHOP, Records(audit=audit, milestones=planned), facts, now_us=facts.built_at_us)
    for section in written.sections:
        points_told = tables[f"agenda_{section.name}"].rows
        assert points_told == tuple((item.said, item.who, item.page or None) for item in section.items)
    assert [form.name for form in shown.forms] == ["milestone", "done", "review"]


def test_open_opportunities_go_by_owner_and_the_best_that_nobody_decided_on_are_asked_for(tmp_path: Path) -> None:
    made = [
        MadeSession(stage=2, confidences={"shipping": 0.9 if number % 2 else 0.1, "price": 0.2}, visitor=f"v{number}")
        for number in range(60)
    ]
    made += [MadeSession(stage=2, outcome="goal", visitor=f"g{number}") for number in range(60)]
    facts = write_facts(tmp_path, made)
    ranked = find_opportunities(SHOP, facts).ranked
    planned = [one for one in ranked if one.plan is not None]
    agenda = write_agenda(SHOP, Records(), facts, now_us=NOW_US)
    told = points(agenda, "Opportunities, by owner")
    assert [item.who for item in told] == sorted(one.owner for one in planned[:10])
    asked = [item for item in points(agenda, "Decisions needed") if item.page == "opportunities"]
    assert [item.who for item in asked] == [one.owner for one in planned[:3]]
    first = planned[0]
    assert asked[0].text == f"Accept or dismiss {first.friction.name} at {first.stage}?"
    shown = next(item.text for item in told if f"{first.friction.name} at {first.stage}, proposed" in item.text)
    assert first.plan is not None
    assert f"{first.plan.gain.value.low:,.0f} to {first.plan.gain.value.high:,.0f}" in shown
    decided = OpportunityStatus(1, first.id, "accepted", "", "ann", us(0))
    after = write_agenda(SHOP, Records(opportunity_statuses=(decided,)), facts, now_us=NOW_US)
    assert asked[0] not in points(after, "Decisions needed")
    assert any("accepted" in item.text for item in points(after, "Opportunities, by owner"))
