"""Who is who among people: sorted draw by draw, against arithmetic done one by one."""

from dataclasses import replace

import numpy as np
import pytest
from small_effects import INTERVENTIONS, OPTIONS, SETTINGS, TRUE_EFFECTS, carry_out, goal_odds, situations, start

from decisions.bayes_policy import DRAWS, BayesPolicy
from decisions.logged import LoggedDecisions, costs
from decisions.segments import HARM, Segment, Segments, count_segments
from features.events import FloatArray


def learnt_from(logged: LoggedDecisions) -> BayesPolicy:
    return BayesPolicy(start().learn(logged), INTERVENTIONS, SETTINGS, "bayes-1", width=1.0)


def expected(found: Segments) -> dict[Segment, float]:
    return {count.segment: count.expected for count in found.counts}


@pytest.fixture(scope="module")
def policy() -> BayesPolicy:
    return learnt_from(carry_out(situations(3_000, 1), 1))


def test_everybody_belongs_to_one_segment_in_each_draw_as_sorted_one_by_one(policy: BayesPolicy) -> None:
    logged = situations(40, 2)
    found = count_segments(policy, logged)
    features, offset = policy.posterior.terms.situations(logged)
    shown, if_converted = costs(OPTIONS, INTERVENTIONS, SETTINGS)
    counts = dict.fromkeys(Segment, 0)
    for draw in range(DRAWS):
        tau = features @ policy.posterior.terms.coefficients(policy.draws[:, [draw]])[:, :, 0].T
        for row in range(40):
            base = offset[row] + tau[row, 0]
            without = 1 / (1 + np.exp(-base))
            uplifts, worth = [], []
            for option in range(1, len(OPTIONS)):
                if logged.eligible[row, option]:
                    treated = 1 / (1 + np.exp(-(base + tau[row, option])))
                    uplifts.append(treated - without)
                    worth.append(20.0 * uplifts[-1] - shown[option] - if_converted[option] * treated)
            if max(worth) > 0:
                counts[Segment.PERSUADABLE] += 1
            elif max(uplifts) < -HARM:
                counts[Segment.SLEEPING_DOG] += 1
            else:
                counts[Segment.SURE_THING if without >= 0.5 else Segment.LOST_CAUSE] += 1
    works = 1 - policy.posterior.nothing_works
    told = expected(found)
    assert sum(told.values()) == pytest.approx(40)
    assert told[Segment.PERSUADABLE] == pytest.approx(works * counts[Segment.PERSUADABLE] / DRAWS)
    assert told[Segment.SLEEPING_DOG] == pytest.approx(works * counts[Segment.SLEEPING_DOG] / DRAWS)


def test_intervals_hold_the_true_counts() -> None:
    held, asked = 0, 0
    for seed in range(5):
        policy = learnt_from(carry_out(situations(3_000, 20 + seed), seed))
        later = situations(400, 50 + seed)
        found = count_segments(policy, later)
        shown, if_converted = costs(OPTIONS, INTERVENTIONS, SETTINGS)
        goal = goal_odds(later)
        worth = goal * (20.0 - if_converted) - shown - goal[:, :1] * 20.0
        persuadable = (np.where(later.eligible, worth, -np.inf)[:, 1:].max(axis=1) > 0).sum()
        [count] = [one for one in found.counts if one.segment is Segment.PERSUADABLE]
        held += count.low <= persuadable <= count.high
        asked += 1
    assert held >= asked - 1


def test_whom_everything_drives_away_is_a_sleeping_dog() -> None:
    uniform = situations(8_000, 3)
    policy = learnt_from(carry_out(uniform, 3, goal=goal_odds(uniform, 0 * TRUE_EFFECTS, -0.7)))
    told = expected(count_segments(policy, situations(500, 4)))
    assert told[Segment.SLEEPING_DOG] > 0.9 * 500


def without_choice(logged: LoggedDecisions, risk: float) -> LoggedDecisions:
    only: FloatArray = np.zeros_like(logged.propensities)
    only[:, 0] = 1.0
    return replace(logged, propensities=only, risk=np.full(len(logged), risk))


def test_low_risk_is_a_sure_thing_and_the_holdout_is_passed_over(policy: BayesPolicy) -> None:
    low = count_segments(policy, without_choice(situations(30, 5), 0.05))
    assert expected(low)[Segment.SURE_THING] == pytest.approx(30)
    assert (low.decisions, low.passed_over, low.sure) == (30, 0, 0.5)
    held_out = count_segments(policy, without_choice(situations(30, 5), 0.9))
    assert (held_out.decisions, held_out.passed_over) == (0, 30)
    assert all(count.expected == 0 for count in held_out.counts)
