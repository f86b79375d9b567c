"""Who is told of what the scorer does: of its times, its rows, its decisions and its answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from decisions.decision import Decision, Score
from decisions.trial import Moment
from features.events import FloatArray

if TYPE_CHECKING:
    from decisions.scorer import Scorer

Timer = Callable[[str, float], None]
"""Told the name of a step (replay, predict, explain, decide) and the seconds it took."""


Watcher = Callable[[FloatArray, float], None]
"""Told the row (F,) of an open session right after its latest event, and the risk that was answered."""


Onlooker = Callable[[Moment, Decision], None]
"""Told what a decision among eligible interventions was made of, and how it came out."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered about an open session, in how many seconds, and what asks another scorer the very same.

    The decision is None where only the risk was asked for. Of experiments the other scorer knows nothing.
    """

    score: Score
    decision: Decision | None
    seconds: float
    ask: Callable[["Scorer"], tuple[Score, Decision | None]]


Second = Callable[[Answered], None]
"""Told every answer about an open session."""


def ask_nobody(_answered: Answered) -> None:
    """Have no second model."""


def ignore_time(_step: str, _seconds: float) -> None:
    """Time nothing."""


def ignore_row(_row: FloatArray, _risk: float) -> None:
    """Watch nothing."""


def ignore_decision(_moment: Moment, _decision: Decision) -> None:
    """Look at nothing."""


def nothing_holds_back() -> str | None:
    """Let every intervention be shown that is eligible by itself."""
    return None
