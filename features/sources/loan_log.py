"""The loan applications of the BPI Challenge 2012."""

from features.source import Source

LOAN_LOG = Source(
    name="loan_log",
    columns={
        "session_id": "case_id",
        "visitor_id": "case_id",
        "name": "lower(replace(activity, ' ', '_')) || "
        "CASE WHEN activity LIKE 'W\\_%' ESCAPE '\\' THEN '_' || lower(lifecycle) ELSE '' END",
        "occurred_at": "timestamp",
    },
    fields={name: f"$.{name}" for name in ("case_id", "amount_req", "timestamp", "activity", "lifecycle", "resource")},
    required=("case_id", "timestamp", "activity", "lifecycle"),
    properties={
        "amount_requested": "amount_req",
        "resource": "resource",
        "automatic": "CASE WHEN CAST(resource AS VARCHAR) IN ('112', '112.0') THEN 1 ELSE 0 END",
    },
    rows_in_order=True,
)
"""The loan applications of the BPI Challenge 2012 (doi 10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f)."""
