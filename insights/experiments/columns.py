"""Which columns of a table mean what: as they are named, or as their names suggest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from insights.experiments.question import AnalysisError

UNITS = (
    "unit",
    "unit_id",
    "person",
    "person_id",
    "assignment_id",
    "visitor_id",
    "user_id",
    "customer_id",
    "account_id",
    "client_id",
    "anonymous_id",
    "visitor",
    "user",
    "customer",
    "id",
)
VARIANTS = ("variant", "arm", "variation", "group", "treatment", "bucket", "assignment")
OCCURRED = ("at", "occurred_at", "happened_at", "converted_at", "timestamp", "time", "date")
EXPOSED = ("exposed_at", "first_exposed_at", "first_at", "assigned_at", *OCCURRED)
METRICS = ("metric", "outcome", "event", "name", "event_name")
VALUES = ("value", "amount")
IDS = ("event_id", "outcome_id", "message_id", "order_id")
MEASURED = ("measured_at", "covariates_at", "features_at")
PROPENSITY = "propensity_"
"""Before a variant's name: the column of its probability."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The columns that people name; None leaves it to their names."""

    unit: str | None = None
    variant: str | None = None
    exposed_at: str | None = None
    outcome_unit: str | None = None
    outcome_at: str | None = None
    metric: str | None = None
    value: str | None = None


def require(named: str | None, guesses: Sequence[str], columns: Sequence[str], what: str, option: str) -> str:
    """Return the column that means something; raises :class:`AnalysisError` where there is none."""
    found = choose(named, guesses, columns, what)
    if found is None:
        raise AnalysisError(f"no column looks like {what}: name it with {option}; there are {', '.join(columns)}")
    return found


def choose(named: str | None, guesses: Sequence[str], columns: Sequence[str], what: str) -> str | None:
    """Return the column that is named, or the first that is called like one of the guesses, or None."""
    if named is not None:
        if named not in columns:
            raise AnalysisError(f"there is no column {named!r} for {what}; there are {', '.join(columns)}")
        return named
    known: Mapping[str, str] = {column.lower(): column for column in reversed(columns)}
    return next((known[guess] for guess in guesses if guess in known), None)
