"""What is found when an installation is looked at."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is about one thing."""

    WELL = "well"
    TODO = "to do"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing, and what to do where that is not well."""

    about: str
    state: State
    found: str
    advice: str = ""
