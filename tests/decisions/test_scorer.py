"""The scorer, from live events to a decision that the ledger can weigh later."""

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_shop import Trained, offer

from decisions.assignment import in_holdout
from decisions.decision import Decision, Reason
from decisions.past import PastIntervention
from decisions.policy import MAX_EXPLORATION, NOTHING, PolicySettings
from decisions.scorer import ENDED_NARRATIVE, LOW_RISK_NARRATIVE, Scorer
from features.encode import encode_event
from features.events import Event
from features.friction import Friction
from features.live import LiveSession
from features.plan import compile_plan

OFFERS = (
    offer("form_help", Friction.FORM, effect=0.2),
    offer("pay_later", Friction.PAYMENT, effect=0.2),
    offer("price_match", Friction.PRICE, effect=0.2),
)


def scorer_of(trained: Trained, **settings: float) -> Scorer:
    chosen = PolicySettings(goal_value=20.0, **({"low_risk": 0.4, "holdout": 0.0} | settings))  # type: ignore[arg-type]
    return Scorer("shop", ("browse", "pay"), OFFERS, chosen, trained.model)


def session_of(trained: Trained, *names: str) -> LiveSession:
    plan = compile_plan(trained.table)
    live = LiveSession(plan, "s1", "v1")
    for place, name in enumerate(names):
        live.append(encode_event(plan, Event(f"e{place}", name, 1_000_000 * (place + 1), "v1")))
    return live


TROUBLED = ("view", "pay_page", "payment_failed", "payment_failed", "payment_failed")


def decide(trained: Trained, *names: str, **settings: float) -> Decision:
    return scorer_of(trained, **settings).recommend(session_of(trained, *names), (), 10_000_000, decision_id="d1")


def test_a_troubled_session_gets_the_intervention_that_treats_its_blocker(trained: Trained) -> None:
    decision = decide(trained, *TROUBLED, exploration=0.0)
    assert decision.reason is Reason.BEST_VALUE
    assert decision.recommendation is not None
    assert decision.recommendation.intervention == "pay_later"
    assert decision.blockers[0].friction == Friction.PAYMENT
    assert (decision.score.stage, decision.score.events_seen, decision.propensity) == ("pay", 5, 1.0)


def test_a_low_risk_gets_nothing_with_propensity_one(trained: Trained) -> None:
    decision = decide(trained, "view", low_risk=0.99)
    assert (decision.reason, decision.recommendation, decision.propensity) == (Reason.LOW_RISK, None, 1.0)
    assert decision.narrative == LOW_RISK_NARRATIVE


def test_a_held_out_visitor_is_diagnosed_but_never_treated(trained: Trained) -> None:
    decision = decide(trained, *TROUBLED, holdout=1.0)
    assert (decision.reason, decision.holdout, decision.recommendation) == (Reason.HOLDOUT, True, None)
    assert decision.blockers
    assert "pay_later" in decision.eligible


def test_what_is_withheld_from_the_holdout_are_the_odds_that_everybody_else_has(trained: Trained) -> None:
    decided = decide(trained, *TROUBLED, holdout=0.0)
    assert decided.withheld is None
    held_out = decide(trained, *TROUBLED, holdout=1.0)
    assert held_out.withheld == decided.propensities
    assert held_out.propensities == {NOTHING: 1.0}


def test_what_was_just_shown_is_not_shown_again(trained: Trained) -> None:
    history = [PastIntervention("s1", 9_000_000, offered.name) for offered in OFFERS]
    decision = scorer_of(trained).recommend(session_of(trained, *TROUBLED), (), 10_000_000, history)
    assert decision.reason is Reason.NOT_ELIGIBLE


def test_nothing_is_recommended_once_the_session_has_ended(trained: Trained) -> None:
    ends = frozenset({compile_plan(trained.table).codes["payment_failed"]})
    scorer = replace(scorer_of(trained), ends=ends)
    live = session_of(trained, *TROUBLED)
    before = scorer.recommend(live, (), 2_500_000)
    assert before.reason is not Reason.ENDED
    after = scorer.recommend(live, (), 3_000_000)
    assert (after.reason, after.recommendation, after.blockers, after.propensity) == (Reason.ENDED, None, (), 1.0)
    assert after.propensities == {NOTHING: 1.0}
    assert after.narrative == ENDED_NARRATIVE
    assert after.score == scorer.score(live, (), 3_000_000)


def test_nothing_worth_its_cost_is_recommended(trained: Trained) -> None:
    dear = tuple(replace(offered, cost=1_000.0) for offered in OFFERS)
    scorer = replace(scorer_of(trained, exploration=0.0), interventions=dear)
    decision = scorer.recommend(session_of(trained, *TROUBLED), (), 10_000_000)
    assert (decision.reason, decision.recommendation) == (Reason.NOT_WORTH_IT, None)


def test_the_ledger_gets_the_propensity_of_what_happened(trained: Trained) -> None:
    scorer = scorer_of(trained)
    live = session_of(trained, *TROUBLED)
    decisions = [scorer.recommend(live, (), 10_000_000, decision_id=f"d{number}") for number in range(3_000)]
    for decision in decisions[:50]:
        chosen = decision.recommendation.intervention if decision.recommendation else NOTHING
        assert decision.propensity == decision.propensities[chosen]
        assert sum(decision.propensities.values()) == pytest.approx(1)
    explored = sum(decision.reason is Reason.EXPLORED for decision in decisions)
    # Five standard deviations of a binomial of 3,000 at .04.
    assert abs(explored - 120) < 5 * (3_000 * 0.04 * 0.96) ** 0.5


def test_the_same_decision_id_draws_the_same_choice(trained: Trained) -> None:
    assert decide(trained, *TROUBLED) == decide(trained, *TROUBLED)


def test_batch_and_live_say_the_same(trained: Trained) -> None:
    scorer = scorer_of(trained)
    live = session_of(trained, *TROUBLED)
    row = live.row(10_000_000)
    [score] = scorer.score_rows(np.array([row]), [("s1", 5, 5_000_000, 10_000_000)])
    assert scorer.score(live, (), 10_000_000) == score
    assert scorer.decide(row, score, "v1", decision_id="d") == scorer.recommend(live, (), 10_000_000, decision_id="d")


def test_a_moment_before_the_first_event_is_refused(trained: Trained) -> None:
    with pytest.raises(ValueError, match="no event at or before"):
        scorer_of(trained).score(session_of(trained, "view"), (), 1)


NAMES = st.lists(st.sampled_from(["view", "pay_page", "form_error", "payment_failed"]), min_size=1, max_size=12)
SHOWN = st.lists(
    st.builds(
        PastIntervention,
        st.sampled_from(["s1", "earlier"]),
        st.integers(0, 10_000_000_000),
        st.sampled_from([offered.name for offered in OFFERS]),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(
    NAMES,
    SHOWN,
    st.floats(0, 1),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.floats(0, MAX_EXPLORATION),
    st.booleans(),
    st.uuids(),
)
def test_every_decision_can_be_weighed_later(
    trained: Trained,
    names: list[str],
    shown: list[PastIntervention],
    low_risk: float,
    holdout: float,
    exploration: float,
    consent: bool,
    identity: UUID,
) -> None:
    scorer = scorer_of(trained, low_risk=low_risk, holdout=holdout, exploration=exploration)
    scorer = replace(scorer, interventions=(*OFFERS[:2], replace(OFFERS[2], needs_consent=True)))
    live = session_of(trained, *names)
    found = scorer.recommend(live, (), 20_000_000_000, shown, consent=consent, decision_id=str(identity))
    chosen = found.recommendation.intervention if found.recommendation else NOTHING
    assert sum(found.propensities.values()) == pytest.approx(1, abs=1e-12)
    assert found.propensity == found.propensities[chosen] > 0
    assert found.holdout == in_holdout("shop", "v1", holdout)
    assert found.score.risk == scorer.score(live, (), 20_000_000_000).risk
    if found.score.risk < low_risk:
        assert found.reason is Reason.LOW_RISK
    if found.drawn is None:
        assert found.propensities == {NOTHING: 1.0}
        assert found.recommendation is None
    else:
        assert set(found.propensities) == {NOTHING, *found.eligible}
        assert not found.holdout
    if found.recommendation:
        assert found.reason in (Reason.BEST_VALUE, Reason.EXPLORED)
        assert chosen in found.eligible
        assert consent or chosen != "price_match"
        treated = next(offered.treats for offered in OFFERS if offered.name == chosen)
        assert set(treated) & {blocker.friction for blocker in found.blockers}
        assert 0 <= found.recommendation.expected_uplift <= found.score.risk
    explanation = trained.model.explain(live.row(20_000_000_000)[None])
    for blocker in found.blockers:
        for evidence in blocker.evidence:
            place = trained.table.names.index(evidence.feature)
            assert evidence.contribution == explanation.contributions[0, place]
            assert trained.table.features[place].friction == blocker.friction
