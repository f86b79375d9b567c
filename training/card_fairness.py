"""The part of a model card about fairness."""

from collections.abc import Iterator, Mapping
from typing import Any

from training.card_tables import interval, number, percent, table
from training.fairness import MIN_OF_EITHER, MIN_SESSIONS

_NAMES = {"auc": "AUC", "calibration_gap": "risk minus share abandoned", "false_alarm_rate": "false alarms"}


def fairness_section(fairness: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about groups of each attribute and the gaps between them."""
    yield "## Fairness"
    yield ""
    yield (
        f"On every prefix. A false alarm is a risk of {percent(fairness['threshold'])} or more where the end was "
        "not abandonment; below that risk nothing is recommended. Brackets hold 95 % intervals over visitors. A gap is "
        "real where the intervals of the two groups furthest apart do not overlap. Groups of fewer than "
        f"{MIN_SESSIONS} sessions, or of fewer than {MIN_OF_EITHER} visitors with either outcome, are hidden."
    )
    for name, attribute in fairness["attributes"].items():
        yield ""
        yield f"### By {name}"
        yield ""
        yield from _attribute(attribute)


def _attribute(attribute: Mapping[str, Any]) -> Iterator[str]:
    if attribute["groups"]:
        rows = [
            (value, f"{group['sessions']:,}", number(group["base_rate"]), *(_measured(group[name]) for name in _NAMES))
            for value, group in attribute["groups"].items()
        ]
        headers = ("Group", "Sessions", "Base rate", "AUC", "Risk minus share abandoned", "False alarms")
        yield from table(headers, rows)
        yield ""
    yield from _gaps(attribute["gaps"])
    if attribute["hidden_groups"]:
        sessions = f"{attribute['hidden_sessions']:,} sessions"
        yield f"Hidden for their size: {attribute['hidden_groups']:,} groups of {sessions}."
    if attribute["unknown_sessions"]:
        yield f"Sessions of which it is not known: {attribute['unknown_sessions']:,}."


def _gaps(gaps: Mapping[str, Any]) -> Iterator[str]:
    if not gaps:
        yield "Fewer than two groups are shown, so there is nothing to compare."
        return
    told = [f"{_NAMES[name]} {number(gap['value'])}{' (real)' if gap['is_real'] else ''}" for name, gap in gaps.items()]
    yield f"Largest gaps: {', '.join(told)}."


def _measured(measured: Mapping[str, float]) -> str:
    return f"{number(measured['value'])} {interval((measured['low'], measured['high']))}"
