"""A small journey, and a way to declare it with one thing changed."""

from collections.abc import Callable
from typing import Any

import pytest

from decisions.intervention import Effort, Intervention
from features.friction import Friction
from features.scan import any_event, count, on, stage
from features.table import Feature, Stage
from journeys.journey import Ends, Journey, PolicySettings

Declare = Callable[..., Journey]

STAGE_INDEX = Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}")
EVENTS_SEEN = Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far")
FORM_ERRORS = Feature("form_errors", count("form_error"), Friction.FORM, "{:form error|form errors}")
REQUIRED = (STAGE_INDEX, EVENTS_SEEN, FORM_ERRORS)


def help_with(**changes: Any) -> Intervention:
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


@pytest.fixture
def declare() -> Declare:
    """Return a function that declares a small journey; keyword arguments replace its parts.

    ``more_features`` and ``intervention`` are short forms for the parts that most tests change.
    """

    def make(
        more_features: tuple[Feature, ...] = (), intervention: dict[str, Any] | None = None, **changes: Any
    ) -> Journey:
        declared: dict[str, Any] = {
            "name": "signup",
            "title": "Sign-up",
            "description": "From a page to an account.",
            "events": {
                "page_view": "a page opens",
                "edit_field": "a field changes",
                "form_error": "the form refuses",
                "sign_up": "the account exists",
                "refuse": "the account is refused",
                "leave": "the visitor says no",
                "intervention_shown": "something is shown",
            },
            "properties": {"field": "which field", "load_seconds": "seconds until the page can be used"},
            "stages": (Stage("read", on("page_view")), Stage("form", on("edit_field"))),
            "ends": Ends(goal=("sign_up",), abandoned=("leave",), competing=("refuse",)),
            "features": (*REQUIRED, *more_features),
            "interventions": (help_with(**(intervention or {})),),
            "policy": PolicySettings(goal_value=10.0),
            "session_timeout_seconds": 1_800.0,
        }
        return Journey(**{**declared, **changes})

    return make
