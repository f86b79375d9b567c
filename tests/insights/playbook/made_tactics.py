"""Tactics of the shop as tests tell them."""

from typing import Any

from storage.playbook import Tactic, TacticEvidence, TacticStatus

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US
"""4 October 2024."""


def tactic(*evidence: TacticEvidence, **changes: Any) -> Tactic:
    """Return a tactic of the shop: another way to pay, where payment is named at the payment."""
    known: dict[str, Any] = {
        "id": 1,
        "blocker": "payment",
        "stage": "payment",
        "audience": "",
        "intervention": "other_payment",
        "owner": "Payments",
        "status": TacticStatus.PROPOSED,
        "learning": "",
        "source": "by hand",
        "experiment": "",
        "draft": None,
        "created_us": 0,
        "changed_us": 0,
    }
    return Tactic(**known | changes, evidence=evidence)


def evidence(age_days: float = 0.0, **changes: Any) -> TacticEvidence:
    """Return the evidence of a four-week experiment that ended so many days ago; two points, with one to each side."""
    to_us = NOW_US - round(age_days * DAY_US)
    known: dict[str, Any] = {
        "experiment": f"trial_{age_days:g}",
        "metric": "goal",
        "effect": 0.02,
        "low": 0.01,
        "high": 0.03,
        "people": 5_600,
        "from_us": to_us - 28 * DAY_US,
        "to_us": to_us,
        "verdict": "ship",
        "baseline": 0.05,
    }
    return TacticEvidence(**known | changes)
