"""Interventions as a journey declares them."""

import math
from dataclasses import dataclass
from enum import StrEnum

from features.friction import Friction
from features.scan import DeclarationError


class Effort(StrEnum):
    """How much it takes to put an intervention in place."""

    QUICK_WIN = "quick win"
    STRATEGIC = "strategic"


MOST_QUICK_DAYS = 5.0
"""A quick win takes at most a week of one person's work; what takes longer is strategic."""
MESSAGE_CHANNELS = ("email", "sms", "push", "ad")
"""Channels that need words and an audience, and no release of the app or site."""
MESSAGE_REWARD_SECONDS = 7 * 86_400.0
"""How long a message that declares nothing else may take to bring somebody to the goal."""
_MESSAGE_DAYS, _QUICK_DAYS, _STRATEGIC_DAYS = 1.0, 3.0, 20.0


@dataclass(frozen=True, slots=True)
class Intervention:
    """One thing an app can do about a blocker.

    ``prior_effect`` is the expected rise of the goal's probability (absolute, 0 to 1) for a session that one of
    ``treats`` really blocks, before any experiment has measured it. ``cost`` is in the journey's value unit per shown
    intervention; ``cost_if_converted`` is paid only when the session reaches the goal, such as a discount's margin.
    ``channel`` is how it reaches people (``on_site``, ``email``, ...); ``stages`` are the names of the stages in which
    it may be shown. ``cap`` is the most times one session may see it, ``cooldown_seconds`` the least time between two.

    ``prior_deviation`` is the standard deviation of that belief, None for as much as the effect itself: one chance in
    six that it does nothing or harm. ``effort_days`` are the days of one person's work until it runs, None for what its
    effort and channel usually take (:attr:`days_of_work`).

    ``reward_within_seconds`` is how long after a decision about it a goal of the same person counts for it; None for
    seven days with messages, and with what is shown in the product for until the session has ended.
    """

    name: str
    title: str
    message: str
    channel: str
    stages: tuple[str, ...]
    treats: tuple[Friction, ...]
    prior_effect: float
    cost: float
    effort: Effort
    owner: str
    cost_if_converted: float = 0.0
    cap: int = 1
    cooldown_seconds: float = 600.0
    needs_consent: bool = False
    prior_deviation: float | None = None
    effort_days: float | None = None
    reward_within_seconds: float | None = None

    def __post_init__(self) -> None:
        where = f"intervention {self.name!r}"
        if not self.name.isidentifier():
            raise DeclarationError(f"{where}: write the name as an identifier, for example 'live_chat'")
        if not 0 <= self.prior_effect <= 1:
            raise DeclarationError(f"{where}: prior_effect is a probability from 0 to 1, not {self.prior_effect!r}")
        if self.cost < 0 or self.cost_if_converted < 0:
            raise DeclarationError(f"{where}: a cost is not negative")
        if not self.treats or not all(friction.addressable for friction in self.treats):
            raise DeclarationError(f"{where}: treats needs at least one friction other than Friction.NONE")
        if not self.stages:
            raise DeclarationError(f"{where}: stages needs at least one stage name")
        if self.cap < 1 or self.cooldown_seconds < 0:
            raise DeclarationError(f"{where}: cap is at least 1 and cooldown_seconds not negative")
        if self.prior_deviation is not None and not 0 <= self.prior_deviation <= 1:
            raise DeclarationError(
                f"{where}: prior_deviation is a standard deviation of a probability, from 0 to 1, not "
                f"{self.prior_deviation!r}"
            )
        if self.effort_days is not None and not 0 < self.effort_days < math.inf:
            raise DeclarationError(f"{where}: effort_days={self.effort_days!r} must be positive: days of work")
        if self.reward_within_seconds is not None and not 0 < self.reward_within_seconds < math.inf:
            raise DeclarationError(
                f"{where}: reward_within_seconds={self.reward_within_seconds!r} must be positive: seconds that a goal "
                "may take after a decision"
            )
        if self.effort is Effort.QUICK_WIN and self.days_of_work > MOST_QUICK_DAYS:
            raise DeclarationError(
                f"{where}: {self.days_of_work:g} days of work are no quick win, which takes at most "
                f"{MOST_QUICK_DAYS:g}; write effort=Effort.STRATEGIC"
            )

    @property
    def deviation(self) -> float:
        """The standard deviation of the belief in ``prior_effect``."""
        return self.prior_effect if self.prior_deviation is None else self.prior_deviation

    @property
    def days_of_work(self) -> float:
        """Days of one person's work until it runs, as declared, else by effort and channel.

        A quick win takes 1 day where it is a message that needs no release (e-mail, SMS, push, ad) and 3 elsewhere;
        what is strategic takes 20.
        """
        if self.effort_days is not None:
            return self.effort_days
        if self.effort is Effort.STRATEGIC:
            return _STRATEGIC_DAYS
        return _MESSAGE_DAYS if self.channel in MESSAGE_CHANNELS else _QUICK_DAYS

    @property
    def reward_seconds(self) -> float | None:
        """How long after a decision about it a goal counts; None for until the session has ended."""
        if self.reward_within_seconds is not None:
            return self.reward_within_seconds
        return MESSAGE_REWARD_SECONDS if self.channel in MESSAGE_CHANNELS else None
