"""What an intervention says about its belief and its effort, and what is refused."""

from typing import Any

import pytest

from decisions.intervention import Effort, Intervention
from features.friction import Friction
from features.scan import DeclarationError


def made(**changes: Any) -> Intervention:
    declared: dict[str, Any] = {
        "name": "form_help",
        "title": "Help",
        "message": "We fill it in with you.",
        "channel": "on_site",
        "stages": ("form",),
        "treats": (Friction.FORM,),
        "prior_effect": 0.05,
        "cost": 0.1,
        "effort": Effort.QUICK_WIN,
        "owner": "Forms",
    }
    return Intervention(**{**declared, **changes})


def test_a_belief_is_by_default_as_unsure_as_it_is_large() -> None:
    assert made().deviation == 0.05
    assert made(prior_deviation=0.0).deviation == 0.0


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({}, 3.0),
        ({"channel": "email"}, 1.0),
        ({"channel": "ad"}, 1.0),
        ({"effort": Effort.STRATEGIC, "channel": "email"}, 20.0),
        ({"effort_days": 4.5}, 4.5),
        ({"effort": Effort.STRATEGIC, "effort_days": 60.0}, 60.0),
    ],
)
def test_days_of_work_are_declared_or_what_its_kind_usually_takes(changes: dict[str, Any], days: float) -> None:
    assert made(**changes).days_of_work == days


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prior_deviation": -0.1}, "prior_deviation is a standard deviation"),
        ({"prior_deviation": 1.5}, "prior_deviation is a standard deviation"),
        ({"effort_days": 0.0}, "effort_days=0.0 must be positive"),
        ({"effort_days": float("nan")}, "must be positive"),
        ({"effort_days": 5.5}, "5.5 days of work are no quick win, which takes at most 5"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        made(**changes)
    assert str(caught.value).startswith("intervention 'form_help': ")
    assert said in str(caught.value)
