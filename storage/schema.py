"""All tables together: what migrations lead to, and what is looked at when a database is opened."""

from storage import (
    access_tables,
    experiment_tables,
    identity_tables,
    playbook_tables,
    policy_tables,
    privacy_tables,
    registry_tables,
    rollout_tables,
    running_tables,
    tables,
    touchpoint_tables,
)

TABLE_MODULES = (
    tables,
    access_tables,
    running_tables,
    identity_tables,
    touchpoint_tables,
    privacy_tables,
    registry_tables,
    policy_tables,
    experiment_tables,
    playbook_tables,
    rollout_tables,
)
"""Where the tables are declared; importing them is what makes ``metadata`` whole."""

metadata = tables.metadata

__all__ = ["TABLE_MODULES", "metadata"]
