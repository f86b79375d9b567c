import random
from pathlib import Path

import pytest
from made_facts import SHOP, MadeSession, write_facts
from scipy import stats

from insights.associations import Association, When, find_associations
from insights.cohorts import CohortError

STAGES = [stage.name for stage in SHOP.stages]
PAYMENT = 5


def of(associations: tuple[Association, ...], stage: str, when: When, what: str) -> Association | None:
    found = [one for one in associations if (one.stage, one.when, one.what) == (stage, when, what)]
    assert len(found) <= 1
    return found[0] if found else None


def test_progress_of_those_who_did_something_is_counted_by_hand(tmp_path: Path) -> None:
    plain = ((0, "page_view", 0), (5, "view_product", 1))
    helped = ((0, "page_view", 0), (2, "open_help", 0), (5, "view_product", 1))
    carted = (9, "add_to_cart", 2)
    sessions = [
        *[MadeSession(stage=1, events=plain)] * 30,
        *[MadeSession(stage=2, events=(*plain, carted))] * 20,
        *[MadeSession(stage=1, events=helped)] * 25,
        *[MadeSession(stage=2, events=(*helped, carted))] * 5,
        *[MadeSession(stage=0, events=plain[:1])] * 11,
        # Still at the product: nobody knows whether they will go on.
        *[MadeSession(stage=1, events=helped, outcome="open")] * 7,
    ]
    found = find_associations(write_facts(tmp_path, sessions), SHOP)
    assert found.sessions["browse"] == 98
    assert found.sessions["product"] == 80
    help_before = of(found.associations, "product", When.BEFORE, "open_help")
    assert help_before is not None
    assert (help_before.sessions_with, help_before.sessions_without) == (30, 50)
    contrast = help_before.contrast
    assert (contrast.of_one.value, contrast.of_other.value) == (5 / 30, 20 / 50)
    assert contrast.p_value == pytest.approx(stats.chi2_contingency([[5, 25], [20, 30]], correction=False).pvalue)
    assert contrast.ratio is not None
    ends = stats.contingency.relative_risk(5, 30, 20, 50).confidence_interval()
    assert (contrast.ratio.low, contrast.ratio.high) == pytest.approx((ends.low, ends.high))
    # In the first stage the open ones have gone on.
    help_inside = of(found.associations, "browse", When.INSIDE, "open_help")
    assert help_inside is not None
    assert (help_inside.sessions_with, help_inside.sessions_without) == (37, 61)
    assert (help_inside.contrast.of_one.value, help_inside.contrast.of_other.value) == (1.0, 50 / 61)


def test_what_leads_out_of_a_stage_and_what_ends_the_session_is_not_done_in_it(tmp_path: Path) -> None:
    paid = ((0, "view_payment", PAYMENT), (5, "submit_payment", PAYMENT), (6, "purchase", PAYMENT), (9, "open_help", 5))
    sessions = [
        *[MadeSession(stage=PAYMENT, outcome="goal", events=paid)] * 30,
        *[MadeSession(stage=PAYMENT, events=paid[:1])] * 20,
        *[MadeSession(stage=PAYMENT, events=paid[:2])] * 25,
    ]
    found = find_associations(write_facts(tmp_path, sessions), SHOP)
    assert {(one.stage, one.what) for one in found.associations if one.when is When.INSIDE} == {
        ("payment", "submit_payment")
    }
    carts = [
        *[MadeSession(stage=2, events=((0, "page_view", 0), (3, "add_to_cart", 2)), skipped=(1,))] * 30,
        *[MadeSession(stage=0, events=((0, "page_view", 0),))] * 30,
    ]
    found = find_associations(write_facts(tmp_path / "carts", carts), SHOP)
    # Putting something into the cart is how the first stage is left; the product stage was skipped.
    assert found.associations == ()
    assert found.sessions["product"] == 0


def test_a_step_of_the_way_is_no_finding(tmp_path: Path) -> None:
    events = ((0, "edit_field", 4), (4, "submit_address", 4), (9, "view_payment", 5))
    sessions = [
        *[MadeSession(stage=5, events=events)] * 40,
        *[MadeSession(stage=4, events=events[:1])] * 40,
    ]
    found = find_associations(write_facts(tmp_path, sessions), SHOP)
    step = of(found.associations, "address", When.INSIDE, "submit_address")
    assert step is not None
    assert step.is_step
    assert step.contrast.is_finding
    assert step not in found.findings


def test_counts_are_those_of_a_walk_over_the_sessions_one_by_one(tmp_path: Path) -> None:
    chance = random.Random(11)
    names = ["page_view", "open_help", "search", "edit_field", "purchase", "form_error"]
    sessions = []
    for _ in range(160):
        stage, events = 0, [(0.0, "page_view", 0)]
        for second in range(1, chance.randrange(1, 12)):
            stage = min(PAYMENT, stage + (chance.random() < 0.35) * chance.choice([1, 1, 2]))
            events.append((float(second), chance.choice(names), stage))
        ends = [place for place, (_, name, _) in enumerate(events) if name == "purchase"]
        furthest = max((after for _, _, after in events[: ends[0]]), default=0) if ends else stage
        # What came after the end does not count as a stage of the session.
        skipped = set(range(furthest + 1)) - {after for _, _, after in (events[: ends[0]] if ends else events)}
        sessions.append(
            MadeSession(
                stage=furthest,
                events=events,
                skipped=tuple(skipped),
                visitor=f"v{chance.randrange(60)}",
                outcome="goal" if ends else chance.choice(["abandoned", "open"]),
                device=chance.choice(["phone", "desk"]),
            )
        )
    found = find_associations(write_facts(tmp_path, sessions), SHOP, least=1)
    counted: dict[tuple[str, When, str], list[int]] = {}
    for stage, stage_name in enumerate(STAGES):
        those = []
        for one in sessions:
            usable = list(one.events)
            ends = [place for place, (_, name, _) in enumerate(usable) if name == "purchase"]
            usable = usable[: ends[0]] if ends else usable
            stood = any(after == stage for _, _, after in usable)
            advanced = stage < one.stage or (stage == one.stage and one.outcome == "goal")
            if stood and (advanced or one.outcome != "open"):
                traits = {(When.INSIDE, name) for _, name, after in usable if after == stage}
                traits |= {(When.BEFORE, name) for _, name, after in usable if after < stage}
                traits.add((When.START, f"device={one.device}"))
                those.append((traits, advanced))
        for trait in {trait for traits, _ in those for trait in traits}:
            with_it = [advanced for traits, advanced in those if trait in traits]
            without = [advanced for traits, advanced in those if trait not in traits]
            if without:
                counted[stage_name, *trait] = [len(with_it), sum(with_it), len(without), sum(without)]
    told = {
        (one.stage, one.when, one.what): [
            one.sessions_with,
            round(one.contrast.of_one.value * one.sessions_with),
            one.sessions_without,
            round(one.contrast.of_other.value * one.sessions_without),
        ]
        for one in found.associations
        if one.when is not When.START or one.what.startswith("device=")
    }
    assert len(told) > 40
    assert told == counted


def test_things_that_few_did_are_counted_and_not_told(tmp_path: Path) -> None:
    events = ((0, "page_view", 0), (2, "open_help", 0))
    sessions = [*[MadeSession(events=events)] * 19, *[MadeSession(events=events[:1])] * 60]
    found = find_associations(write_facts(tmp_path, sessions), SHOP)
    assert found.associations == ()
    assert found.hidden == 1
    assert len(find_associations(write_facts(tmp_path, sessions), SHOP, least=19).associations) == 1


def test_one_stage_can_be_asked_for_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    facts = write_facts(tmp_path, [MadeSession(stage=1)] * 30)
    assert find_associations(facts, SHOP, stage="product").sessions == {"product": 30}
    with pytest.raises(CohortError, match="ecommerce has no stage 'till'; there is browse, product"):
        find_associations(facts, SHOP, stage="till")


def test_shuffled_progress_is_hardly_ever_a_finding(tmp_path: Path) -> None:
    chance = random.Random(2)
    names = [f"event_{number}" for number in range(30)]
    sessions = []
    for _ in range(400):
        done = [(0.0, "page_view", 0), *((float(s), chance.choice(names), 0) for s in range(1, 6))]
        goes_on = chance.random() < 0.5
        events = [*done, (9.0, "view_product", 1)] if goes_on else done
        sessions.append(MadeSession(stage=int(goes_on), events=events))
    found = find_associations(write_facts(tmp_path, sessions), SHOP, stage="browse")
    assert len(found.associations) == 30
    assert found.findings == ()
