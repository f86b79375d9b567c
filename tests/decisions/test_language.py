"""What is said without a randomised estimate states facts and association, never a cause."""

import re

import numpy as np
import pytest

from decisions.diagnosis import Blocker, Evidence, narrate
from decisions.scorer import ENDED_NARRATIVE, LOW_RISK_NARRATIVE
from features.friction import Friction
from journeys.load import journey_names, load_journey

CAUSAL = re.compile(
    r"\b(because|cause[sd]?|causing|due to|effects?|lift(s|ed)?|recover(s|ed|able)?|leads? to|led to|therefore|"
    r"drives?|drove|makes? (people|them|visitors)|results? in|would have|uplifts?|impacts?)\b",
    re.IGNORECASE,
)


def test_the_pattern_knows_a_cause_when_it_sees_one() -> None:
    assert CAUSAL.search("Shipping costs cause people to leave.")
    assert not CAUSAL.search("Sessions like this one are more often abandoned; payment failed twice.")


@pytest.mark.parametrize("name", journey_names())
def test_no_phrase_friction_or_narrative_of_a_journey_claims_a_cause(name: str) -> None:
    journey = load_journey(name)
    for feature in journey.features:
        for value in (0.0, 1.0, 2.0, 0.37, 1_234_567.0, -3.0):
            said = feature.phrase if feature.is_category else feature.say(value)
            assert not CAUSAL.search(said), said
            assert "nan" not in said
            told = narrate([Blocker(feature.friction, 1.0, (Evidence(feature.name, value, said, 0.1),))])
            assert told == f"Sessions like this one are more often abandoned; {said}."
            assert not CAUSAL.search(told)
    for friction in journey.frictions:
        assert not CAUSAL.search(friction.description)


def test_what_is_said_without_a_blocker_claims_no_cause_either() -> None:
    for said in (LOW_RISK_NARRATIVE, ENDED_NARRATIVE, narrate(())):
        assert not CAUSAL.search(said)


def test_a_narrative_joins_at_most_two_signs_of_two_blockers() -> None:
    def blocker(friction: Friction, *signs: str) -> Blocker:
        return Blocker(friction, 1 / 3, tuple(Evidence(sign, np.nan, sign, 0.1) for sign in signs))

    blockers = [
        blocker(Friction.FORM, "one", "two", "three"),
        blocker(Friction.PRICE, "four"),
        blocker(Friction.TRUST, "five"),
    ]
    assert narrate(blockers) == "Sessions like this one are more often abandoned; one, two and four."
