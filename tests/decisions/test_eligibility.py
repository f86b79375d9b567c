"""Laws of eligibility, whatever the interventions, the history and the moment are."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from small_shop import offer

from decisions.eligibility import Reach, eligible_interventions
from decisions.intervention import Intervention
from decisions.past import PastIntervention
from features.friction import Friction

SECOND = 1_000_000
NOW_US = 5_000 * SECOND
FRICTIONS = (Friction.FORM, Friction.PAYMENT, Friction.PRICE)
STAGES = ("browse", "pay")
MESSAGES = {"email", "sms", "push", "ad"}
CHANNELS = ("on_site", "call", "email", "push")


@st.composite
def interventions(draw: st.DrawFn) -> list[Intervention]:
    return [
        replace(
            offer(f"offer_{number}", *draw(st.sets(st.sampled_from(FRICTIONS), min_size=1))),
            stages=tuple(draw(st.sets(st.sampled_from(STAGES), min_size=1))),
            cap=draw(st.integers(1, 3)),
            cooldown_seconds=draw(st.sampled_from([0.0, 1.0, 600.0])),
            needs_consent=draw(st.booleans()),
            channel=draw(st.sampled_from(CHANNELS)),
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
        "messages_while_open": st.booleans(),
        "reach": st.none()
        | st.builds(
            Reach, st.frozensets(st.sampled_from(sorted(MESSAGES))), st.frozensets(st.sampled_from(sorted(MESSAGES)))
        ),
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
        reach = question["reach"]
        if reach is None:
            assert question["consent"] or not one.needs_consent
            assert one.channel not in MESSAGES or question["messages_while_open"]
        else:
            assert one.channel in MESSAGES & reach.served & reach.agreed
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


OPEN = {"stage": "pay", "frictions": {Friction.FORM}, "session_cap": 1, "consent": True}


def test_a_banner_is_for_an_open_session_and_an_e_mail_for_one_that_is_over() -> None:
    offered = [offer("banner", Friction.FORM), replace(offer("reminder", Friction.FORM), channel="email")]
    by_email = Reach(frozenset({"email"}), frozenset({"email"}))
    assert _names(offered, [], OPEN) == {"banner"}
    assert _names(offered, [], OPEN | {"messages_while_open": True}) == {"banner", "reminder"}
    assert _names(offered, [], OPEN | {"reach": by_email}) == {"reminder"}


def test_nobody_is_written_to_who_has_not_said_yes_whatever_the_request_says() -> None:
    offered = [replace(offer("reminder", Friction.FORM), channel="email", needs_consent=False)]
    unsaid = Reach(frozenset({"email"}), frozenset())
    found = eligible_interventions(offered, session_id="this", at_us=NOW_US, history=[], **OPEN, reach=unsaid)
    assert found.excluded == {"reminder": "needs a consent that was not given"}
    unserved = Reach(frozenset({"ad"}), frozenset({"email"}))
    found = eligible_interventions(offered, session_id="this", at_us=NOW_US, history=[], **OPEN, reach=unserved)
    assert found.excluded == {"reminder": "no webhook takes messages of its channel"}
