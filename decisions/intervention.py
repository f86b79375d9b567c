"""Interventions as a journey declares them."""

from dataclasses import dataclass
from enum import StrEnum

from features.friction import Friction
from features.scan import DeclarationError


class Effort(StrEnum):
    """How much it takes to put an intervention in place."""

    QUICK_WIN = "quick win"
    STRATEGIC = "strategic"


@dataclass(frozen=True, slots=True)
class Intervention:
    """One thing an app can do about a blocker.

    ``prior_effect`` is the expected rise of the goal's probability (absolute, 0 to 1) for a session that one of
    ``treats`` really blocks, before any experiment has measured it. ``cost`` is in the journey's value unit per shown
    intervention; ``cost_if_converted`` is paid only when the session reaches the goal, such as a discount's margin.
    ``channel`` is how it reaches people (``on_site``, ``email``, ...); ``stages`` are the names of the stages in which
    it may be shown. ``cap`` is the most times one session may see it, ``cooldown_seconds`` the least time between two.
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
