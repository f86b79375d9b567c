"""How signs become a sentence; ``tests/test_language.py`` tests that none claims a cause."""

import numpy as np

from decisions.diagnosis import Blocker, Evidence, narrate
from features.friction import Friction


def test_a_narrative_joins_at_most_two_signs_of_two_blockers() -> None:
    def blocker(friction: Friction, *signs: str) -> Blocker:
        return Blocker(friction, 1 / 3, 0.1, tuple(Evidence(sign, np.nan, sign, 0.1) for sign in signs))

    blockers = [
        blocker(Friction.FORM, "one", "two", "three"),
        blocker(Friction.PRICE, "four"),
        blocker(Friction.TRUST, "five"),
    ]
    assert narrate(blockers) == "Sessions like this one are more often abandoned; one, two and four."
