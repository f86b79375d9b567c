"""The week in words: what each section says, counted by hand, and that nothing else is said."""

import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_decisions import make_decisions
from made_facts import BEGIN, SHOP
from made_weeks import WEEK, bought, facts_of, shown, stopped, two_weeks

from insights.effects.cells import measure_effect
from insights.effects.kept import keep_effects
from insights.intervals import estimate_difference, estimate_share
from insights.pages.write import write
from insights.story.causal_words import has_causal_word
from insights.story.compose import Story, tell_week
from insights.story.section import Section
from insights.story.sentence import numbers
from insights.story.week import find_week
from storage.records import Alarm, Annotation, AnnotationKind, HoldoutCounts, Milestone, OpportunityStatus, Records

NOW_US = round((BEGIN + WEEK + timedelta(days=1)).timestamp() * 1e6)


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    return tell(tmp_path, monkeypatch)


def tell(folder: Path, patch: pytest.MonkeyPatch, records: Records | None = None) -> Story:
    patch.setenv("DROPOFF_MIN_CELL", "10")
    facts = two_weeks(folder)
    return tell_week(SHOP, facts, find_week(facts), records)


def section(story: Story, name: str) -> Section:
    return next(one for one in story.sections if one.name == name)


def said(story: Story, name: str) -> list[str]:
    return [one.text for one in section(story, name).sentences]


def test_every_number_that_is_said_is_in_the_cell_that_it_is_from(story: Story) -> None:
    figures = {one.name: one for one in story.figures()}
    told = list(story.sentences())
    assert len(told) > 15
    for sentence in told:
        assert sentence.figures
        for ref in sentence.figures:
            figure = figures[ref.figure]
            unit = next(one.unit for one in figure.table.columns if one.name == ref.column)
            assert write(figure.table.column(ref.column)[ref.row], unit, story.timezone) == ref.text
            assert ref.text[1:] in sentence.text
        assert numbers(sentence.text) <= sum((numbers(one.text) for one in sentence.figures), numbers(""))
        assert not has_causal_word(sentence.text)


def test_what_changed_is_told_where_chance_alone_would_hardly_make_it(story: Story) -> None:
    first, goal, *rest = said(story, "changes")
    assert first == "72 sessions of 72 visitors began in the week, against 60 the week before."
    difference = estimate_difference(15, 72, 40, 60)
    assert difference is not None
    points = [f"{round(100 * one, 1):g}" for one in (difference.value, difference.low, difference.high)]
    assert goal == (
        "20.8% of the 72 sessions that have ended reached the goal, against 66.7% the week before: "
        f"{points[0]} percentage points ({points[1]} to {points[2]}), which is more than chance alone would make it."
    )
    # 40 of 55 were abandoned at the basket, 10 of 50 the week before; the other stages differ by no more than chance.
    assert any("Of the 55 sessions that reached cart, 72.7% were abandoned there, against 20.0%" in one for one in rest)
    assert not any("reached browse" in one for one in rest)


def test_where_people_stop_is_counted_and_owned(story: Story) -> None:
    first, owner, *_ = said(story, "stops")
    share = estimate_share(40, 55)
    assert share is not None
    assert first == (
        f"40 of the 55 sessions that reached cart were abandoned there: 72.7% ({share.low:.1%} to {share.high:.1%})."
    )
    assert owner == "The stage cart is owned by Shop experience."


def test_what_stood_in_the_way_is_an_expected_number_and_its_typical_sessions_are_retold(story: Story) -> None:
    # Forty sessions with a probability of one half each, and fifteen.
    sentence, trust = said(story, "obstacles")
    assert trust.startswith("In an expected 7.5 of the abandoned sessions (")
    assert sentence.startswith("In an expected 20 of the abandoned sessions (14 to 26) what stood in the way is this: ")
    assert sentence.endswith("delivery costs too much or takes too long; most often at cart.")
    retold = section(story, "obstacles").retold
    assert len(retold) == 3
    assert retold[0].heading.text == (
        "Session 1 began on Mon 8 Jun 2026, 14:00, had 3 events in 30 s and ended at cart."
    )
    assert [one.text for one in retold[0].steps] == [
        "After 0 s: the basket opens; the risk is 80.0%.",
        "After 30 s: delivery costs and times are shown; the risk is 80.0%, the strongest sign: shipping is 20% of the "
        "basket.",
    ]


def test_what_was_tried_is_counted_and_nothing_is_said_to_work_without_a_randomised_comparison(story: Story) -> None:
    total, delivery = said(story, "trials")
    assert total == "Interventions were shown 2 times."
    assert delivery.startswith("“Free delivery today” was shown 2 times and taken up 1 times: 50.0% (")
    assert said(story, "results") == ["Not measured yet is what each of these changes: “Free delivery today”."]


def test_what_to_do_next_are_the_opportunities_of_the_week_with_their_owners(story: Story) -> None:
    concerned, value, *rest = said(story, "ahead")
    # Forty sessions with a probability of one half each.
    assert concerned.startswith("“Free delivery today” against shipping at cart (")
    assert concerned.endswith(": 20 sessions a week are expected to be concerned (14 to 26).")
    assert value.startswith("What “Free delivery today” is worth there is not measured yet; believed is ")
    assert "“Free delivery today” is owned by Logistics." in rest


def test_what_is_done_or_dismissed_is_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = OpportunityStatus(1, "cart.shipping", "dismissed", "too dear", "eva", NOW_US)
    told = tell(tmp_path, monkeypatch, Records(opportunity_statuses=(status,)))
    assert not any("against shipping at cart" in one.text for one in told.sentences())


def test_the_holdout_is_the_one_thing_that_says_what_worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = HoldoutCounts(first_us=NOW_US, visitors=400, converted=100, held_out=100, held_out_converted=10)
    told = said(tell(tmp_path, monkeypatch, Records(count_holdout=lambda: counts)), "results")
    difference = estimate_difference(100, 400, 10, 100)
    assert difference is not None
    ends = f"{round(100 * difference.low, 1):g} to {round(100 * difference.high, 1):g}"
    assert told[0] == (
        "In the randomised comparison since Tue 9 Jun 2026, 14:00, 25.0% of 400 visitors who could be shown something "
        f"reached the goal, and 10.0% of the 100 in the holdout: an effect of 15 percentage points (interval {ends})."
    )


def test_a_comparison_with_few_held_out_visitors_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = HoldoutCounts(first_us=NOW_US, visitors=400, converted=100, held_out=29, held_out_converted=1)
    assert len(said(tell(tmp_path, monkeypatch, Records(count_holdout=lambda: counts)), "results")) == 1


def test_alarms_notes_and_milestones_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = Records(
        annotations=(
            Annotation(1, NOW_US, AnnotationKind.RELEASE, "new basket", "eva", NOW_US),
            Annotation(2, NOW_US, AnnotationKind.OTHER, "exits rose because of the basket", "eva", NOW_US),
            Annotation(3, NOW_US - 14 * 86_400_000_000, AnnotationKind.OTHER, "long ago", "eva", NOW_US),
        ),
        alarms=(
            Alarm("a", "cart", "device=mobile", "rise", NOW_US, NOW_US, 0.2, 0.7, 3.5, 3.0, 4.0),
            Alarm(
                "b", "cart", None, "rise", NOW_US - 10**13, NOW_US, 0.2, 0.7, 3.5, 3.0, 4.0, closed_us=NOW_US - 10**12
            ),
        ),
        milestones=(
            Milestone(1, date(2026, 7, 1), "Decide on delivery", "Logistics"),
            Milestone(2, date(2026, 6, 1), "Old", "X", 1),
        ),
    )
    told = tell(tmp_path, monkeypatch, records)
    changes = said(told, "changes")
    when = "Tue 9 Jun 2026, 14:00"
    assert (
        f"An alarm stands at cart for device=mobile: since {when} 70.0% are abandoned there, usually 20.0%." in changes
    )
    assert f"A note (release) was made for {when}: new basket" in changes
    # What somebody takes for a cause stands in the figure, as theirs.
    assert f"A note (other) was made for {when}." in changes
    assert len([one for one in changes if one.startswith(("A note", "An alarm"))]) == 3
    assert said(told, "ahead")[-1] == "By Wed 1 Jul 2026, Logistics: Decide on delivery"


def test_without_a_model_nothing_is_said_to_stand_in_the_way(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, stopped(20, 2, 1) + bought(10, 1))
    told = tell_week(SHOP, facts, find_week(facts))
    assert [one.name for one in told.sections] == ["changes", "stops", "trials"]
    # The first week has nothing in it, so nothing is compared.
    assert said(told, "changes")[1] == "33.3% of the 30 sessions that have ended reached the goal."


def test_the_interventions_that_were_shown_most_come_first(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, [shown("trust_panel"), shown("free_delivery"), shown("free_delivery")])
    told = said(tell_week(SHOP, facts, find_week(facts)), "trials")
    assert [one.split("”")[0] for one in told[1:]] == ["“Free delivery today", "“Safe to order"]


def test_a_week_in_which_nobody_came_is_told_as_such(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, bought(10))
    told = tell_week(SHOP, facts, find_week(facts, "2026-06-08"))
    assert said(told, "changes") == ["0 sessions of 0 visitors began in the week, against 10 the week before."]


def test_of_few_people_no_share_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_of(tmp_path, stopped(9, 2, 1))
    monkeypatch.setenv("DROPOFF_MIN_CELL", "10")
    told = tell_week(SHOP, facts, find_week(facts))
    assert [one.name for one in told.sections] == ["changes", "trials"]
    assert len(said(told, "changes")) == 1
    monkeypatch.setenv("DROPOFF_MIN_CELL", "9")
    assert "stops" in [one.name for one in tell_week(SHOP, facts, find_week(facts)).sections]


def test_what_randomised_decisions_have_measured_is_told_and_no_longer_said_to_be_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPOFF_MIN_CELL", "10")
    facts = two_weeks(tmp_path)
    logged = make_decisions(3_000, {("shipping", "free_delivery"): 0.2})
    keep_effects(facts.folder, SHOP, logged)
    told = said(tell_week(SHOP, facts, find_week(facts)), "results")
    effect = measure_effect(logged, logged.options.index("free_delivery"))
    assert effect.effect is not None
    points, low, high = (
        f"{round(100 * end, 1):.3g}" for end in (effect.effect.value, effect.effect.low, effect.effect.high)
    )
    people = f"{effect.shown.people:,} people who were shown it and {effect.nothing.people:,} shown nothing"
    # 2,999 minutes after Tuesday evening.
    dates = "from Tue 14 Nov 2023 to Fri 17 Nov 2023"
    assert (
        f"By randomised decisions {dates}, the effect of “Free delivery today” on reaching the goal is {points} "
        f"percentage points (interval {low} to {high}), from {people}."
    ) in told
    assert not any("Not measured yet" in sentence for sentence in told)
