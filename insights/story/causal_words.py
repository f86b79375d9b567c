"""The words that claim a cause, in one place: what is said, and what tests hold every text of the product to.

The name of a command line's option, after two dashes, says nothing of anybody.
"""

import re

CAUSE = re.compile(
    r"(?<!--)(?<!\blost )\b(because|caus(e[sd]?|ing)|due to|thanks to|leads? to|led to|results? in|will recover|"
    r"recover(s|ed|able)|lift(s|ed)?)\b",
    re.IGNORECASE,
)
"""Whom nothing moves is a lost cause in the words of the field: that says of nothing that it made something happen."""
EFFECT = re.compile(
    r"\b(effects?|recover|therefore|drives?|drove|makes? (people|them|visitors)|would have|uplifts?|impacts?)\b",
    re.IGNORECASE,
)
"""Where texts are about people and nothing is estimated, these claim a cause, too."""
_RANDOMISED = re.compile(r"\brandomi[sz]ed\b", re.IGNORECASE)
_INTERVAL = re.compile(r"\binterval\b|95 ?%", re.IGNORECASE)


def claims_a_cause(text: str) -> bool:
    """Return whether a text has a word for a cause, and not a randomised estimate with its interval beside it."""
    return bool(CAUSE.search(text)) and not is_estimate(text)


def is_estimate(text: str) -> bool:
    """Return whether a text names a randomised estimate and its interval."""
    return bool(_RANDOMISED.search(text) and _INTERVAL.search(text))


def has_causal_word(text: str) -> bool:
    """Return whether a text about people has any word for a cause or an effect, whatever stands beside it."""
    return bool(CAUSE.search(text) or EFFECT.search(text))
