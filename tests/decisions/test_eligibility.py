"""Laws of eligibility, whatever the interventions, the history and the moment are."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from small_shop import offer

from decisions.eligibility import PastIntervention, eligible_interventions
from decisions.intervention import Intervention
from features.friction import Friction

SECOND = 1_000_000
NOW_US = 5_000 * SECOND
FRICTIONS = (Friction.FORM, Friction.PAYMENT, Friction.PRICE)
STAGES = ("browse", "pay")


@st.composite
def interventions(draw: st.DrawFn) -> list[Intervention]:
    return [
        replace(
            offer(f"offer_{number}", *draw(st.sets(st.sampled_from(FRICTIONS), min_size=1))),
            stages=tuple(draw(st.sets(st.sampled_from(STAGES), min_size=1))),
            cap=draw(st.integers(1, 3)),
            cooldown_seconds=draw(st.sampled_from([0.0, 1.0, 600.0])),
            needs_consent=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 5)))
    ]


HISTORY = st.lists(
    st.builds(
        PastIntervention,
        st.sampled_from(["this", "other"]),
        st.integers(NOW_US - 700 * SECOND, NOW_US),
        st.sampled_from([f"offer_{number}" for number in range(5)]),
    ),
    max_size=8,
)
QUESTION = st.fixed_dictionaries(
    {
        "stage": st.sampled_from([*STAGES, "elsewhere", None]),
        "frictions": st.sets(st.sampled_from(FRICTIONS)),
        "session_cap": st.integers(1, 3),
        "consent": st.booleans(),
    }
)


def _names(offered: list[Intervention], history: list[PastIntervention], question: dict) -> set[str]:
    found = eligible_interventions(offered, session_id="this", at_us=NOW_US, history=history, **question)
    eligible = {intervention.name for intervention in found.eligible}
    # Each is either eligible or excluded with a reason, and they keep the order of their declaration.
    assert eligible.isdisjoint(found.excluded)
    assert eligible | set(found.excluded) == {intervention.name for intervention in offered}
    assert all(found.excluded.values())
    assert [one for one in offered if one.name in eligible] == list(found.eligible)
    return eligible


@given(interventions(), HISTORY, QUESTION)
def test_what_is_eligible_breaks_no_rule(
    offered: list[Intervention], history: list[PastIntervention], question: dict
) -> None:
    for name in _names(offered, history, question):
        (one,) = (intervention for intervention in offered if intervention.name == name)
        assert question["stage"] in one.stages
        assert question["frictions"] & set(one.treats)
        assert question["consent"] or not one.needs_consent
        here = [past for past in history if past.session_id == "this"]
        assert len(here) < question["session_cap"]
        assert sum(past.name == name for past in here) < one.cap
        latest = [past.at_us for past in history if past.name == name]
        assert all(NOW_US - at_us >= one.cooldown_seconds * SECOND for at_us in latest)


@given(interventions(), HISTORY, QUESTION, st.data())
def test_what_was_shown_more_and_consented_to_less_never_allows_more(
    offered: list[Intervention], history: list[PastIntervention], question: dict, data: st.DataObject
) -> None:
    fewer = data.draw(st.lists(st.sampled_from(history)) if history else st.just([]))
    kept = [past for past in history if past in fewer]
    more = _names(offered, history, question)
    assert more <= _names(offered, kept, question)
    assert more <= _names(offered, history, question | {"consent": True})
    assert more <= _names(offered, history, question | {"frictions": set(FRICTIONS)})
    assert more <= _names(offered, history, question | {"session_cap": question["session_cap"] + 1})


@given(interventions(), QUESTION)
def test_without_a_blocker_or_a_stage_nothing_is_eligible(offered: list[Intervention], question: dict) -> None:
    assert _names(offered, [], question | {"frictions": set()}) == set()
    assert _names(offered, [], question | {"stage": None}) == set()
