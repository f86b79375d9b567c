"""How pacing is said."""

from insights.pacing.hesitations import Hesitation

NO_STAGE = "before the first stage"
_KINDS = {
    "pause": "an unusually long pause after",
    "repeat": "a third visit to",
    "oscillation": "to and fro, back at",
    "correction": "another change in",
}


def say_hesitation(one: Hesitation) -> str:
    """Return a moment of hesitation in words, such as ``an unusually long pause after view_cart``."""
    about = f" ({one.element})" if one.element else ""
    return f"{_KINDS[one.kind]} {one.event}{about}"


def name_of_stage(stage: str | None) -> str:
    """Return a stage's name, also where there is none yet."""
    return stage or NO_STAGE
