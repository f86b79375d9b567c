"""Friction categories: what may stand between a person and the goal, in the words of the field."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class ProblemType(StrEnum):
    """The four kinds of problem that a friction category can be."""

    FRICTION = "friction"
    VALUE_MISMATCH = "value proposition mismatch"
    TRUST_BARRIER = "trust barrier"
    INFORMATION_GAP = "information gap"


@dataclass(frozen=True, slots=True, repr=False)
class Friction:
    """A category of obstacle, which features give evidence of and interventions treat.

    A journey may declare its own: ``Friction("documents", ProblemType.FRICTION, "papers are missing")``.
    ``Friction.NONE`` is context (device, hour, history): it moves risk and is nobody's blocker.
    """

    name: str
    problem_type: ProblemType | None
    description: str

    FORM: ClassVar["Friction"]
    PAYMENT: ClassVar["Friction"]
    SPEED: ClassVar["Friction"]
    NAVIGATION: ClassVar["Friction"]
    EFFORT: ClassVar["Friction"]
    CHOICE: ClassVar["Friction"]
    PRICE: ClassVar["Friction"]
    SHIPPING: ClassVar["Friction"]
    FIT: ClassVar["Friction"]
    TRUST: ClassVar["Friction"]
    PRIVACY: ClassVar["Friction"]
    INFORMATION: ClassVar["Friction"]
    AVAILABILITY: ClassVar["Friction"]
    NONE: ClassVar["Friction"]

    def __repr__(self) -> str:
        return f"Friction({self.name!r})"

    @property
    def addressable(self) -> bool:
        """Whether this category can be a blocker, that is, whether it is anything but context."""
        return self.problem_type is not None


Friction.FORM = Friction("form", ProblemType.FRICTION, "a form is hard to fill in")
Friction.PAYMENT = Friction("payment", ProblemType.FRICTION, "paying does not work")
Friction.SPEED = Friction("speed", ProblemType.FRICTION, "pages are slow or do not respond")
Friction.NAVIGATION = Friction("navigation", ProblemType.FRICTION, "the way forward is hard to find")
Friction.EFFORT = Friction("effort", ProblemType.FRICTION, "the journey asks for too many steps")
Friction.CHOICE = Friction("choice", ProblemType.INFORMATION_GAP, "too many options and no way to decide")
Friction.PRICE = Friction("price", ProblemType.VALUE_MISMATCH, "the price is more than it seems worth")
Friction.SHIPPING = Friction("shipping", ProblemType.VALUE_MISMATCH, "delivery costs too much or takes too long")
Friction.FIT = Friction("fit", ProblemType.VALUE_MISMATCH, "the offer does not match what was looked for")
Friction.TRUST = Friction("trust", ProblemType.TRUST_BARRIER, "doubt about the seller or the product")
Friction.PRIVACY = Friction("privacy", ProblemType.TRUST_BARRIER, "unease about giving personal data")
Friction.INFORMATION = Friction("information", ProblemType.INFORMATION_GAP, "a question is left unanswered")
Friction.AVAILABILITY = Friction("availability", ProblemType.INFORMATION_GAP, "unclear whether it can be had")
Friction.NONE = Friction("none", None, "context: who, where and when, which nobody can treat")
